// Operations in shared memory. A buffer passes through the areas in chunks: each rank writes what others need of it, forms its
// part of the sum from all areas, and reads the parts of the others. Three chunks are on their way at a time, each a step
// further than the next, so that a wait is mostly over when it begins.
#include "Region.h"
#include <string.h>

#define TINY 4096  // bytes up to which everybody forms the whole sum: one wait instead of two

/// The same number on all ranks that called the same.
static uint64_t descriptor_of(const claw_operation *operation, int kind, uint64_t bytes) {
    uint64_t words[] = {operation->step, bytes, (uint64_t)kind, (uint64_t)(uint32_t)operation->type,
                        (uint64_t)(uint32_t)operation->reduction};
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        hash = (hash ^ words[i]) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash;
}

enum { KIND_REDUCE = 1, KIND_BROADCAST, KIND_GATHER, KIND_BARRIER };

/// One operation under way.
typedef struct {
    claw_mesh *mesh;
    claw_region *region;
    const claw_operation *operation;
    claw_failure *failure;
    uint64_t descriptor;
} course;

static course begin(claw_mesh *mesh, const claw_operation *operation, int kind, uint64_t bytes, claw_failure *failure) {
    return (course){mesh, mesh->region, operation, failure, descriptor_of(operation, kind, bytes)};
}

static int32_t wait_all(const course *at, size_t counter, uint64_t target) {
    for (int32_t i = 0; i < at->region->members; i++) {
        if (i == at->region->mine) continue;
        const _Atomic uint64_t *word = (const _Atomic uint64_t *)((const char *)&at->region->seats[i] + counter);
        int32_t code = claw_region_wait(at->mesh, at->operation, word, target, i, at->failure);
        if (code != OPENCLAW_OK) return code;
    }
    return OPENCLAW_OK;
}
#define WAIT_ALL(at, counter, target) wait_all(at, offsetof(region_seat, counter), target)

/// Until this rank's area of a chunk is free: everybody is done with the chunk that was there before.
static int32_t wait_free(const course *at, uint64_t chunk) {
    return chunk < REGION_DEPTH ? OPENCLAW_OK : WAIT_ALL(at, consumed, chunk + 1 - REGION_DEPTH);
}

static void arrive(const course *at, uint64_t chunk) {
    region_seat *seat = &at->region->seats[at->region->mine];
    seat->descriptors[chunk % REGION_DEPTH] = at->descriptor;
    atomic_store_explicit(&seat->arrived, chunk + 1, memory_order_release);
    claw_region_tell(at->region);
}

static void finish_reducing(const course *at, uint64_t chunk) {
    atomic_store_explicit(&at->region->seats[at->region->mine].reduced, chunk + 1, memory_order_release);
    claw_region_tell(at->region);
}

static void consume(const course *at, uint64_t chunk) {
    region_seat *seat = &at->region->seats[at->region->mine];
    // A later chunk may be formed already; an operation that forms nothing has only this place to say so.
    if (atomic_load_explicit(&seat->reduced, memory_order_relaxed) <= chunk)
        atomic_store_explicit(&seat->reduced, chunk + 1, memory_order_relaxed);
    atomic_store_explicit(&seat->consumed, chunk + 1, memory_order_release);
    claw_region_tell(at->region);
}

/// Whether that rank is in the same operation, once its chunk arrived.
static int32_t compare(const course *at, uint64_t chunk, int32_t rank) {
    if (at->region->seats[rank].descriptors[chunk % REGION_DEPTH] == at->descriptor) return OPENCLAW_OK;
    int32_t slot = at->mesh->local_slots[rank];
    return claw_fail(
        at->failure, OPENCLAW_MISMATCH, slot, "slot %d called another operation, type or size than slot %d in step %llu", slot,
        at->mesh->slot, (unsigned long long)at->operation->step);
}

static int32_t wait_arrived(const course *at, uint64_t chunk) {
    int32_t code = WAIT_ALL(at, arrived, chunk + 1);
    for (int32_t i = 0; code == OPENCLAW_OK && i < at->region->members; i++) code = compare(at, chunk, i);
    return code;
}

static void count_shared(const course *at, uint64_t bytes) {
    atomic_fetch_add_explicit(&at->mesh->meter->shared, bytes, memory_order_relaxed);
}

