// fork and exec, with what must happen between the two. Nothing there allocates or takes a lock: other threads may hold them.
#define _GNU_SOURCE
#include "CBoundProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int claw_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

static int enter(char *const *cgroups) {
    for (; *cgroups; cgroups++) {
        int group = open(*cgroups, O_WRONLY | O_CLOEXEC);
        if (group < 0 || write(group, "0", 1) != 1) return -1;
    }
    return 0;
}

static int bound(rlim_t bytes, int resource) {
    struct rlimit limit = {bytes, bytes};
    return setrlimit(resource, &limit);
}

// Everything up to exec; returns where one step failed, with errno saying why.
static void become(
    const char *path, char *const *arguments, char *const *environment, const char *directory, int output, char *const *cgroups,
    long long data_bytes, pid_t parent, int word) {
    for (int number = 1; number < 65; number++) signal(number, SIG_DFL);
    setpgid(0, 0);
    int input = open("/dev/null", O_RDONLY);
    if (input < 0 || enter(cgroups) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)) return;
    if (getppid() != parent) _exit(125);  // it ended before the kernel was told to watch it
    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 || chdir(directory)) return;
    if (bound(0, RLIMIT_CORE) || (data_bytes > 0 && bound((rlim_t)data_bytes, RLIMIT_DATA))) return;
    if (dup3(word, 3, O_CLOEXEC) < 0 && errno != EINVAL) return;
    syscall(SYS_close_range, 4U, ~0U, 0U);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(path, arguments, environment);
}

int claw_spawn_bound(
    const char *path, char *const *arguments, char *const *environment, const char *directory, int output, char *const *cgroups,
    long long data_bytes, int *reason) {
    int said[2];
    if (pipe2(said, O_CLOEXEC)) {
        *reason = errno;
        return -1;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid(), process = fork();
    if (process == 0) {
        // The lowest free descriptors may be the standard ones: out of the way first.
        int word = fcntl(said[1], F_DUPFD_CLOEXEC, 10), out = fcntl(output, F_DUPFD_CLOEXEC, 10);
        if (word >= 0 && out >= 0)
            become(path, arguments, environment, directory, out, cgroups, data_bytes, parent, word);
        int code = errno;
        // `word` is open until close_range, and 3 is it from then on.
        if (write(word >= 0 ? word : said[1], &code, sizeof code) < 0 && write(3, &code, sizeof code) < 0) _exit(126);
        _exit(127);
    }
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(said[1]);
    if (process > 0) {
        ssize_t count;
        do count = read(said[0], &code, sizeof code);
        while (count < 0 && errno == EINTR);
        if (count != sizeof code) code = 0;
        setpgid(process, process);
    }
    close(said[0]);
    *reason = code;
    return code ? -1 : process;
}
