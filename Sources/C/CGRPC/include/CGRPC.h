// The only door to gRPC's C core. Its `grpc_op` unions and slices hide behind batches that are filled in by calls. The library
// is opened when it is first asked for, so that a process which trains nothing neither waits for it nor keeps it in memory.
#ifndef OPENCLAW_CGRPC_H
#define OPENCLAW_CGRPC_H
#include <stddef.h>
#include <stdint.h>

typedef struct claw_rpc_queue claw_rpc_queue;
typedef struct claw_rpc_channel claw_rpc_channel;
typedef struct claw_rpc_server claw_rpc_server;
typedef struct claw_rpc_call claw_rpc_call;
typedef struct claw_rpc_batch claw_rpc_batch;

/// Hears what the core would write to stderr in a format of its own, on any thread.
typedef void (*claw_rpc_log)(int is_error, const char *message);

/// Opens the library and starts it. Returns NULL, or why it cannot be (owned by this door). Calls are one after the other, with
/// the same `log`.
const char *claw_rpc_open(claw_rpc_log log);

/// One queue of everything that completes.
claw_rpc_queue *claw_rpc_queue_make(void);
/// Waits for the next completion: 1 with its `context` and whether it worked.
int claw_rpc_queue_next(claw_rpc_queue *queue, void **context, int *worked);

/// What one side shows the other, in PEM. Each side must show a certificate that the authority has signed; the server's is made
/// out to `server_name`.
typedef struct claw_rpc_identity {
    const char *authority;
    const char *certificate;
    const char *key;
    const char *server_name;
} claw_rpc_identity;

/// `host:port`, or `unix:/path`. The peer is asked for a sign of life after `keepalive_ms` of silence. Without an identity
/// nothing is encrypted. NULL where the identity cannot be used.
claw_rpc_channel *claw_rpc_channel_make(
    const char *target, const claw_rpc_identity *identity, int keepalive_ms, int message_bytes_max);
void claw_rpc_channel_free(claw_rpc_channel *channel);

/// `deadline_ms` from now; below 0 for none.
claw_rpc_call *claw_rpc_call_make(claw_rpc_channel *channel, claw_rpc_queue *queue, const char *method, int64_t deadline_ms);
void claw_rpc_call_cancel(claw_rpc_call *call);
void claw_rpc_call_free(claw_rpc_call *call);

claw_rpc_server *claw_rpc_server_make(claw_rpc_queue *queue, int keepalive_ms, int message_bytes_max);
/// The port listened on (1 for a unix socket), 0 where that was not possible. With an identity only those are let in who show a
/// certificate of its authority.
int claw_rpc_server_listen(claw_rpc_server *server, const char *address, const claw_rpc_identity *identity);
void claw_rpc_server_start(claw_rpc_server *server);
/// The next call's details arrive in the batch with `context`. 0 when the server takes no more.
int claw_rpc_server_next_call(claw_rpc_server *server, claw_rpc_queue *queue, claw_rpc_batch *batch, void *context);
/// Takes no more calls and ends those there are; `context` completes then, and only then may it be freed.
void claw_rpc_server_stop(claw_rpc_server *server, claw_rpc_queue *queue, void *context);
void claw_rpc_server_free(claw_rpc_server *server);

/// What one step of a call does. Filled in, started once, read after its completion, freed.
claw_rpc_batch *claw_rpc_batch_make(void);
void claw_rpc_batch_free(claw_rpc_batch *batch);
/// The bytes of the strings are copied. At most 4 pairs.
void claw_rpc_batch_add_metadata(claw_rpc_batch *batch, const char *name, const char *value);
void claw_rpc_batch_send_metadata(claw_rpc_batch *batch);
void claw_rpc_batch_send_message(claw_rpc_batch *batch, const void *bytes, size_t count);
void claw_rpc_batch_send_end(claw_rpc_batch *batch);
void claw_rpc_batch_send_status(claw_rpc_batch *batch, int code, const char *message);
void claw_rpc_batch_receive_metadata(claw_rpc_batch *batch);
void claw_rpc_batch_receive_message(claw_rpc_batch *batch);
void claw_rpc_batch_receive_status(claw_rpc_batch *batch);
void claw_rpc_batch_receive_end(claw_rpc_batch *batch);
/// Calls of one `call` must not overlap. 0, or an error of the core: the batch then completes never.
int claw_rpc_batch_start(claw_rpc_batch *batch, claw_rpc_call *call, void *context);

/// A message's bytes, or NULL where none came; valid until the batch is freed.
const void *claw_rpc_batch_message(claw_rpc_batch *batch, size_t *count);
int claw_rpc_batch_status(claw_rpc_batch *batch, const char **message, size_t *count);
/// Of a call that came in: the call itself (owned by whoever asks, once), its method, a piece of its metadata.
claw_rpc_call *claw_rpc_batch_take_call(claw_rpc_batch *batch);
const char *claw_rpc_batch_method(claw_rpc_batch *batch, size_t *count);
const char *claw_rpc_batch_metadata(claw_rpc_batch *batch, const char *name, size_t *count);
#endif