// MARK: all-reduce

/// The part of a chunk that one rank forms: whole cache lines, as even as they come.
typedef struct { uint64_t from, bytes; } part;

static part part_of(uint64_t bytes, int32_t members, int32_t rank) {
    uint64_t lines = (bytes + 63) / 64, each = (lines + (uint64_t)members - 1) / (uint64_t)members * 64;
    uint64_t from = each * (uint64_t)rank < bytes ? each * (uint64_t)rank : bytes;
    return (part){from, bytes - from < each ? bytes - from : each};
}

static int32_t reduce_tiny(const course *at, uint8_t *data, uint64_t bytes) {
    claw_region *region = at->region;
    uint64_t chunk = region->turn;
    int32_t code = wait_free(at, chunk);
    if (code != OPENCLAW_OK) return code;
    memcpy(region_area(region, chunk, region->mine), data, bytes);
    arrive(at, chunk);
    if ((code = wait_arrived(at, chunk)) != OPENCLAW_OK) return code;
    const void *from[LOCAL_MAX];
    for (int32_t i = 0; i < region->members; i++) from[i] = region_area(region, chunk, i);
    const claw_operation *o = at->operation;
    claw_reduce(data, from, region->members, o->count, o->type, o->reduction, o->scale);
    consume(at, chunk);
    count_shared(at, bytes);
    return OPENCLAW_OK;
}

/// Writes the parts of a chunk that others form.
static int32_t give(const course *at, const uint8_t *data, uint64_t bytes, uint64_t chunk) {
    claw_region *region = at->region;
    int32_t code = wait_free(at, chunk);
    if (code != OPENCLAW_OK) return code;
    part own = part_of(bytes, region->members, region->mine);
    uint8_t *area = region_area(region, chunk, region->mine);
    memcpy(area, data, own.from);
    memcpy(area + own.from + own.bytes, data + own.from + own.bytes, bytes - own.from - own.bytes);
    count_shared(at, bytes);
    arrive(at, chunk);
    return OPENCLAW_OK;
}

/// Forms this rank's part of a chunk, into its own buffer and into its area.
static int32_t form(const course *at, uint8_t *data, uint64_t bytes, uint64_t chunk) {
    claw_region *region = at->region;
    const claw_operation *o = at->operation;
    int32_t code = wait_arrived(at, chunk);
    if (code != OPENCLAW_OK) return code;
    part own = part_of(bytes, region->members, region->mine);
    const uint64_t each = claw_type_bytes(o->type), block = 8192;
    for (uint64_t done = 0; done < own.bytes; done += block) {
        uint64_t size = own.bytes - done < block ? own.bytes - done : block, place = own.from + done;
        const void *from[LOCAL_MAX];
        for (int32_t i = 0; i < region->members; i++)
            from[i] = i == region->mine ? data + place : region_area(region, chunk, i) + place;
        claw_reduce(data + place, from, region->members, size / each, o->type, o->reduction, o->scale);
        memcpy(region_area(region, chunk, region->mine) + place, data + place, size);
    }
    finish_reducing(at, chunk);
    return OPENCLAW_OK;
}

/// Reads what the others formed.
static int32_t take(const course *at, uint8_t *data, uint64_t bytes, uint64_t chunk) {
    claw_region *region = at->region;
    int32_t code = WAIT_ALL(at, reduced, chunk + 1);
    if (code != OPENCLAW_OK) return code;
    for (int32_t i = 0; i < region->members; i++) {
        if (i == region->mine) continue;
        part theirs = part_of(bytes, region->members, i);
        memcpy(data + theirs.from, region_area(region, chunk, i) + theirs.from, theirs.bytes);
    }
    consume(at, chunk);
    return OPENCLAW_OK;
}

