// Waiting and waking between threads: futex words, the reason that ends an epoch's waits, counters.
#define _GNU_SOURCE
#include "Inner.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t claw_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int32_t claw_fail(claw_failure *failure, int32_t code, int32_t slot, const char *text, ...) {
    failure->code = code;
    failure->slot = slot;
    va_list list;
    va_start(list, text);
    vsnprintf(failure->text, sizeof failure->text, text, list);
    va_end(list);
    return code;
}

// MARK: the bell

static _Atomic uint32_t *word_of(const claw_bell *bell) { return (_Atomic uint32_t *)&((claw_bell *)bell)->word; }

uint32_t claw_bell_value(const claw_bell *bell) { return atomic_load(word_of(bell)); }

void claw_bell_ring(claw_bell *bell) {
    atomic_fetch_add(word_of(bell), 1);
    syscall(SYS_futex, &bell->word, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
}

void claw_bell_wait(claw_bell *bell, uint32_t seen, int64_t nanoseconds) {
    struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    syscall(SYS_futex, &bell->word, FUTEX_WAIT_PRIVATE, seen, nanoseconds < 0 ? 0 : &limit, 0, 0);
}

// MARK: the interrupt

claw_interrupt *claw_interrupt_create(void) {
    claw_interrupt *interrupt = calloc(1, sizeof *interrupt);
    if (!interrupt) return 0;
    atomic_store(&interrupt->slot, -1);
    interrupt->event = claw_wake_descriptor();
    if (interrupt->event < 0) {
        free(interrupt);
        return 0;
    }
    return interrupt;
}

void claw_interrupt_destroy(claw_interrupt *interrupt) {
    claw_close(interrupt->event);
    free(interrupt);
}

bool claw_interrupt_raise(claw_interrupt *interrupt, int32_t code, int32_t slot) {
    // Slot and code must be seen together: both are one exchange of the code, and the slot is written before by the winner only.
    int32_t none = 0;
    if (!atomic_compare_exchange_strong(&interrupt->code, &none, -1)) return false;
    atomic_store(&interrupt->slot, slot);
    atomic_store(&interrupt->code, code);
    claw_wake(interrupt->event);
    claw_region *region = atomic_load(&interrupt->region);
    if (region) claw_region_break(region, code, slot);
    return true;
}

/// While the winner writes its slot the code is negative: it is there in some nanoseconds.
int32_t claw_interrupt_code(const claw_interrupt *interrupt) {
    int32_t code = atomic_load_explicit(&interrupt->code, memory_order_acquire);
    while (code < 0) code = atomic_load_explicit(&interrupt->code, memory_order_acquire);
    return code;
}

int32_t claw_interrupt_slot(const claw_interrupt *interrupt) { return atomic_load(&interrupt->slot); }

int claw_interrupt_descriptor(const claw_interrupt *interrupt) { return interrupt->event; }

void claw_interrupt_left(claw_interrupt *interrupt, int32_t member) {
    atomic_store(&interrupt->left[member], 1);
    claw_region *region = atomic_load(&interrupt->region);
    if (region) claw_region_wake(region);
}

int32_t claw_fail_interrupted(const claw_interrupt *interrupt, claw_failure *failure) {
    int32_t code = claw_interrupt_code(interrupt), slot = claw_interrupt_slot(interrupt);
    if (code == OPENCLAW_PEER_DEAD) return claw_fail(failure, code, slot, "slot %d is dead", slot);
    if (code == OPENCLAW_STALE_EPOCH) return claw_fail(failure, code, slot, "slot %d went on to a later epoch", slot);
    if (slot >= 0) return claw_fail(failure, code, slot, "slot %d ended the epoch", slot);
    return claw_fail(failure, code, slot, "the epoch was ended");
}

int32_t claw_interrupt_failure(const claw_interrupt *interrupt, claw_failure *failure) {
    return claw_interrupt_code(interrupt) == 0 ? OPENCLAW_OK : claw_fail_interrupted(interrupt, failure);
}

// MARK: the meter

claw_meter *claw_meter_create(void) {
    claw_meter *meter = calloc(1, sizeof *meter);
    if (meter) atomic_store(&meter->waiting_for, -1);
    return meter;
}

void claw_meter_destroy(claw_meter *meter) { free(meter); }

void claw_meter_read(const claw_meter *meter, openclaw_statistics *into) {
    into->wire_bytes_sent = atomic_load_explicit(&meter->sent, memory_order_relaxed);
    into->wire_bytes_received = atomic_load_explicit(&meter->received, memory_order_relaxed);
    into->shared_bytes = atomic_load_explicit(&meter->shared, memory_order_relaxed);
    into->waiting_s = (double)atomic_load_explicit(&meter->waiting_ns, memory_order_relaxed) / 1e9;
    into->waiting_for = atomic_load_explicit(&meter->waiting_for, memory_order_relaxed);
}
