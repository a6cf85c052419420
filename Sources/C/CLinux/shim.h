// The only door to the Linux calls that Glibc's module map leaves out.
// _GNU_SOURCE is never defined here: it would turn `sockaddr *` into a transparent union.
#ifndef OPENCLAW_CLINUX_H
#define OPENCLAW_CLINUX_H
#include <spawn.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

extern int claw_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) __asm__("accept4");
extern int claw_pipe2(int fds[2], int flags) __asm__("pipe2");
extern int claw_pthread_setname_np(unsigned long thread, const char *name) __asm__("pthread_setname_np");
extern unsigned long claw_pthread_self(void) __asm__("pthread_self");

/// Names the calling thread (the kernel keeps 15 bytes).
static inline void claw_name_thread(const char *name) {
    char cut[16];
    __builtin_strncpy(cut, name, 15);
    cut[15] = 0;
    claw_pthread_setname_np(claw_pthread_self(), cut);
}

// The library's own send and recv are cancellation points, which costs each call two atomic operations; nobody here cancels
// a thread. None of these raises SIGPIPE.
extern long claw_syscall(long number, ...) __asm__("syscall");
static inline ssize_t claw_send(int fd, const void *bytes, size_t count) {
    return claw_syscall(SYS_sendto, fd, bytes, count, (long)MSG_NOSIGNAL, 0L, 0L);
}
static inline ssize_t claw_receive(int fd, void *bytes, size_t count) {
    return claw_syscall(SYS_recvfrom, fd, bytes, count, 0L, 0L, 0L);
}
/// Writes two parts with one call.
static inline ssize_t claw_send_two(int fd, const void *first, size_t first_count, const void *second, size_t second_count) {
    struct iovec parts[2] = {{(void *)first, first_count}, {(void *)second, second_count}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return claw_syscall(SYS_sendmsg, fd, &message, (long)MSG_NOSIGNAL);
}

/// Bytes of this TCP connection that the peer's kernel acknowledged (tcpi_bytes_acked, the SYN counts as one); -1 when unknown.
/// <netinet/tcp.h> ends before the field and <linux/tcp.h> clashes with it, so its place in the kernel's stable layout stands here.
static inline long long claw_tcp_bytes_acknowledged(int fd) {
    unsigned char info[128];
    socklen_t length = sizeof info;
    if (getsockopt(fd, 6 /* IPPROTO_TCP */, 11 /* TCP_INFO */, info, &length) != 0 || length < 128) return -1;
    long long acknowledged;
    __builtin_memcpy(&acknowledged, info + 120, sizeof acknowledged);
    return acknowledged;
}

// For Processes. `syscall` is variadic, which Swift does not import, and glibc's own pidfd_open is younger than 2.36.
extern int claw_spawn_chdir(posix_spawn_file_actions_t *actions, const char *path) __asm__("posix_spawn_file_actions_addchdir_np");
extern int claw_spawn_close_from(posix_spawn_file_actions_t *actions, int first) __asm__("posix_spawn_file_actions_addclosefrom_np");
static inline int claw_pidfd_open(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }
#endif
