// What lies in shared memory, and how its ranks wait for each other there.
#ifndef OPENCLAW_COLLECTIVES_REGION_H
#define OPENCLAW_COLLECTIVES_REGION_H
#include "Inner.h"

#define REGION_MAGIC 0x4F434C57u
#define REGION_DEPTH 4               // areas of each rank: chunks that may be on their way
#define REGION_AREA (256u << 10)     // bytes of an area

/// What one rank tells the others. Counters only grow, over all operations of the epoch.
typedef struct {
    _Alignas(128) _Atomic uint64_t arrived;  // chunks that this rank wrote into its areas
    _Atomic uint64_t reduced;                // chunks of which it formed its part
    _Atomic uint64_t consumed;               // chunks it needs no more
    uint64_t descriptors[REGION_DEPTH];      // of the operation that a chunk belongs to
    _Alignas(128) _Atomic uint32_t doorbell;
    _Atomic uint32_t asleep;
} region_seat;

typedef struct {
    _Alignas(128) uint32_t magic;
    int32_t members;
    uint64_t nonce;
    _Alignas(128) _Atomic uint64_t broken;  // code and slot of what ended the epoch
} region_head;

struct claw_region {
    void *memory;
    size_t bytes;
    int32_t descriptor, members, mine;
    bool is_crowded;  // more ranks than cores
    region_head *head;
    region_seat *seats;
    uint8_t *areas;
    uint64_t turn;    // chunks of all operations before this one
};

static inline uint8_t *region_area(const claw_region *region, uint64_t chunk, int32_t rank) {
    return region->areas + ((size_t)rank * REGION_DEPTH + chunk % REGION_DEPTH) * REGION_AREA;
}

/// Wakes those who sleep, after a counter of this rank grew.
void claw_region_tell(claw_region *region);
/// Until the counter of this rank reached the target: looks, then sleeps.
int32_t claw_region_wait(
    claw_mesh *mesh, const claw_operation *operation, const _Atomic uint64_t *counter, uint64_t target, int32_t rank,
    claw_failure *failure);
#endif
