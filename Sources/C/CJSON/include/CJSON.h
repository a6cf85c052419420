// The only door to simdjson (C++ hides behind this C header).
#ifndef OPENCLAW_CJSON_H
#define OPENCLAW_CJSON_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Receives one document in order, depth first. Strings are UTF-8 and borrowed for the call only.
typedef struct claw_json_visitor {
    void *context;
    void (*null_value)(void *context);
    void (*bool_value)(void *context, int value);
    void (*integer)(void *context, int64_t value);
    void (*number)(void *context, double value);
    void (*string)(void *context, const char *bytes, size_t count);
    void (*key)(void *context, const char *bytes, size_t count);
    void (*begin_array)(void *context);
    void (*end_array)(void *context);
    void (*begin_object)(void *context);
    void (*end_object)(void *context);
} claw_json_visitor;

/// Parses a whole document, nested at most 512 deep, and walks it. Returns 0, or simdjson's error code; `claw_json_error`
/// words it.
int claw_json_walk(const char *bytes, size_t count, const claw_json_visitor *visitor);
const char *claw_json_error(int code);

#ifdef __cplusplus
}
#endif
#endif
