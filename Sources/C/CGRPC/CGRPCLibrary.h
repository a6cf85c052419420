// The functions of the C core that this door uses, found in the library when it is opened.
#ifndef OPENCLAW_CGRPC_LIBRARY_H
#define OPENCLAW_CGRPC_LIBRARY_H
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>

#define CLAW_GRPC_FUNCTIONS(each)                                                                                              \
    each(grpc_init) each(grpc_completion_queue_create_for_next) each(grpc_completion_queue_next)                               \
    each(grpc_insecure_credentials_create) each(grpc_insecure_server_credentials_create) each(grpc_channel_credentials_release) \
    each(grpc_server_credentials_release) each(grpc_channel_create) each(grpc_channel_destroy) each(grpc_channel_create_call)   \
    each(grpc_call_start_batch) each(grpc_call_cancel) each(grpc_call_unref) each(grpc_server_create)                           \
    each(grpc_server_register_completion_queue) each(grpc_server_add_http2_port) each(grpc_server_start)                        \
    each(grpc_server_request_call) each(grpc_server_shutdown_and_notify) each(grpc_server_cancel_all_calls)                     \
    each(grpc_server_destroy) each(grpc_metadata_array_init) each(grpc_metadata_array_destroy) each(grpc_call_details_init)     \
    each(grpc_call_details_destroy) each(grpc_slice_from_copied_buffer) each(grpc_slice_from_copied_string)                     \
    each(grpc_slice_unref) each(grpc_raw_byte_buffer_create) each(grpc_byte_buffer_destroy) each(grpc_byte_buffer_reader_init)  \
    each(grpc_byte_buffer_reader_readall) each(grpc_byte_buffer_reader_destroy) each(gpr_inf_future) each(gpr_now)              \
    each(gpr_time_add) each(gpr_time_from_millis) each(gpr_set_log_function) each(grpc_ssl_credentials_create_ex) each(grpc_ssl_server_credentials_create_ex)

#define CLAW_GRPC_FIELD(name) __typeof__(name) *name;
typedef struct claw_grpc_library {
    CLAW_GRPC_FUNCTIONS(CLAW_GRPC_FIELD)
} claw_grpc_library;

/// Filled in by claw_rpc_open.
extern claw_grpc_library claw_grpc;
#endif
