#include "CJSONScan.h"

#include "CJSONNumbers.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// One pass over the document. It is a validator that happens to compare keys: everything is checked, also where the pointer
// does not lead, so that nobody behind us can read the bytes in another way.

enum { DEPTH_MAX = 512, TOKENS_MAX = 64 };

struct claw_json_pointer {
    size_t count;
    struct {
        const uint8_t *bytes;
        size_t count;
        long index; // as an array index, -1 when it is none
    } tokens[TOKENS_MAX];
    uint8_t text[];
};

static long array_index(const uint8_t *bytes, size_t count) {
    if (count == 0 || count > 9 || (count > 1 && bytes[0] == '0')) return -1;
    long index = 0;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] < '0' || bytes[i] > '9') return -1;
        index = index * 10 + (bytes[i] - '0');
    }
    return index;
}

claw_json_pointer *claw_json_pointer_make(const char *text, size_t count) {
    if (count > 0 && text[0] != '/') return NULL;
    claw_json_pointer *pointer = calloc(1, sizeof *pointer + count + 1);
    if (!pointer) return NULL;
    uint8_t *out = pointer->text;
    for (size_t at = 0; at < count;) {
        if (pointer->count == TOKENS_MAX) goto refused;
        uint8_t *start = out;
        for (at++; at < count && text[at] != '/'; at++) {
            uint8_t byte = (uint8_t)text[at];
            if (byte == '~') {
                if (++at == count || (text[at] != '0' && text[at] != '1')) goto refused;
                byte = text[at] == '0' ? '~' : '/';
            }
            *out++ = byte;
        }
        size_t length = (size_t)(out - start);
        pointer->tokens[pointer->count].bytes = start;
        pointer->tokens[pointer->count].count = length;
        pointer->tokens[pointer->count].index = array_index(start, length);
        pointer->count++;
    }
    return pointer;
refused:
    free(pointer);
    return NULL;
}

void claw_json_pointer_free(claw_json_pointer *pointer) { free(pointer); }

static inline int hex(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/// Four hexadecimal digits, -1 when they are not.
static long hex4(const uint8_t *at, const uint8_t *end) {
    if (end - at < 4) return -1;
    long value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex(at[i]);
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

/// The code point of a \u escape that starts at its backslash; moves `at` past it. -1 when malformed or half a pair.
long claw_json_unicode_escape(const uint8_t **at, const uint8_t *end) {
    long high = hex4(*at + 2, end);
    if (high < 0) return -1;
    *at += 6;
    if (high < 0xD800 || high > 0xDFFF) return high;
    if (high > 0xDBFF || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') return -1;
    long low = hex4(*at + 2, end);
    if (low < 0xDC00 || low > 0xDFFF) return -1;
    *at += 6;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/// Moves past one character of two to four bytes, strictly (no overlong forms, no surrogates).
static bool skip_multibyte(scan *s) {
    const uint8_t *p = s->at;
    size_t left = (size_t)(s->end - p);
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        if (left < 2 || (p[1] & 0xC0) != 0x80) return false;
        s->at += 2;
    } else if ((p[0] & 0xF0) == 0xE0) {
        if (left < 3 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80) return false;
        if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F)) return false;
        s->at += 3;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        if (left < 4 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80) return false;
        if ((p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F)) return false;
        s->at += 4;
    } else {
        return false;
    }
    return true;
}

/// Moves to the first byte that is not plain text of a string.
static inline void skip_plain(scan *s) {
    const uint8_t *at = claw_json_skip_text(s->at, s->end);
    while (at < s->end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') at++;
    s->at = at;
}

/// A string; `at` stands on its quote. Says where its raw text is and whether it has escapes.
bool claw_json_scan_string(scan *s, const uint8_t **text, size_t *count, bool *escaped) {
    s->at++;
    *text = s->at;
    *escaped = false;
    while (true) {
        skip_plain(s);
        if (s->at >= s->end) return false;
        uint8_t byte = *s->at;
        if (byte == '"') {
            *count = (size_t)(s->at - *text);
            s->at++;
            return true;
        }
        if (byte >= 0x80) {
            if (!skip_multibyte(s)) return false;
        } else if (byte == '\\') {
            *escaped = true;
            if (s->end - s->at < 2) return false;
            uint8_t kind = s->at[1];
            if (kind == 'u') {
                if (claw_json_unicode_escape(&s->at, s->end) < 0) return false;
            } else if (memchr("\"\\/bfnrt", kind, 8)) {
                s->at += 2;
            } else {
                return false;
            }
        } else {
            return false; // a control character
        }
    }
}

/// The first byte that is no digit.
static inline const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end) {
    while (at < end && (uint8_t)(*at - '0') < 10) at++;
    return at;
}

static inline bool scan_number(scan *s) {
    // In locals: the compiler cannot know that the bytes are not the scan itself.
    const uint8_t *at = s->at, *const end = s->end;
    if (*at == '-') at++;
    const uint8_t *first = at;
    at = skip_digits(at, end);
    if (at == first || (*first == '0' && at - first > 1)) return false;
    if (at < end && *at == '.') {
        first = ++at;
        at = skip_digits(at, end);
        if (at == first) return false;
    }
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        first = at;
        at = skip_digits(at, end);
        if (at == first) return false;
    }
    s->at = at;
    return true;
}

