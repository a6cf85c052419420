// The members of an object and the items of an array in a raw document, each where it stands.
#ifndef OPENCLAW_CJSON_MEMBERS_H
#define OPENCLAW_CJSON_MEMBERS_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Offsets into the document: the key's raw text without its quotes, and the value.
typedef struct claw_json_member {
    uint32_t key_start;
    uint32_t key_count : 31;
    /// The key has a backslash: it does not stand there as it reads.
    uint32_t key_is_escaped : 1;
    uint32_t value_start;
    uint32_t value_end;
} claw_json_member;

enum {
    /// Not a JSON document (RFC 8259, UTF-8, at most 512 deep), or over 2 GiB.
    CLAW_JSON_MEMBERS_INVALID = -1,
    /// A document, but not an object.
    CLAW_JSON_MEMBERS_NO_OBJECT = -2,
    /// More members than there is room for.
    CLAW_JSON_MEMBERS_TOO_MANY = -3,
};

/// Fills `members` in their order and returns how many there are, or one of the above. The whole document is checked.
long claw_json_members(const uint8_t *bytes, size_t count, claw_json_member *members, size_t capacity);

/// The next item of the array that the document is. `at` is 0 at first and moves on. 1: `start` to `end` is an item; 0: there
/// is no further one; -1: not an array.
int claw_json_next_item(const uint8_t *bytes, size_t count, size_t *at, size_t *start, size_t *end);

#ifdef __cplusplus
}
#endif
#endif
