// Finds the place of a JSON pointer (RFC 6901) in a raw document, checking the whole document strictly on the way.
#ifndef OPENCLAW_CJSON_POINTER_H
#define OPENCLAW_CJSON_POINTER_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A pointer taken apart into its tokens. Owned by the caller.
typedef struct claw_json_pointer claw_json_pointer;
/// NULL when the text is not a pointer (or memory is out).
claw_json_pointer *claw_json_pointer_make(const char *text, size_t count);
void claw_json_pointer_free(claw_json_pointer *pointer);

typedef enum claw_json_found {
    /// `start` to `end` is the value.
    CLAW_JSON_FOUND,
    /// The object that would hold it is there, the last key is not: `start` is at the closing brace, where it can be put in.
    CLAW_JSON_KEY_MISSING,
    /// There is no such place.
    CLAW_JSON_PLACE_MISSING,
    /// A key on the way stands twice in its object: two readers could see two values.
    CLAW_JSON_DUPLICATE,
    /// Not a JSON document (RFC 8259, UTF-8, at most 512 deep).
    CLAW_JSON_INVALID,
} claw_json_found;

typedef struct claw_json_place {
    size_t start;
    size_t end;
    /// Whether the object at a missing key has no members yet.
    int object_is_empty;
} claw_json_place;

claw_json_found claw_json_locate(
    const uint8_t *bytes, size_t count, const claw_json_pointer *pointer, claw_json_place *place);

/// Resolves the escapes of a string's raw text (valid, without its quotes) into `out`, which holds `count` bytes. Returns how
/// many were written.
size_t claw_json_unescape(const uint8_t *raw, size_t count, uint8_t *out);

#ifdef __cplusplus
}
#endif
#endif