static bool scan_word(scan *s, const char *word, size_t count) {
    if ((size_t)(s->end - s->at) < count || memcmp(s->at, word, count) != 0) return false;
    s->at += count;
    return true;
}

static bool is_key(const uint8_t *raw, size_t count, bool escaped, const uint8_t *key, size_t key_count) {
    if (!escaped) return count == key_count && memcmp(raw, key, count) == 0;
    if (count < key_count) return false; // resolving only shortens
    uint8_t *text = malloc(count);
    if (!text) abort();
    bool same = claw_json_unescape(raw, count, text) == key_count && memcmp(text, key, key_count) == 0;
    free(text);
    return same;
}

/// `level` is the token that this object's keys are compared with; -1 away from the pointer's path.
static bool scan_object(scan *s, int depth, long level) {
    bool matched = false, leads = level >= 0;
    s->at++;
    skip_space(s);
    bool empty = s->at < s->end && *s->at == '}';
    if (empty) {
        s->at++;
    } else {
        while (true) {
            skip_space(s);
            if (s->at >= s->end || *s->at != '"') return false;
            const uint8_t *key;
            size_t count;
            bool escaped;
            if (!claw_json_scan_string(s, &key, &count, &escaped)) return false;
            skip_space(s);
            if (s->at >= s->end || *s->at++ != ':') return false;
            bool matches = leads && is_key(key, count, escaped, s->pointer->tokens[level].bytes, s->pointer->tokens[level].count);
            if (matches && matched) s->found = CLAW_JSON_DUPLICATE;
            if (!claw_json_scan_value(s, depth, matches && !matched ? level + 1 : -1)) return false;
            matched |= matches;
            skip_space(s);
            if (s->at >= s->end) return false;
            uint8_t byte = *s->at++;
            if (byte == '}') break;
            if (byte != ',') return false;
        }
    }
    if (leads && !matched && (size_t)level + 1 == s->pointer->count && s->found == CLAW_JSON_PLACE_MISSING) {
        s->found = CLAW_JSON_KEY_MISSING;
        s->place->start = s->place->end = (size_t)(s->at - 1 - s->start);
        s->place->object_is_empty = empty;
    }
    return true;
}

static bool scan_array(scan *s, int depth, long level) {
    s->at++;
    skip_space(s);
    if (s->at < s->end && *s->at == ']') {
        s->at++;
        return true;
    }
    // Where the pointer may lead into this array its elements are counted, else numbers are skipped many at a time.
    bool may_lead = level >= 0 && s->pointer->tokens[level].index >= 0;
    for (long index = 0, next_skip = 0;; index++) {
        if (!may_lead && index == next_skip) {
            const uint8_t *element = claw_json_skip_numbers(s->at, s->end);
            // Where it got nowhere it is not asked again at once.
            next_skip = index + (element == s->at ? 64 : 8);
            s->at = element;
        }
        bool leads = level >= 0 && s->pointer->tokens[level].index == index;
        skip_space(s);
        // Features and embeddings are long arrays of numbers: they are not worth a call each.
        if (!leads && s->at < s->end && (uint8_t)(*s->at - '0') < 10) {
            if (!scan_number(s)) return false;
        } else if (!claw_json_scan_value(s, depth, leads ? level + 1 : -1)) {
            return false;
        }
        skip_space(s);
        if (s->at >= s->end) return false;
        uint8_t byte = *s->at++;
        if (byte == ']') return true;
        if (byte != ',') return false;
    }
}

bool claw_json_scan_value(scan *s, int depth, long level) {
    skip_space(s);
    if (s->at >= s->end) return false;
    const uint8_t *first = s->at;
    bool is_target = level >= 0 && (size_t)level == s->pointer->count;
    long inner = is_target ? -1 : level;
    bool valid;
    const uint8_t *text;
    size_t count;
    bool escaped;
    switch (*first) {
    case '{': valid = depth < DEPTH_MAX && scan_object(s, depth + 1, inner); break;
    case '[': valid = depth < DEPTH_MAX && scan_array(s, depth + 1, inner); break;
    case '"': valid = claw_json_scan_string(s, &text, &count, &escaped); break;
    case 't': valid = scan_word(s, "true", 4); break;
    case 'f': valid = scan_word(s, "false", 5); break;
    case 'n': valid = scan_word(s, "null", 4); break;
    default: valid = (*first == '-' || (*first >= '0' && *first <= '9')) && scan_number(s);
    }
    if (valid && is_target && s->found == CLAW_JSON_PLACE_MISSING) {
        s->found = CLAW_JSON_FOUND;
        s->place->start = (size_t)(first - s->start);
        s->place->end = (size_t)(s->at - s->start);
    }
    return valid;
}

claw_json_found claw_json_locate(
    const uint8_t *bytes, size_t count, const claw_json_pointer *pointer, claw_json_place *place) {
    scan s = {bytes, bytes, bytes + count, pointer, place, CLAW_JSON_PLACE_MISSING};
    if (!claw_json_scan_value(&s, 0, 0)) return CLAW_JSON_INVALID;
    skip_space(&s);
    return s.at == s.end ? s.found : CLAW_JSON_INVALID;
}
