// Starting a process that cannot outlive the one that watches it: what posix_spawn has no word for.
#ifndef OPENCLAW_CBOUNDPROCESS_H
#define OPENCLAW_CBOUNDPROCESS_H

/// A process of this one's that is left by its parent becomes this one's child, to be killed and reaped here.
int claw_adopt_orphans(void);

/// Starts a process in a group of its own that the kernel kills when the calling thread ends. It inherits `output` as its stdout
/// and stderr, and nothing else. `cgroups` (files cgroup.procs, ending with NULL) are entered first; `data_bytes` above 0 bounds its
/// private memory. Returns its pid, or -1 with the errno in `*reason`.
int claw_spawn_bound(
    const char *path, char *const *arguments, char *const *environment, const char *directory, int output, char *const *cgroups,
    long long data_bytes, int *reason);
#endif
