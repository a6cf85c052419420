// The memory that the ranks of one host share for one epoch: a seat for each rank with its counters and its doorbell, and a ring
// of areas through which values pass. It has no name in any file system and no size limit of /dev/shm: it lives as long as a
// process has it mapped, so that a killed job leaves nothing behind.
#define _GNU_SOURCE
#include "Region.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static size_t region_bytes(int32_t members) {
    return sizeof(region_head) + (size_t)members * (sizeof(region_seat) + (size_t)REGION_DEPTH * REGION_AREA);
}

static claw_region *mapped(int descriptor, int32_t members, int32_t mine, claw_failure *failure) {
    claw_region *region = calloc(1, sizeof *region);
    size_t bytes = region_bytes(members);
    void *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (!region || memory == MAP_FAILED) {
        claw_fail(failure, OPENCLAW_FAILED, -1, "%zu bytes of shared memory could not be mapped: %s", bytes, strerror(errno));
        if (memory != MAP_FAILED) munmap(memory, bytes);
        free(region);
        return 0;
    }
    madvise(memory, bytes, MADV_DONTFORK);  // a forked child has no business here
    region->memory = memory;
    region->bytes = bytes;
    region->descriptor = descriptor;
    region->members = members;
    region->mine = mine;
    region->head = memory;
    region->seats = (region_seat *)(region->head + 1);
    region->areas = (uint8_t *)(region->seats + members);
    cpu_set_t cores;
    int32_t count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    region->is_crowded = members > count;
    return region;
}

claw_region *claw_region_create(int32_t members, uint64_t nonce, claw_failure *failure) {
    int descriptor = memfd_create("openclaw-collectives", MFD_CLOEXEC);
    if (descriptor < 0 || ftruncate(descriptor, (off_t)region_bytes(members)) != 0) {
        claw_fail(failure, OPENCLAW_FAILED, -1, "shared memory could not be made: %s", strerror(errno));
        if (descriptor >= 0) close(descriptor);
        return 0;
    }
    claw_region *region = mapped(descriptor, members, 0, failure);
    if (!region) {
        close(descriptor);
        return 0;
    }
    region->head->magic = REGION_MAGIC;
    region->head->nonce = nonce;
    region->head->members = members;
    return region;
}

claw_region *claw_region_attach(
    int32_t process, int32_t descriptor, int32_t members, int32_t mine, uint64_t nonce, claw_failure *failure) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", process, descriptor);
    int opened = open(path, O_RDWR | O_CLOEXEC);
    if (opened < 0) {
        claw_fail(failure, OPENCLAW_FAILED, -1, "the shared memory of process %d could not be opened: %s", process, strerror(errno));
        return 0;
    }
    // Another process of that number (of another container) would have something else there: neither our size nor our nonce.
    off_t size = lseek(opened, 0, SEEK_END);
    claw_region *region = size == (off_t)region_bytes(members) ? mapped(opened, members, mine, failure) : 0;
    close(opened);
    if (region) region->descriptor = -1;
    if (region && region->head->magic == REGION_MAGIC && region->head->nonce == nonce && region->head->members == members)
        return region;
    if (region) claw_region_destroy(region);
    claw_fail(failure, OPENCLAW_FAILED, -1, "process %d shares other memory than expected", process);
    return 0;
}

int32_t claw_region_descriptor(const claw_region *region) { return region->descriptor; }

void claw_region_seal(claw_region *region) {
    if (region->descriptor >= 0) close(region->descriptor);
    region->descriptor = -1;
}

void claw_region_destroy(claw_region *region) {
    claw_region_seal(region);
    munmap(region->memory, region->bytes);
    free(region);
}

// MARK: waking

static void ring(region_seat *seat) {
    atomic_fetch_add(&seat->doorbell, 1);
    syscall(SYS_futex, &seat->doorbell, FUTEX_WAKE, INT_MAX, 0, 0, 0);
}

void claw_region_wake(claw_region *region) { ring(&region->seats[region->mine]); }

void claw_region_break(claw_region *region, int32_t code, int32_t slot) {
    uint64_t none = 0, reason = (uint64_t)(uint32_t)code << 32 | (uint32_t)slot;
    atomic_compare_exchange_strong(&region->head->broken, &none, reason);
    for (int32_t i = 0; i < region->members; i++) ring(&region->seats[i]);
}

