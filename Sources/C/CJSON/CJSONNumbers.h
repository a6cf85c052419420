// Skips long arrays of numbers, 64 bytes at a time. Inside CJSON only.
#ifndef OPENCLAW_CJSON_NUMBERS_H
#define OPENCLAW_CJSON_NUMBERS_H
#include <stdint.h>

/// `at` stands where an element of an array begins. Returns where a later one does (white space may come first), such that
/// all between is surely valid: plain numbers, each with its comma. Returns `at` where it cannot say; it never judges.
const uint8_t *claw_json_skip_numbers(const uint8_t *at, const uint8_t *end);

/// The first byte that may end or interrupt the plain text of a string: a quote, a backslash, a control character or the
/// start of a character of several bytes. May stop before one, at most 15 bytes from the end.
const uint8_t *claw_json_skip_text(const uint8_t *at, const uint8_t *end);
#endif
