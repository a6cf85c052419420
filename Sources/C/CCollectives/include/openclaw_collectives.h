// The interface of libopenclaw_collectives.so: collective operations between the ranks of one job, over shared memory on one
// host and TCP between hosts. Plain C, made to be called through ctypes. docs/protocols/collectives.md says what goes on the wire.
//
// A group belongs to one process. All ranks must call the same operations, with the same arguments, in the same order; results
// are bitwise equal on all of them. Any thread may call any function; operations run in the order in which they were called.
#ifndef OPENCLAW_COLLECTIVES_H
#define OPENCLAW_COLLECTIVES_H
#include <stddef.h>
#include <stdint.h>

#define OPENCLAW_API __attribute__((visibility("default")))

typedef struct openclaw_group openclaw_group;  // one rank's membership in a job
typedef struct openclaw_work openclaw_work;    // an operation that was started and will end

// What every function answers: 0, or why not. The text and the slot at fault are kept for the calling thread (openclaw_error_*).
enum {
    OPENCLAW_OK = 0,
    OPENCLAW_FAILED = 1,            // the system refused something (no memory, no sockets); the text says what
    OPENCLAW_BAD_ARGUMENT = 2,      // the call itself is wrong: null, an unknown type, an operation that a type has not
    OPENCLAW_PEER_DEAD = 3,         // a member's process ended or its connection broke; openclaw_error_slot() names it
    OPENCLAW_ABORTED = 4,           // openclaw_group_abort was called, here or by a peer
    OPENCLAW_STALE_EPOCH = 5,       // the others are in a later epoch (openclaw_error_epoch()): take the newer membership
    OPENCLAW_TIMED_OUT = 6,         // the given time passed; openclaw_error_slot() names who was waited for, where it is one
    OPENCLAW_CORRUPTED = 7,         // a frame did not have its checksum
    OPENCLAW_MISMATCH = 8,          // ranks called different operations, or with different sizes
    OPENCLAW_NOT_CONFIGURED = 9,    // no membership yet, or the last one failed: openclaw_group_configure first
    OPENCLAW_REFUSED = 10,          // a peer does not hold the job's secret, or is not of this job
    OPENCLAW_LIMIT = 11,            // a stated limit was reached (members, operations in flight)
    OPENCLAW_FORKED = 12,           // called in a forked child: the group belongs to the parent
    OPENCLAW_CLOSED = 13            // the group was closed
};

// Types in memory. On the wire float32 may travel shorter (see below); everything else travels as it is.
enum {
    OPENCLAW_FLOAT32 = 0, OPENCLAW_FLOAT64 = 1, OPENCLAW_FLOAT16 = 2, OPENCLAW_BFLOAT16 = 3, OPENCLAW_INT32 = 4,
    OPENCLAW_INT64 = 5, OPENCLAW_UINT8 = 6
};

// How values become one. Sums of float16 and bfloat16 are formed in float32 and rounded once; integers wrap around.
// The average is for floating types.
enum { OPENCLAW_SUM = 0, OPENCLAW_AVERAGE = 1, OPENCLAW_MAXIMUM = 2, OPENCLAW_MINIMUM = 3, OPENCLAW_PRODUCT = 4 };

// How float32 values of a sum or average travel between hosts. Within a host shared memory always carries them as they are.
// int8: 256 values share one scale; what rounding lost is kept, per bucket, and added to the next operation of that bucket.
enum { OPENCLAW_WIRE_FLOAT32 = 0, OPENCLAW_WIRE_BFLOAT16 = 1, OPENCLAW_WIRE_INT8 = 2 };

#define OPENCLAW_MEMBERS_MAX 256        // ranks of a job
#define OPENCLAW_WORKS_MAX 1024         // operations started and not ended
#define OPENCLAW_BUCKETS_MAX 4096       // buckets with kept rounding errors

/// The version of this interface: 1. A caller built for another must not go on.
int32_t openclaw_collectives_version(void);

/// Who shares memory with this process: boot id and network namespace, or what OPENCLAW_HOST says. Members with the same text
/// use shared memory; give it to them all in `openclaw_group_configure`. `capacity` of 128 bytes suffices.
int32_t openclaw_host_id(char *into, size_t capacity);

// MARK: the group

/// Opens the listening socket of one rank. `listen` is "host:port", port 0 for any ("127.0.0.1:0"; "0.0.0.0:0" needs a secret).
/// The job's secret comes from the environment (OPENCLAW_JOB_SECRET); without it only loopback addresses are listened on.
int32_t openclaw_group_create(int32_t slot, const char *listen, openclaw_group **group);

/// Where the group listens, as "host:port" (the address peers must be told; for 0.0.0.0 put the host's own address before it).
int32_t openclaw_group_address(openclaw_group *group, char *into, size_t capacity);

