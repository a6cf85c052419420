// What the module Collectives asks of C: waiting in shared memory, frames over TCP, reductions and codecs. Nothing here decides
// who talks to whom, or when: a mesh is told its members, and does one operation after the other.
#ifndef OPENCLAW_CCOLLECTIVES_H
#define OPENCLAW_CCOLLECTIVES_H
#include "openclaw_collectives.h"
#include <stdbool.h>

/// Why an operation ended early, in words for a person.
typedef struct {
    int32_t code;  // OPENCLAW_*
    int32_t slot;  // the slot at fault, or -1
    char text[256];
} claw_failure;

// MARK: waking

/// A word that threads of this process wait on.
typedef struct { uint32_t word; } claw_bell;
uint32_t claw_bell_value(const claw_bell *bell);
/// Changes the word and wakes everybody who waits on it.
void claw_bell_ring(claw_bell *bell);
/// Returns when the word is no longer `seen`, or after `nanoseconds` (negative: no limit), or now and then for no reason.
void claw_bell_wait(claw_bell *bell, uint32_t seen, int64_t nanoseconds);
int64_t claw_now(void);  // nanoseconds, monotonic

/// What ends the waits of one epoch: a death, an abort. The first reason stays.
typedef struct claw_interrupt claw_interrupt;
claw_interrupt *claw_interrupt_create(void);
void claw_interrupt_destroy(claw_interrupt *interrupt);
/// False when another reason was there first.
bool claw_interrupt_raise(claw_interrupt *interrupt, int32_t code, int32_t slot);
int32_t claw_interrupt_code(const claw_interrupt *interrupt);
int32_t claw_interrupt_slot(const claw_interrupt *interrupt);
/// What it stands for, as a failure; 0 when it was not raised.
int32_t claw_interrupt_failure(const claw_interrupt *interrupt, claw_failure *failure);
/// Readable once the interrupt is raised.
int claw_interrupt_descriptor(const claw_interrupt *interrupt);
/// The member at this place said goodbye: nothing more comes from it, and that is no fault.
void claw_interrupt_left(claw_interrupt *interrupt, int32_t member);

/// Counted by operations, read by anybody.
typedef struct claw_meter claw_meter;
claw_meter *claw_meter_create(void);
void claw_meter_destroy(claw_meter *meter);
void claw_meter_read(const claw_meter *meter, openclaw_statistics *into);

// MARK: shared memory

typedef struct claw_region claw_region;
/// Memory for `members` ranks of this host, the caller the first of them. The descriptor is closed by `claw_region_seal`.
claw_region *claw_region_create(int32_t members, uint64_t nonce, claw_failure *failure);
/// The region that process `process` holds under `descriptor`; `mine` is the caller's place in it.
claw_region *claw_region_attach(
    int32_t process, int32_t descriptor, int32_t members, int32_t mine, uint64_t nonce, claw_failure *failure);
int32_t claw_region_descriptor(const claw_region *region);
void claw_region_seal(claw_region *region);
void claw_region_destroy(claw_region *region);

// MARK: the mesh of one epoch

typedef struct claw_mesh claw_mesh;
/// `spin_ns` is how long a wait in shared memory looks before it sleeps.
claw_mesh *claw_mesh_create(uint64_t epoch, int32_t slot, claw_interrupt *interrupt, claw_meter *meter);
void claw_mesh_destroy(claw_mesh *mesh);  // closes links and region, keeps interrupt and meter
/// The ranks of this host: for each place in the region its slot, and its place among all members.
void claw_mesh_set_region(claw_mesh *mesh, claw_region *region, const int32_t *slots, const int32_t *members, int32_t count);
/// The hosts' first ranks, in order, of which the caller is number `mine`: what goes over TCP goes between these.
bool claw_mesh_set_hosts(claw_mesh *mesh, int32_t count, int32_t mine);
/// The connection to another host's first rank. The mesh closes it.
void claw_mesh_set_link(claw_mesh *mesh, int32_t host, int descriptor, int32_t slot);

/// One operation as its frames and its shared memory describe it.
typedef struct {
    uint64_t step;
    uint32_t bucket;
    int32_t type, reduction, wire;
    uint64_t count;
    double scale;         // what a sum is multiplied by at the end (1 for none)
    int64_t timeout_ns;   // without a sign of life of the peer waited for; negative: no limit
    int64_t spin_ns;
    float *residual;      // kept rounding errors, one for each value, or null
    float *residual_next; // what they become when the operation ends well
} claw_operation;