int32_t claw_region_all_reduce(claw_mesh *mesh, const claw_operation *operation, void *data, claw_failure *failure) {
    uint64_t bytes = operation->count * claw_type_bytes(operation->type);
    course at = begin(mesh, operation, KIND_REDUCE, bytes, failure);
    claw_region *region = mesh->region;
    if (bytes <= TINY) {
        int32_t code = reduce_tiny(&at, data, bytes);
        if (code == OPENCLAW_OK) region->turn++;
        return code;
    }
    uint64_t chunks = (bytes + REGION_AREA - 1) / REGION_AREA, turn = region->turn;
    for (uint64_t i = 0; i < chunks + 2; i++) {
        int32_t code = OPENCLAW_OK;
        for (uint64_t stage = 0; stage < 3 && code == OPENCLAW_OK; stage++) {
            if (i < stage || i - stage >= chunks) continue;
            uint64_t chunk = i - stage, place = chunk * REGION_AREA;
            uint64_t size = bytes - place < REGION_AREA ? bytes - place : REGION_AREA;
            uint8_t *values = (uint8_t *)data + place;
            if (stage == 0) code = give(&at, values, size, turn + chunk);
            if (stage == 1) code = form(&at, values, size, turn + chunk);
            if (stage == 2) code = take(&at, values, size, turn + chunk);
        }
        if (code != OPENCLAW_OK) return code;
    }
    region->turn += chunks;
    return OPENCLAW_OK;
}

// MARK: the others

int32_t claw_region_broadcast(
    claw_mesh *mesh, const claw_operation *operation, void *data, uint64_t bytes, int32_t root, claw_failure *failure) {
    course at = begin(mesh, operation, KIND_BROADCAST, bytes, failure);
    claw_region *region = mesh->region;
    uint64_t chunks = (bytes + REGION_AREA - 1) / REGION_AREA;
    for (uint64_t i = 0; i < chunks; i++) {
        uint64_t chunk = region->turn + i, place = i * REGION_AREA;
        uint64_t size = bytes - place < REGION_AREA ? bytes - place : REGION_AREA;
        int32_t code = wait_free(&at, chunk);
        if (code != OPENCLAW_OK) return code;
        if (region->mine == root) memcpy(region_area(region, chunk, root), (uint8_t *)data + place, size);
        if (region->mine == root) count_shared(&at, size);
        arrive(&at, chunk);
        if (region->mine != root) {
            code = claw_region_wait(mesh, operation, &region->seats[root].arrived, chunk + 1, root, failure);
            if (code == OPENCLAW_OK) code = compare(&at, chunk, root);
            if (code != OPENCLAW_OK) return code;
            memcpy((uint8_t *)data + place, region_area(region, chunk, root), size);
        }
        consume(&at, chunk);
    }
    region->turn += chunks;
    return OPENCLAW_OK;
}

int32_t claw_region_all_gather(
    claw_mesh *mesh, const claw_operation *operation, const void *own, uint8_t *const *places, uint64_t bytes,
    claw_failure *failure) {
    course at = begin(mesh, operation, KIND_GATHER, bytes, failure);
    claw_region *region = mesh->region;
    uint64_t chunks = (bytes + REGION_AREA - 1) / REGION_AREA;
    for (uint64_t i = 0; i < chunks; i++) {
        uint64_t chunk = region->turn + i, place = i * REGION_AREA;
        uint64_t size = bytes - place < REGION_AREA ? bytes - place : REGION_AREA;
        int32_t code = wait_free(&at, chunk);
        if (code != OPENCLAW_OK) return code;
        memcpy(region_area(region, chunk, region->mine), (const uint8_t *)own + place, size);
        count_shared(&at, size);
        arrive(&at, chunk);
        if ((code = wait_arrived(&at, chunk)) != OPENCLAW_OK) return code;
        for (int32_t r = 0; r < region->members; r++) memcpy(places[r] + place, region_area(region, chunk, r), size);
        consume(&at, chunk);
    }
    region->turn += chunks;
    return OPENCLAW_OK;
}

int32_t claw_region_barrier(claw_mesh *mesh, const claw_operation *operation, claw_failure *failure) {
    course at = begin(mesh, operation, KIND_BARRIER, 0, failure);
    uint64_t chunk = mesh->region->turn;
    int32_t code = wait_free(&at, chunk);
    if (code != OPENCLAW_OK) return code;
    arrive(&at, chunk);
    if ((code = wait_arrived(&at, chunk)) != OPENCLAW_OK) return code;
    consume(&at, chunk);
    mesh->region->turn++;
    return OPENCLAW_OK;
}