void claw_region_tell(claw_region *region) {
    atomic_thread_fence(memory_order_seq_cst);  // the counter before, the sleepers after: one of both sides sees the other
    for (int32_t i = 0; i < region->members; i++) {
        region_seat *seat = &region->seats[i];
        if (i != region->mine && atomic_load_explicit(&seat->asleep, memory_order_relaxed)) ring(seat);
    }
}

// MARK: waiting

static bool reached(const _Atomic uint64_t *counter, uint64_t target) {
    return atomic_load_explicit(counter, memory_order_acquire) >= target;
}

/// Whether the wait for this rank must end. What it did before it ended counts: so the counter is looked at once more.
static int32_t ended(
    claw_mesh *mesh, const _Atomic uint64_t *counter, uint64_t target, int32_t rank, claw_failure *failure) {
    claw_region *region = mesh->region;
    int32_t slot = mesh->local_slots[rank];
    if (claw_interrupt_code(mesh->interrupt) != 0)
        return reached(counter, target) ? OPENCLAW_OK : claw_fail_interrupted(mesh->interrupt, failure);
    uint64_t broken = atomic_load(&region->head->broken);
    if (broken != 0 && !reached(counter, target)) {
        claw_interrupt_raise(mesh->interrupt, (int32_t)(broken >> 32), (int32_t)(uint32_t)broken);
        return claw_fail_interrupted(mesh->interrupt, failure);
    }
    if (atomic_load(&mesh->interrupt->left[mesh->local_members[rank]]) && !reached(counter, target))
        return claw_fail(failure, OPENCLAW_PEER_DEAD, slot, "slot %d has left the group", slot);
    return OPENCLAW_OK;
}

static void breathe(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/// Sleeps until the counter is reached, this seat's bell rings, or some time passed.
static void sleep_for(claw_region *region, const _Atomic uint64_t *counter, uint64_t target, int64_t nanoseconds) {
    region_seat *seat = &region->seats[region->mine];
    uint32_t seen = atomic_load(&seat->doorbell);
    atomic_store(&seat->asleep, 1);
    atomic_thread_fence(memory_order_seq_cst);
    if (!reached(counter, target)) {
        struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
        syscall(SYS_futex, &seat->doorbell, FUTEX_WAIT, seen, &limit, 0, 0);
    }
    atomic_store(&seat->asleep, 0);
}

static int32_t wait_long(
    claw_mesh *mesh, const claw_operation *operation, const _Atomic uint64_t *counter, uint64_t target, int32_t rank,
    claw_failure *failure) {
    claw_region *region = mesh->region;
    int32_t slot = mesh->local_slots[rank], code = OPENCLAW_OK;
    int64_t begun = claw_now(), spun = region->is_crowded ? begun : begun + operation->spin_ns;
    int64_t yielded = region->is_crowded ? begun + 20000 : spun;
    atomic_store_explicit(&mesh->meter->waiting_for, slot, memory_order_relaxed);
    while (!reached(counter, target)) {
        int64_t now = claw_now();
        if ((code = ended(mesh, counter, target, rank, failure)) != OPENCLAW_OK) break;
        if (operation->timeout_ns >= 0 && now - begun > operation->timeout_ns) {
            code = claw_fail(failure, OPENCLAW_TIMED_OUT, slot, "slot %d did nothing for %.1f s", slot, (double)(now - begun) / 1e9);
            break;
        }
        if (now < spun)
            for (int i = 0; i < 32 && !reached(counter, target); i++) breathe();
        else if (now < yielded)
            sched_yield();  // more ranks than cores: the one waited for may need this one
        else
            sleep_for(region, counter, target, 20000000);
    }
    atomic_store_explicit(&mesh->meter->waiting_for, -1, memory_order_relaxed);
    atomic_fetch_add_explicit(&mesh->meter->waiting_ns, (uint64_t)(claw_now() - begun), memory_order_relaxed);
    return code;
}

int32_t claw_region_wait(
    claw_mesh *mesh, const claw_operation *operation, const _Atomic uint64_t *counter, uint64_t target, int32_t rank,
    claw_failure *failure) {
    for (int i = 0; i < 64; i++) {
        if (reached(counter, target)) return OPENCLAW_OK;
        breathe();
    }
    return wait_long(mesh, operation, counter, target, rank, failure);
}