/// All answer OPENCLAW_OK or fill in the failure. The region_ functions need a region, the host_ functions links to all hosts.
int32_t claw_region_all_reduce(claw_mesh *mesh, const claw_operation *operation, void *data, claw_failure *failure);
int32_t claw_region_broadcast(
    claw_mesh *mesh, const claw_operation *operation, void *data, uint64_t bytes, int32_t root, claw_failure *failure);
/// `places[i]` is where the bytes of the rank at place i of the region go.
int32_t claw_region_all_gather(
    claw_mesh *mesh, const claw_operation *operation, const void *own, uint8_t *const *places, uint64_t bytes,
    claw_failure *failure);
int32_t claw_region_barrier(claw_mesh *mesh, const claw_operation *operation, claw_failure *failure);

/// Each host owns a part of the values: two steps, each with every other host at once.
int32_t claw_host_exchange(claw_mesh *mesh, const claw_operation *operation, void *data, claw_failure *failure);
/// Each host talks to its two neighbours only: 2 (hosts - 1) steps, the same bytes.
int32_t claw_host_ring(claw_mesh *mesh, const claw_operation *operation, void *data, claw_failure *failure);
int32_t claw_host_broadcast(
    claw_mesh *mesh, const claw_operation *operation, void *data, uint64_t bytes, int32_t root, claw_failure *failure);
/// `places[h]` holds, or receives, the `lengths[h]` bytes of host h.
int32_t claw_host_all_gather(
    claw_mesh *mesh, const claw_operation *operation, uint8_t *const *places, const uint64_t *lengths, claw_failure *failure);

// MARK: values

uint64_t claw_type_bytes(int32_t type);  // of one value; 0 for an unknown type
/// into = from[0] op from[1] op ..., in this order, times `scale`. `into` may be one of them.
void claw_reduce(
    void *into, const void *const *from, int32_t sources, uint64_t count, int32_t type, int32_t reduction, double scale);
bool claw_reducible(int32_t type, int32_t reduction);

/// The instruction sets that hot loops come in. A test may ask for less than the machine has.
enum { CLAW_PLAIN = 0, CLAW_AVX2 = 1, CLAW_AVX512 = 2 };
int32_t claw_instructions(void);
void claw_use_instructions(int32_t level);

uint64_t claw_wire_bytes(int32_t wire, uint64_t count);
/// Writes values (plus residual, where given) as they travel; `residual_next` becomes what was lost. Both may be null.
void claw_encode(
    int32_t wire, const float *values, const float *residual, float *residual_next, uint64_t count, uint8_t *into);
/// values = (add ? values : 0) + decoded, then times scale.
void claw_decode(int32_t wire, const uint8_t *from, uint64_t count, bool add, float scale, float *values);

uint32_t claw_checksum(uint32_t seed, const void *bytes, size_t count);  // CRC-32C
void claw_digest(const void *key, size_t key_count, const void *bytes, size_t count, uint8_t into[32]);  // HMAC-SHA-256
bool claw_random(void *into, size_t count);

// MARK: sockets

/// A listening socket, or -1 with errno. `port` becomes the port it got.
int claw_listen(const char *host, uint16_t *port, bool *loopback, claw_failure *failure);
/// A connection begun without waiting, or -1.
int claw_connect(const char *host, uint16_t port, claw_failure *failure);
int claw_connect_error(int descriptor);
int claw_accept(int descriptor);
/// Small frames leave at once; an idle connection notices within some 12 s that the other host vanished.
void claw_tune(int descriptor);
/// For a connection that is always read: also one that just sent notices that. A data connection must not have this, because its
/// reader may compute for minutes before it reads on.
void claw_tune_control(int descriptor);
/// Closes it here, and never in a forked child that closed it already.
void claw_close(int descriptor);
int claw_wake_descriptor(void);
void claw_wake(int descriptor);
void claw_calm(int descriptor);
/// How often this process forked before it became what it is. A group made under another number belongs to a parent.
uint32_t claw_generation(void);
int32_t claw_host_identity(char *into, size_t capacity);
/// The calling thread's last error, for the C interface. Slot -1 and epoch 0 where there is none.
void claw_remember(int32_t slot, uint64_t epoch, const char *text);
#endif
