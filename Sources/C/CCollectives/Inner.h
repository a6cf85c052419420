// What the files of this door share.
#ifndef OPENCLAW_COLLECTIVES_INNER_H
#define OPENCLAW_COLLECTIVES_INNER_H
#include "include/CCollectives.h"
#include <stdatomic.h>

#define LOCAL_MAX OPENCLAW_MEMBERS_MAX

struct claw_interrupt {
    _Atomic int32_t code, slot;
    int event;
    _Atomic(struct claw_region *) region;
    _Atomic uint8_t left[OPENCLAW_MEMBERS_MAX];
};

struct claw_meter {
    _Atomic uint64_t sent, received, shared, waiting_ns;
    _Atomic int32_t waiting_for;
};

typedef struct claw_link claw_link;

struct claw_mesh {
    uint64_t epoch;
    int32_t slot;
    claw_interrupt *interrupt;
    claw_meter *meter;

    claw_region *region;
    int32_t local_slots[LOCAL_MAX], local_members[LOCAL_MAX];

    int32_t hosts, host;
    claw_link **links;     // by host; null for the caller's own
    uint8_t *staging;      // grows to what an operation needs, bounded by the segments in flight
    size_t staging_bytes;
};

/// Fills in the failure and answers its code.
__attribute__((format(printf, 4, 5))) int32_t claw_fail(claw_failure *failure, int32_t code, int32_t slot, const char *text, ...);
/// The failure that an interrupt stands for.
int32_t claw_fail_interrupted(const claw_interrupt *interrupt, claw_failure *failure);
void claw_region_wake(claw_region *region);
/// Breaks the region for every rank of this host.
void claw_region_break(claw_region *region, int32_t code, int32_t slot);

// MARK: frames between hosts

/// Stands before every payload. Little endian.
typedef struct {
    uint32_t magic;
    uint8_t version, kind, type, wire;
    uint64_t epoch, step, count;
    uint32_t bucket, part;     // part: what the payload is within the operation
    uint64_t offset;           // of the payload within the part
    uint32_t length;           // of the payload
    int32_t sender;
    uint32_t payload_checksum, header_checksum;
} claw_frame;
_Static_assert(sizeof(claw_frame) == 64, "the frame is what docs/protocols/collectives.md says");

enum { FRAME_REDUCE = 1, FRAME_RESULT = 2, FRAME_WHOLE = 3, FRAME_BYTES = 4 };
#define FRAME_PAYLOAD_MAX (256u << 10)

void claw_link_free(claw_link *link);
/// Promises to send these bytes, or to receive them, after those promised before. The bytes stay until that is done.
void claw_link_send(claw_link *link, const claw_mesh *mesh, const claw_operation *operation, int kind, uint32_t part,
    const void *bytes, uint64_t length);
void claw_link_receive(claw_link *link, const claw_mesh *mesh, const claw_operation *operation, int kind, uint32_t part,
    void *bytes, uint64_t length);
/// How many promises were made.
uint64_t claw_link_sends(const claw_link *link);
uint64_t claw_link_receives(const claw_link *link);
/// Moves bytes on all links until this link has done so many. 0, or the failure.
int32_t claw_pump_received(claw_mesh *mesh, const claw_operation *operation, int32_t host, uint64_t receives, claw_failure *failure);
int32_t claw_pump_sent(claw_mesh *mesh, const claw_operation *operation, int32_t host, uint64_t sends, claw_failure *failure);
/// Moves what can be moved without waiting.
int32_t claw_pump_once(claw_mesh *mesh, const claw_operation *operation, claw_failure *failure);
/// Until every promise is kept.
int32_t claw_pump_all(claw_mesh *mesh, const claw_operation *operation, claw_failure *failure);

/// Memory of at least `bytes` that lives until the mesh ends or the next call.
uint8_t *claw_staging(claw_mesh *mesh, size_t bytes, claw_failure *failure);
#endif
