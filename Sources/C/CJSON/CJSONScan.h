// The strict pass over a document, shared by what looks for one place and what lists them all. Private to this target.
#ifndef OPENCLAW_CJSON_SCAN_H
#define OPENCLAW_CJSON_SCAN_H

#include "CJSONMembers.h"
#include "CJSONPointer.h"

#include <stdbool.h>

typedef struct scan {
    const uint8_t *start, *at, *end;
    const claw_json_pointer *pointer;
    claw_json_place *place;
    claw_json_found found;
} scan;

static inline void skip_space(scan *s) {
    if (s->at < s->end && *s->at > ' ') return;
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')) s->at++;
}

/// Checks the value at `at` and moves past it. `level` is the token of the pointer that the keys of an object here are compared
/// with; -1 away from the pointer's path.
bool claw_json_scan_value(scan *s, int depth, long level);

/// A string; `at` stands on its quote. Says where its raw text is and whether it has escapes.
bool claw_json_scan_string(scan *s, const uint8_t **text, size_t *count, bool *escaped);

/// The code point of a \u escape that starts at its backslash; moves `at` past it. -1 when malformed or half a pair.
long claw_json_unicode_escape(const uint8_t **at, const uint8_t *end);

#endif
