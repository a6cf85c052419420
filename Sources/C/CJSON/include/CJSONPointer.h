// Finding one value in a JSON body by pointer (RFC 6901) without building the document: for the gateway's request path.
#ifndef OPENCLAW_CJSON_POINTER_H
#define OPENCLAW_CJSON_POINTER_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A pointer taken apart once, when a routing table is built.
typedef struct claw_json_pointer claw_json_pointer;
/// NULL when `text` is not a pointer (it is "" or begins with '/', and '~' is followed by 0 or 1).
claw_json_pointer *claw_json_pointer_new(const char *text, size_t count);
void claw_json_pointer_free(claw_json_pointer *pointer);

/// One loop's strict parser: keeps its memory from body to body.
typedef struct claw_json_checker claw_json_checker;
claw_json_checker *claw_json_checker_new(void);
void claw_json_checker_free(claw_json_checker *checker);
/// 0 when `bytes` are one JSON document in UTF-8, at most 512 levels deep; else simdjson's error code.
int claw_json_check(claw_json_checker *checker, const char *bytes, size_t count);

typedef enum claw_json_found {
    CLAW_JSON_VALUE,           // `start..<end` is the value's text
    CLAW_JSON_KEY_MISSING,     // the parent object is there: a member may be put in at `start`
    CLAW_JSON_KEY_MISSING_IN_EMPTY,  // the same, and the parent has no member yet
    CLAW_JSON_PARENT_MISSING,  // nothing there that could hold it
    CLAW_JSON_REPEATED,        // a key on the way stands twice in its object: readers would disagree on which counts
} claw_json_found;

typedef struct claw_json_place {
    size_t start;
    size_t end;
} claw_json_place;

/// Looks a pointer up in bytes that `claw_json_check` has accepted. Keys are compared with their escapes resolved.
claw_json_found claw_json_find(const char *bytes, size_t count, const claw_json_pointer *pointer, claw_json_place *place);

/// Resolves the escapes of a string's inside (without its quotes) into `out`, which holds at least `count` bytes.
/// Returns how many were written.
size_t claw_json_unescape(const char *bytes, size_t count, char *out);

#ifdef __cplusplus
}
#endif
#endif
