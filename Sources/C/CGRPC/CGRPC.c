// Channels, calls, servers and batches over the C core.
#include "CGRPC.h"

#include <stdlib.h>
#include <string.h>

#include "CGRPCLibrary.h"

enum { METADATA_MAX = 4, OPERATIONS_MAX = 4, ARGUMENTS_MAX = 10 };

struct claw_rpc_batch {
    grpc_op operations[OPERATIONS_MAX];
    size_t operation_count;
    grpc_metadata sent[METADATA_MAX];
    size_t sent_count;
    grpc_byte_buffer *outgoing;
    grpc_byte_buffer *incoming;
    grpc_slice whole;
    int has_whole;
    grpc_metadata_array received;
    grpc_status_code status;
    grpc_slice status_text;
    int cancelled;
    // Of a call that came in.
    grpc_call *call;
    grpc_call_details details;
};

static gpr_timespec after(int64_t milliseconds) {
    if (milliseconds < 0) return claw_grpc.gpr_inf_future(GPR_CLOCK_REALTIME);
    return claw_grpc.gpr_time_add(
        claw_grpc.gpr_now(GPR_CLOCK_MONOTONIC), claw_grpc.gpr_time_from_millis(milliseconds, GPR_TIMESPAN));
}

claw_rpc_queue *claw_rpc_queue_make(void) { return (claw_rpc_queue *)claw_grpc.grpc_completion_queue_create_for_next(NULL); }

int claw_rpc_queue_next(claw_rpc_queue *queue, void **context, int *worked) {
    grpc_event event = claw_grpc.grpc_completion_queue_next(
        (grpc_completion_queue *)queue, claw_grpc.gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    if (event.type != GRPC_OP_COMPLETE) return 0;
    *context = event.tag;
    *worked = event.success;
    return 1;
}

static grpc_arg number(const char *key, int value) {
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value};
}

