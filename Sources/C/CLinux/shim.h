// The only door to the Linux calls that Glibc's module map leaves out.
// _GNU_SOURCE is never defined here: it would turn `sockaddr *` into a transparent union.
#ifndef OPENCLAW_CLINUX_H
#define OPENCLAW_CLINUX_H
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

extern int claw_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) __asm__("accept4");
extern int claw_pipe2(int fds[2], int flags) __asm__("pipe2");
#endif
