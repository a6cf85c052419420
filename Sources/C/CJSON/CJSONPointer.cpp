#include "CJSONPointer.h"

#include <cstring>
#include <simdjson.h>
#include <string>
#include <vector>

struct claw_json_pointer {
    std::vector<std::string> tokens;
};

struct claw_json_checker {
    simdjson::dom::parser parser;
};

namespace {

constexpr size_t depth_limit = 512;

/// Walks over bytes that are known to be valid JSON, so that it need not check what it skips.
struct Scanner {
    const char *bytes;
    size_t count;
    size_t at = 0;

    void skip_space() {
        while (at < count && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r' || bytes[at] == '\t')) at++;
    }

    /// From an opening quote to behind the closing one.
    void skip_string() {
        for (at++; at < count && bytes[at] != '"'; at++) {
            if (bytes[at] == '\\') at++;
        }
        at++;
    }

    void skip_value() {
        size_t depth = 0;
        do {
            skip_space();
            if (at >= count) return;
            switch (bytes[at]) {
            case '"': skip_string(); break;
            case '{': case '[': depth++; at++; break;
            case '}': case ']': depth--; at++; break;
            case ',': case ':': at++; break;
            default:
                while (at < count && !std::strchr(" \n\r\t,:{}[]\"", bytes[at])) at++;
            }
        } while (depth > 0);
    }
};

void append_utf8(uint32_t code, char *out, size_t &n) {
    if (code < 0x80) {
        out[n++] = char(code);
    } else if (code < 0x800) {
        out[n++] = char(0xC0 | (code >> 6));
        out[n++] = char(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        out[n++] = char(0xE0 | (code >> 12));
        out[n++] = char(0x80 | ((code >> 6) & 0x3F));
        out[n++] = char(0x80 | (code & 0x3F));
    } else {
        out[n++] = char(0xF0 | (code >> 18));
        out[n++] = char(0x80 | ((code >> 12) & 0x3F));
        out[n++] = char(0x80 | ((code >> 6) & 0x3F));
        out[n++] = char(0x80 | (code & 0x3F));
    }
}

uint32_t hex4(const char *digits) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = digits[i];
        value = value * 16 + uint32_t(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

bool key_equals(const char *key, size_t count, const std::string &token) {
    if (!std::memchr(key, '\\', count)) return count == token.size() && std::memcmp(key, token.data(), count) == 0;
    if (count < token.size()) return false;  // an escape is never shorter than what it stands for
    std::string plain(count, '\0');
    plain.resize(claw_json_unescape(key, count, plain.data()));
    return plain == token;
}

/// Array positions as RFC 6901 writes them: digits without a leading zero.
bool position(const std::string &token, size_t &value) {
    if (token.empty() || token.size() > 9 || (token.size() > 1 && token[0] == '0')) return false;
    value = 0;
    for (char c : token) {
        if (c < '0' || c > '9') return false;
        value = value * 10 + size_t(c - '0');
    }
    return true;
}

/// At an opening brace. Leaves `member` at the value of the one member named `token`.
claw_json_found find_member(Scanner &s, const std::string &token, size_t &member, claw_json_place &place) {
    size_t matches = 0, members = 0;
    s.at++;
    for (;;) {
        s.skip_space();
        if (s.bytes[s.at] == '}') break;
        if (s.bytes[s.at] == ',') { s.at++; s.skip_space(); }
        size_t key = s.at + 1;
        s.skip_string();
        bool is_match = key_equals(s.bytes + key, s.at - 1 - key, token);
        s.skip_space();
        s.at++;  // the colon
        s.skip_space();
        if (is_match) { matches++; member = s.at; }
        members++;
        s.skip_value();
    }
    if (matches > 1) return CLAW_JSON_REPEATED;
    if (matches == 1) return CLAW_JSON_VALUE;
    place.start = place.end = s.at;
    return members == 0 ? CLAW_JSON_KEY_MISSING_IN_EMPTY : CLAW_JSON_KEY_MISSING;
}

/// At an opening bracket. True when there is an item at `index`; leaves `item` at it.
bool find_item(Scanner &s, size_t index, size_t &item) {
    s.at++;
    for (size_t i = 0;; i++) {
        s.skip_space();
        if (s.bytes[s.at] == ']') return false;
        if (s.bytes[s.at] == ',') { s.at++; s.skip_space(); }
        if (i == index) { item = s.at; return true; }
        s.skip_value();
    }
}

}  // namespace

claw_json_pointer *claw_json_pointer_new(const char *text, size_t count) {
    if (count > 0 && text[0] != '/') return nullptr;
    auto *pointer = new claw_json_pointer;
    for (size_t i = 0; i < count; i++) {
        if (text[i] == '/') {
            pointer->tokens.emplace_back();
        } else if (text[i] != '~') {
            pointer->tokens.back() += text[i];
        } else if (i + 1 < count && (text[i + 1] == '0' || text[i + 1] == '1')) {
            pointer->tokens.back() += text[++i] == '0' ? '~' : '/';
        } else {
            delete pointer;
            return nullptr;
        }
    }
    return pointer;
}

void claw_json_pointer_free(claw_json_pointer *pointer) { delete pointer; }

claw_json_checker *claw_json_checker_new(void) { return new claw_json_checker; }
void claw_json_checker_free(claw_json_checker *checker) { delete checker; }

int claw_json_check(claw_json_checker *checker, const char *bytes, size_t count) {
    auto &parser = checker->parser;
    if (parser.capacity() < count || parser.max_depth() != depth_limit + 1) {
        if (auto error = parser.allocate(count, depth_limit + 1)) return int(error);
    }
    return int(parser.parse(bytes, count).error());
}

claw_json_found claw_json_find(const char *bytes, size_t count, const claw_json_pointer *pointer, claw_json_place *place) {
    Scanner s{bytes, count};
    s.skip_space();
    for (size_t level = 0; level < pointer->tokens.size(); level++) {
        const auto &token = pointer->tokens[level];
        bool is_last = level + 1 == pointer->tokens.size();
        size_t next = 0, index = 0;
        if (bytes[s.at] == '{') {
            auto found = find_member(s, token, next, *place);
            if (found == CLAW_JSON_REPEATED || (found != CLAW_JSON_VALUE && is_last)) return found;
            if (found != CLAW_JSON_VALUE) return CLAW_JSON_PARENT_MISSING;
        } else if (bytes[s.at] != '[' || !position(token, index) || !find_item(s, index, next)) {
            return CLAW_JSON_PARENT_MISSING;
        }
        s.at = next;
    }
    place->start = s.at;
    s.skip_value();
    place->end = s.at;
    return CLAW_JSON_VALUE;
}

size_t claw_json_unescape(const char *bytes, size_t count, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != '\\') {
            out[n++] = bytes[i];
            continue;
        }
        switch (bytes[++i]) {
        case 'b': out[n++] = '\b'; break;
        case 'f': out[n++] = '\f'; break;
        case 'n': out[n++] = '\n'; break;
        case 'r': out[n++] = '\r'; break;
        case 't': out[n++] = '\t'; break;
        case 'u': {
            uint32_t code = hex4(bytes + i + 1);
            i += 4;
            if (code >= 0xD800 && code < 0xDC00 && i + 6 < count && bytes[i + 1] == '\\' && bytes[i + 2] == 'u') {
                code = 0x10000 + ((code - 0xD800) << 10) + (hex4(bytes + i + 3) - 0xDC00);
                i += 6;
            }
            append_utf8(code, out, n);
            break;
        }
        default: out[n++] = bytes[i];
        }
    }
    return n;
}