// Both sides keep alive with the same figures: a server whose client asks more often than it allows would send it away.
static size_t arguments(grpc_arg *list, int keepalive_ms, int message_bytes_max) {
    size_t count = 0;
    list[count++] = number(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_ms);
    list[count++] = number(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive_ms * 3);
    list[count++] = number(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    list[count++] = number(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    list[count++] = number("grpc.http2.min_ping_interval_without_data_ms", keepalive_ms / 2);
    list[count++] = number(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, message_bytes_max);
    list[count++] = number("grpc.enable_http_proxy", 0);
    return count;
}

static grpc_channel_credentials *channel_credentials(const claw_rpc_identity *identity) {
    if (!identity) return claw_grpc.grpc_insecure_credentials_create();
    grpc_ssl_pem_key_cert_pair pair = {.private_key = identity->key, .cert_chain = identity->certificate};
    return claw_grpc.grpc_ssl_credentials_create_ex(identity->authority, &pair, NULL, NULL);
}

claw_rpc_channel *claw_rpc_channel_make(
    const char *target, const claw_rpc_identity *identity, int keepalive_ms, int message_bytes_max) {
    grpc_arg list[ARGUMENTS_MAX];
    size_t count = arguments(list, keepalive_ms, message_bytes_max);
    list[count++] = number(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    // The authority is private to one installation and names its server so: the address it is reached by says nothing.
    if (identity) {
        list[count++] = (grpc_arg){
            .type = GRPC_ARG_STRING, .key = (char *)GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, .value.string = (char *)identity->server_name};
    }
    grpc_channel_args all = {.num_args = count, .args = list};
    grpc_channel_credentials *credentials = channel_credentials(identity);
    if (!credentials) return NULL;
    grpc_channel *channel = claw_grpc.grpc_channel_create(target, credentials, &all);
    claw_grpc.grpc_channel_credentials_release(credentials);
    return (claw_rpc_channel *)channel;
}

void claw_rpc_channel_free(claw_rpc_channel *channel) { claw_grpc.grpc_channel_destroy((grpc_channel *)channel); }

claw_rpc_call *claw_rpc_call_make(claw_rpc_channel *channel, claw_rpc_queue *queue, const char *method, int64_t deadline_ms) {
    grpc_slice name = claw_grpc.grpc_slice_from_copied_string(method);
    grpc_call *call = claw_grpc.grpc_channel_create_call(
        (grpc_channel *)channel, NULL, GRPC_PROPAGATE_DEFAULTS, (grpc_completion_queue *)queue, name, NULL, after(deadline_ms),
        NULL);
    claw_grpc.grpc_slice_unref(name);
    return (claw_rpc_call *)call;
}

void claw_rpc_call_cancel(claw_rpc_call *call) { claw_grpc.grpc_call_cancel((grpc_call *)call, NULL); }
void claw_rpc_call_free(claw_rpc_call *call) { claw_grpc.grpc_call_unref((grpc_call *)call); }

// MARK: Servers

claw_rpc_server *claw_rpc_server_make(claw_rpc_queue *queue, int keepalive_ms, int message_bytes_max) {
    grpc_arg list[ARGUMENTS_MAX];
    size_t count = arguments(list, keepalive_ms, message_bytes_max);
    list[count++] = number(GRPC_ARG_ALLOW_REUSEPORT, 0);
    grpc_channel_args all = {.num_args = count, .args = list};
    grpc_server *server = claw_grpc.grpc_server_create(&all, NULL);
    claw_grpc.grpc_server_register_completion_queue(server, (grpc_completion_queue *)queue, NULL);
    return (claw_rpc_server *)server;
}

static grpc_server_credentials *server_credentials(const claw_rpc_identity *identity) {
    if (!identity) return claw_grpc.grpc_insecure_server_credentials_create();
    grpc_ssl_pem_key_cert_pair pair = {.private_key = identity->key, .cert_chain = identity->certificate};
    return claw_grpc.grpc_ssl_server_credentials_create_ex(
        identity->authority, &pair, 1, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, NULL);
}

int claw_rpc_server_listen(claw_rpc_server *server, const char *address, const claw_rpc_identity *identity) {
    grpc_server_credentials *credentials = server_credentials(identity);
    if (!credentials) return 0;
    int port = claw_grpc.grpc_server_add_http2_port((grpc_server *)server, address, credentials);
    claw_grpc.grpc_server_credentials_release(credentials);
    return port;
}

void claw_rpc_server_start(claw_rpc_server *server) { claw_grpc.grpc_server_start((grpc_server *)server); }

int claw_rpc_server_next_call(claw_rpc_server *server, claw_rpc_queue *queue, claw_rpc_batch *batch, void *context) {
    grpc_completion_queue *cq = (grpc_completion_queue *)queue;
    return GRPC_CALL_OK == claw_grpc.grpc_server_request_call(
                               (grpc_server *)server, &batch->call, &batch->details, &batch->received, cq, cq, context);
}

void claw_rpc_server_stop(claw_rpc_server *server, claw_rpc_queue *queue, void *context) {
    claw_grpc.grpc_server_shutdown_and_notify((grpc_server *)server, (grpc_completion_queue *)queue, context);
    claw_grpc.grpc_server_cancel_all_calls((grpc_server *)server);
}

void claw_rpc_server_free(claw_rpc_server *server) { claw_grpc.grpc_server_destroy((grpc_server *)server); }

// MARK: Batches

claw_rpc_batch *claw_rpc_batch_make(void) {
    claw_rpc_batch *batch = calloc(1, sizeof *batch);
    if (!batch) abort();
    claw_grpc.grpc_metadata_array_init(&batch->received);
    claw_grpc.grpc_call_details_init(&batch->details);
    batch->status_text = claw_grpc.grpc_slice_from_copied_buffer("", 0);
    return batch;
}

void claw_rpc_batch_free(claw_rpc_batch *batch) {
    for (size_t i = 0; i < batch->sent_count; i++) {
        claw_grpc.grpc_slice_unref(batch->sent[i].key);
        claw_grpc.grpc_slice_unref(batch->sent[i].value);
    }
    if (batch->outgoing) claw_grpc.grpc_byte_buffer_destroy(batch->outgoing);
    if (batch->incoming) claw_grpc.grpc_byte_buffer_destroy(batch->incoming);
    if (batch->has_whole) claw_grpc.grpc_slice_unref(batch->whole);
    claw_grpc.grpc_metadata_array_destroy(&batch->received);
    claw_grpc.grpc_call_details_destroy(&batch->details);
    claw_grpc.grpc_slice_unref(batch->status_text);
    free(batch);
}

static grpc_op *operation(claw_rpc_batch *batch, grpc_op_type type) {
    if (batch->operation_count == OPERATIONS_MAX) abort();
    grpc_op *added = &batch->operations[batch->operation_count++];
    added->op = type;
    return added;
}

void claw_rpc_batch_add_metadata(claw_rpc_batch *batch, const char *name, const char *value) {
    if (batch->sent_count == METADATA_MAX) abort();
    grpc_metadata *pair = &batch->sent[batch->sent_count++];
    pair->key = claw_grpc.grpc_slice_from_copied_string(name);
    pair->value = claw_grpc.grpc_slice_from_copied_string(value);
}

void claw_rpc_batch_send_metadata(claw_rpc_batch *batch) {
    grpc_op *added = operation(batch, GRPC_OP_SEND_INITIAL_METADATA);
    added->data.send_initial_metadata.count = batch->sent_count;
    added->data.send_initial_metadata.metadata = batch->sent;
}

void claw_rpc_batch_send_message(claw_rpc_batch *batch, const void *bytes, size_t count) {
    grpc_slice slice = claw_grpc.grpc_slice_from_copied_buffer(bytes, count);
    batch->outgoing = claw_grpc.grpc_raw_byte_buffer_create(&slice, 1);
    claw_grpc.grpc_slice_unref(slice);
    operation(batch, GRPC_OP_SEND_MESSAGE)->data.send_message.send_message = batch->outgoing;
}

void claw_rpc_batch_send_end(claw_rpc_batch *batch) { operation(batch, GRPC_OP_SEND_CLOSE_FROM_CLIENT); }

void claw_rpc_batch_send_status(claw_rpc_batch *batch, int code, const char *message) {
    claw_grpc.grpc_slice_unref(batch->status_text);
    batch->status_text = claw_grpc.grpc_slice_from_copied_string(message);
    grpc_op *added = operation(batch, GRPC_OP_SEND_STATUS_FROM_SERVER);
    added->data.send_status_from_server.status = (grpc_status_code)code;
    added->data.send_status_from_server.status_details = &batch->status_text;
}

void claw_rpc_batch_receive_metadata(claw_rpc_batch *batch) {
    operation(batch, GRPC_OP_RECV_INITIAL_METADATA)->data.recv_initial_metadata.recv_initial_metadata = &batch->received;
}

void claw_rpc_batch_receive_message(claw_rpc_batch *batch) {
    operation(batch, GRPC_OP_RECV_MESSAGE)->data.recv_message.recv_message = &batch->incoming;
}

void claw_rpc_batch_receive_status(claw_rpc_batch *batch) {
    grpc_op *added = operation(batch, GRPC_OP_RECV_STATUS_ON_CLIENT);
    added->data.recv_status_on_client.trailing_metadata = &batch->received;
    added->data.recv_status_on_client.status = &batch->status;
    added->data.recv_status_on_client.status_details = &batch->status_text;
}

void claw_rpc_batch_receive_end(claw_rpc_batch *batch) {
    operation(batch, GRPC_OP_RECV_CLOSE_ON_SERVER)->data.recv_close_on_server.cancelled = &batch->cancelled;
}

int claw_rpc_batch_start(claw_rpc_batch *batch, claw_rpc_call *call, void *context) {
    return (int)claw_grpc.grpc_call_start_batch((grpc_call *)call, batch->operations, batch->operation_count, context, NULL);
}

const void *claw_rpc_batch_message(claw_rpc_batch *batch, size_t *count) {
    if (!batch->incoming) return NULL;
    if (!batch->has_whole) {
        grpc_byte_buffer_reader reader;
        if (!claw_grpc.grpc_byte_buffer_reader_init(&reader, batch->incoming)) return NULL;
        batch->whole = claw_grpc.grpc_byte_buffer_reader_readall(&reader);
        batch->has_whole = 1;
        claw_grpc.grpc_byte_buffer_reader_destroy(&reader);
    }
    *count = GRPC_SLICE_LENGTH(batch->whole);
    return GRPC_SLICE_START_PTR(batch->whole);
}

int claw_rpc_batch_status(claw_rpc_batch *batch, const char **message, size_t *count) {
    *message = (const char *)GRPC_SLICE_START_PTR(batch->status_text);
    *count = GRPC_SLICE_LENGTH(batch->status_text);
    return (int)batch->status;
}

claw_rpc_call *claw_rpc_batch_take_call(claw_rpc_batch *batch) {
    grpc_call *call = batch->call;
    batch->call = NULL;
    return (claw_rpc_call *)call;
}

const char *claw_rpc_batch_method(claw_rpc_batch *batch, size_t *count) {
    *count = GRPC_SLICE_LENGTH(batch->details.method);
    return (const char *)GRPC_SLICE_START_PTR(batch->details.method);
}

const char *claw_rpc_batch_metadata(claw_rpc_batch *batch, const char *name, size_t *count) {
    size_t wanted = strlen(name);
    for (size_t i = 0; i < batch->received.count; i++) {
        grpc_metadata *pair = &batch->received.metadata[i];
        if (GRPC_SLICE_LENGTH(pair->key) != wanted || memcmp(GRPC_SLICE_START_PTR(pair->key), name, wanted)) continue;
        *count = GRPC_SLICE_LENGTH(pair->value);
        return (const char *)GRPC_SLICE_START_PTR(pair->value);
    }
    return NULL;
}