/// Joins the members of an epoch, and leaves those of the one before: connects to every member, and returns when all are there.
/// Called for the first membership and for every later one; `epoch` must be higher than before. Ends whatever was in flight.
/// The arrays have `count` entries, one for each member, this rank among them. Kept rounding errors stay.
/// `timeout_s` <= 0 waits until all are there, or until abort. On failure the group has no membership; it can be configured again
/// with a higher epoch, or the same one.
int32_t openclaw_group_configure(
    openclaw_group *group, uint64_t epoch, const int32_t *slots, const char *const *addresses, const char *const *hosts,
    int32_t count, double timeout_s);

/// Ends every operation in flight, here and on the peers, with OPENCLAW_ABORTED (or, where `slot` >= 0 names a dead member, with
/// OPENCLAW_PEER_DEAD and that slot). From any thread, at any time, also during configure. `why` may be null.
int32_t openclaw_group_abort(openclaw_group *group, int32_t slot, const char *why);

/// The epoch, the number of members, and whether the membership holds (0, or the code it failed with). Null where not wanted.
int32_t openclaw_group_state(openclaw_group *group, uint64_t *epoch, int32_t *members, int32_t *failed);

/// How long an operation may wait for peers that say nothing before it fails with OPENCLAW_TIMED_OUT; <= 0 (the default): no limit.
int32_t openclaw_group_set_timeout(openclaw_group *group, double seconds);

/// Says goodbye to the peers, ends what is in flight, and frees the group. Works that were not released stay valid.
void openclaw_group_close(openclaw_group *group);

// MARK: operations
// After a failure the buffers hold nothing defined: keep what must not be lost.
// With `work` null the call returns when the operation ended. Else it returns at once; the buffers must stay as they are until
// the work ended, and the work must be released.

/// Every rank's `data` becomes the sum (or average ...) of all. `bucket` names the buffer over time, for the kept rounding
/// errors; any number where `wire` keeps none.
int32_t openclaw_all_reduce(
    openclaw_group *group, void *data, uint64_t count, int32_t type, int32_t reduction, int32_t wire, uint32_t bucket,
    openclaw_work **work);

/// Every rank's `data` becomes that of slot `root`. `bytes` is the same on all ranks.
int32_t openclaw_broadcast(openclaw_group *group, void *data, uint64_t bytes, int32_t root, openclaw_work **work);

/// `all` (members * `bytes`) becomes what each member has in `own` (`bytes`), in the order of their slots.
int32_t openclaw_all_gather(openclaw_group *group, const void *own, void *all, uint64_t bytes, openclaw_work **work);

/// Returns when all members have come here.
int32_t openclaw_barrier(openclaw_group *group, openclaw_work **work);

/// Waits until the work ended and answers how. `timeout_s` <= 0: without limit; a wait that times out ends nothing.
int32_t openclaw_work_wait(openclaw_work *work, double timeout_s);

/// Whether the work ended: `done` becomes 0 or 1. The answer is 0 until then, and how it ended afterwards.
int32_t openclaw_work_test(openclaw_work *work, int32_t *done);

/// Gives the work back. One that has not ended goes on, and needs its buffers until then.
void openclaw_work_release(openclaw_work *work);

// MARK: what happened

/// Forgets the rounding errors kept for one bucket, or for all (UINT32_MAX).
int32_t openclaw_group_forget_residuals(openclaw_group *group, uint32_t bucket);

/// Ends a step. `keep` 1: the rounding errors that its operations spent stay spent. 0: the step will be done again, and each bucket
/// goes back to what was kept before its last operation since the last call. An operation that failed spends nothing anyway.
int32_t openclaw_group_settle_residuals(openclaw_group *group, int32_t keep);

/// Since the group was created. A rank that only waits for others waits; one that moves or reduces bytes communicates.
typedef struct {
    uint64_t operations;           // that ended well
    uint64_t failures;             // that ended otherwise
    uint64_t logical_bytes;        // of the operations' own buffers
    uint64_t wire_bytes_sent;      // over TCP, headers included
    uint64_t wire_bytes_received;
    uint64_t shared_bytes;         // copied into shared memory
    uint64_t epochs;               // memberships joined
    double busy_s;                 // an operation ran (waiting included)
    double waiting_s;              // of that, nothing could be done but wait for a peer
    int32_t waiting_for;           // the slot waited for at this moment, -1 for none
    int32_t reserved;
} openclaw_statistics;
int32_t openclaw_group_statistics(openclaw_group *group, openclaw_statistics *into);

/// The calling thread's last error: a sentence or two for a person ("" when there was none); never null.
const char *openclaw_error_text(void);
/// The slot the calling thread's last error names, or -1.
int32_t openclaw_error_slot(void);
/// The later epoch that the last OPENCLAW_STALE_EPOCH told of, or 0.
uint64_t openclaw_error_epoch(void);

#endif
