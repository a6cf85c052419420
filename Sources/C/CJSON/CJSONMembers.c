#include "CJSONScan.h"

#include <stdbool.h>
#include <string.h>

// What is read of a whole object or array at once, by the same strict pass as a pointer's place.

size_t claw_json_unescape(const uint8_t *raw, size_t count, uint8_t *out) {
    const uint8_t *at = raw, *end = raw + count;
    uint8_t *to = out;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
        } else if (at[1] != 'u') {
            static const char from[] = "bfnrt", into[] = "\b\f\n\r\t";
            const char *known = memchr(from, at[1], 5);
            *to++ = known ? (uint8_t)into[known - from] : at[1];
            at += 2;
        } else {
            long code = claw_json_unicode_escape(&at, end);
            if (code < 0x80) {
                *to++ = (uint8_t)code;
            } else if (code < 0x800) {
                *to++ = (uint8_t)(0xC0 | code >> 6);
                *to++ = (uint8_t)(0x80 | (code & 0x3F));
            } else if (code < 0x10000) {
                *to++ = (uint8_t)(0xE0 | code >> 12);
                *to++ = (uint8_t)(0x80 | (code >> 6 & 0x3F));
                *to++ = (uint8_t)(0x80 | (code & 0x3F));
            } else {
                *to++ = (uint8_t)(0xF0 | code >> 18);
                *to++ = (uint8_t)(0x80 | (code >> 12 & 0x3F));
                *to++ = (uint8_t)(0x80 | (code >> 6 & 0x3F));
                *to++ = (uint8_t)(0x80 | (code & 0x3F));
            }
        }
    }
    return (size_t)(to - out);
}

long claw_json_members(const uint8_t *bytes, size_t count, claw_json_member *members, size_t capacity) {
    scan s = {bytes, bytes, bytes + count, NULL, NULL, CLAW_JSON_PLACE_MISSING};
    size_t found = 0;
    if (count > INT32_MAX) return CLAW_JSON_MEMBERS_INVALID;
    skip_space(&s);
    if (s.at >= s.end) return CLAW_JSON_MEMBERS_INVALID;
    if (*s.at != '{') {
        bool valid = claw_json_scan_value(&s, 0, -1);
        skip_space(&s);
        return valid && s.at == s.end ? CLAW_JSON_MEMBERS_NO_OBJECT : CLAW_JSON_MEMBERS_INVALID;
    }
    s.at++;
    skip_space(&s);
    if (s.at < s.end && *s.at == '}') {
        s.at++;
    } else {
        while (true) {
            const uint8_t *key;
            size_t length;
            bool escaped;
            skip_space(&s);
            if (s.at >= s.end || *s.at != '"' || !claw_json_scan_string(&s, &key, &length, &escaped)) return CLAW_JSON_MEMBERS_INVALID;
            skip_space(&s);
            if (s.at >= s.end || *s.at++ != ':') return CLAW_JSON_MEMBERS_INVALID;
            skip_space(&s);
            const uint8_t *value = s.at;
            if (!claw_json_scan_value(&s, 1, -1)) return CLAW_JSON_MEMBERS_INVALID;
            if (found < capacity) {
                members[found].key_start = (uint32_t)(key - bytes);
                members[found].key_count = (uint32_t)length & 0x7FFFFFFF;
                members[found].value_start = (uint32_t)(value - bytes);
                members[found].value_end = (uint32_t)(s.at - bytes);
                members[found].key_is_escaped = escaped;
            }
            found++;
            skip_space(&s);
            if (s.at >= s.end) return CLAW_JSON_MEMBERS_INVALID;
            uint8_t byte = *s.at++;
            if (byte == '}') break;
            if (byte != ',') return CLAW_JSON_MEMBERS_INVALID;
        }
    }
    skip_space(&s);
    if (s.at != s.end) return CLAW_JSON_MEMBERS_INVALID;
    return found <= capacity ? (long)found : CLAW_JSON_MEMBERS_TOO_MANY;
}

int claw_json_next_item(const uint8_t *bytes, size_t count, size_t *at, size_t *start, size_t *end) {
    scan s = {bytes, bytes + *at, bytes + count, NULL, NULL, CLAW_JSON_PLACE_MISSING};
    skip_space(&s);
    if (s.at >= s.end) return -1;
    uint8_t byte = *s.at++;
    if (*at == 0 ? byte != '[' : byte != ',' && byte != ']') return -1;
    if (byte == ']') return 0;
    skip_space(&s);
    if (byte == '[' && s.at < s.end && *s.at == ']') return 0;
    *start = (size_t)(s.at - bytes);
    if (!claw_json_scan_value(&s, 1, -1)) return -1;
    *end = (size_t)(s.at - bytes);
    *at = *end;
    return 1;
}
