// Sockets as the mesh needs them, the descriptors that a forked child must not keep, and who shares memory with whom.
#define _GNU_SOURCE
#include "Inner.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// MARK: forked children

// A data loader's child inherits every socket. While it holds one, the kernel sends no FIN when the rank dies, and the others
// would wait for as long as the child lives. So a child closes them first thing.
#define OPEN_MAX_KEPT 8192
static _Atomic int kept[OPEN_MAX_KEPT];  // descriptor + 1, 0 for a free place
static _Atomic uint32_t generation;

static void forget_in_child(void) {
    for (int i = 0; i < OPEN_MAX_KEPT; i++) {
        int descriptor = atomic_exchange(&kept[i], 0);
        if (descriptor > 0) close(descriptor - 1);
    }
    atomic_fetch_add(&generation, 1);
}

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(0, 0, forget_in_child); }

uint32_t claw_generation(void) { return atomic_load_explicit(&generation, memory_order_relaxed); }

/// Notes a descriptor; closes it and answers -1 when there are too many.
static int keep(int descriptor) {
    for (int i = 0; descriptor >= 0 && i < OPEN_MAX_KEPT; i++) {
        int none = 0;
        if (atomic_load_explicit(&kept[i], memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&kept[i], &none, descriptor + 1))
            return descriptor;
    }
    if (descriptor >= 0) close(descriptor);
    errno = EMFILE;
    return -1;
}

void claw_close(int descriptor) {
    if (descriptor < 0) return;
    for (int i = 0; i < OPEN_MAX_KEPT; i++) {
        int noted = descriptor + 1;
        if (atomic_load_explicit(&kept[i], memory_order_relaxed) == noted &&
            atomic_compare_exchange_strong(&kept[i], &noted, 0)) {
            close(descriptor);
            return;
        }
    }
}

int claw_wake_descriptor(void) { return keep(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

void claw_wake(int descriptor) {
    uint64_t one = 1;
    while (write(descriptor, &one, sizeof one) < 0 && errno == EINTR) {}
}

void claw_calm(int descriptor) {
    uint64_t count;
    while (read(descriptor, &count, sizeof count) < 0 && errno == EINTR) {}
}

// MARK: connections

static struct addrinfo *resolved(const char *host, uint16_t port, bool passive, claw_failure *failure) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0}, *found = 0;
    char text[8];
    snprintf(text, sizeof text, "%u", port);
    int code = getaddrinfo(host, text, &hints, &found);
    if (code == 0 && found) return found;
    claw_fail(failure, OPENCLAW_FAILED, -1, "the host name %s is not known: %s", host, gai_strerror(code));
    return 0;
}

static bool is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
    if (address->sa_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
    return false;
}

int claw_listen(const char *host, uint16_t *port, bool *loopback, claw_failure *failure) {
    struct addrinfo *found = resolved(host, *port, true, failure);
    if (!found) return -1;
    *loopback = is_loopback(found->ai_addr);
    int descriptor = keep(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), yes = 1;
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
        struct sockaddr_storage room;
    } bound = {0};
    socklen_t length = sizeof bound;
    if (descriptor >= 0) setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (descriptor < 0 || bind(descriptor, found->ai_addr, found->ai_addrlen) != 0 || listen(descriptor, 512) != 0 ||
        getsockname(descriptor, &bound.any, &length) != 0) {
        claw_fail(failure, OPENCLAW_FAILED, -1, "%s:%u cannot be listened on: %s", host, *port, strerror(errno));
        claw_close(descriptor);
        descriptor = -1;
    } else {
        *port = ntohs(bound.any.sa_family == AF_INET6 ? bound.six.sin6_port : bound.four.sin_port);
    }
    freeaddrinfo(found);
    return descriptor;
}

int claw_connect(const char *host, uint16_t port, claw_failure *failure) {
    struct addrinfo *found = resolved(host, port, false, failure);
    if (!found) return -1;
    int descriptor = keep(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (descriptor < 0 || (connect(descriptor, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS)) {
        claw_fail(failure, OPENCLAW_FAILED, -1, "%s:%u cannot be reached: %s", host, port, strerror(errno));
        claw_close(descriptor);
        descriptor = -1;
    }
    freeaddrinfo(found);
    return descriptor;
}

int claw_connect_error(int descriptor) {
    int code = 0;
    socklen_t length = sizeof code;
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno;
}

int claw_accept(int descriptor) { return keep(accept4(descriptor, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK)); }

void claw_tune(int descriptor) {
    int yes = 1, idle = 5, interval = 2, probes = 3;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

void claw_tune_control(int descriptor) {
    unsigned lost = 12000;
    setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost, sizeof lost);
}

// MARK: who shares memory

int32_t claw_host_identity(char *into, size_t capacity) {
    const char *given = getenv("OPENCLAW_HOST");
    if (given && *given) return (size_t)snprintf(into, capacity, "%s", given) < capacity ? OPENCLAW_OK : OPENCLAW_BAD_ARGUMENT;
    char boot[64] = "unknown";
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t count = file >= 0 ? read(file, boot, sizeof boot - 1) : -1;
    if (file >= 0) close(file);
    if (count > 0) boot[count] = 0;
    boot[strcspn(boot, "\n")] = 0;
    // Ranks in two network namespaces may run in two containers, and are meant to talk over the network between them.
    struct stat space = {0};
    stat("/proc/self/ns/net", &space);
    int written = snprintf(into, capacity, "%s-%llu", boot, (unsigned long long)space.st_ino);
    return written > 0 && (size_t)written < capacity ? OPENCLAW_OK : OPENCLAW_BAD_ARGUMENT;
}
