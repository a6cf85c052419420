#include "CJSONNumbers.h"

#include <stdbool.h>
#include <string.h>

// Features and embeddings are most of what a model server is sent. One bit stands for each byte, so that the grammar of 64
// bytes is a handful of word operations instead of 64 steps of a loop.

#if defined(__SSE2__)
#include <immintrin.h>

typedef struct classes {
    uint64_t digits, zeros, commas, dots, minuses, spaces;
} classes;

static inline uint64_t equal(const __m128i bytes[4], char byte) {
    __m128i wanted = _mm_set1_epi8(byte);
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++) bits |= (uint64_t)(uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes[i], wanted)) << 16 * i;
    return bits;
}

static inline classes classify(const uint8_t *at) {
    __m128i bytes[4];
    for (int i = 0; i < 4; i++) bytes[i] = _mm_loadu_si128((const __m128i *)(at + 16 * i));
    classes found = {0};
    __m128i zero = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9);
    for (int i = 0; i < 4; i++) {
        __m128i value = _mm_sub_epi8(bytes[i], zero);
        uint64_t bits = (uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(value, nine), value));
        found.digits |= bits << 16 * i;
    }
    found.zeros = equal(bytes, '0');
    found.commas = equal(bytes, ',');
    found.dots = equal(bytes, '.');
    found.minuses = equal(bytes, '-');
    found.spaces = equal(bytes, ' ');
    return found;
}

/// The same with registers of twice the width, where the processor has them.
__attribute__((target("avx2"))) static inline uint64_t equal_wide(__m256i low, __m256i high, char byte) {
    __m256i wanted = _mm256_set1_epi8(byte);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted))
        | (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) << 32;
}

__attribute__((target("avx2"))) static inline classes classify_wide(const uint8_t *at) {
    __m256i low = _mm256_loadu_si256((const __m256i *)at), high = _mm256_loadu_si256((const __m256i *)(at + 32));
    __m256i zero = _mm256_set1_epi8('0'), nine = _mm256_set1_epi8(9);
    __m256i low_value = _mm256_sub_epi8(low, zero), high_value = _mm256_sub_epi8(high, zero);
    uint64_t digits = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(low_value, nine), low_value))
        | (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(high_value, nine), high_value)) << 32;
    return (classes){
        .digits = digits,
        .zeros = equal_wide(low, high, '0'),
        .commas = equal_wide(low, high, ','),
        .dots = equal_wide(low, high, '.'),
        .minuses = equal_wide(low, high, '-'),
        .spaces = equal_wide(low, high, ' '),
    };
}

/// What the last byte of the 64 before was, and what number it stood in.
typedef struct carried {
    uint64_t comma, space, minus, dot, digit;
    uint64_t in_fraction;  // the digits at the end follow a dot
    uint64_t leading_zero; // the last byte is a zero that begins a number
} carried;

/// Whether 64 bytes go on as elements of an array of numbers without exponents.
__attribute__((always_inline)) static inline bool goes_on(const classes c, carried *before) {
    // Each mask moved up by one: what the byte before was.
    uint64_t after_comma = c.commas << 1 | before->comma, after_space = c.spaces << 1 | before->space;
    uint64_t after_minus = c.minuses << 1 | before->minus, after_dot = c.dots << 1 | before->dot;
    uint64_t after_digit = c.digits << 1 | before->digit;
    uint64_t begins = (after_comma | after_space) & ~c.spaces;

    uint64_t wrong = ~(c.digits | c.commas | c.dots | c.minuses | c.spaces);
    wrong |= c.spaces & ~(after_comma | after_space); // only before an element
    wrong |= begins & ~(c.digits | c.minuses);
    wrong |= c.minuses & ~begins;
    wrong |= (after_minus | after_dot) & ~c.digits;
    wrong |= (c.dots | c.commas) & ~after_digit;

    uint64_t leading_zeros = c.zeros & (begins | after_minus);
    wrong |= (leading_zeros << 1 | before->leading_zero) & c.digits;

    // Adding the first digit of a run carries through the run: a fraction's digits may not end at a second dot.
    uint64_t fractions = after_dot | before->in_fraction, sum;
    uint64_t overflows = __builtin_add_overflow(c.digits, fractions, &sum);
    wrong |= sum & ~c.digits & c.dots;

    *before = (carried){c.commas >> 63, c.spaces >> 63, c.minuses >> 63, c.dots >> 63, c.digits >> 63, overflows, leading_zeros >> 63};
    return wrong == 0;
}

static const uint8_t *skip_numbers(const uint8_t *at, const uint8_t *end) {
    const uint8_t *element = at;
    carried before = {.comma = 1};
    for (; end - at >= 64; at += 64) {
        classes found = classify(at);
        if (!goes_on(found, &before)) break;
        if (found.commas) element = at + 64 - __builtin_clzll(found.commas);
    }
    return element;
}

__attribute__((target("avx2"))) static const uint8_t *skip_numbers_wide(const uint8_t *at, const uint8_t *end) {
    const uint8_t *element = at;
    carried before = {.comma = 1};
    for (; end - at >= 64; at += 64) {
        classes found = classify_wide(at);
        if (!goes_on(found, &before)) break;
        if (found.commas) element = at + 64 - __builtin_clzll(found.commas);
    }
    return element;
}

const uint8_t *claw_json_skip_numbers(const uint8_t *at, const uint8_t *end) {
    return __builtin_cpu_supports("avx2") ? skip_numbers_wide(at, end) : skip_numbers(at, end);
}

const uint8_t *claw_json_skip_text(const uint8_t *at, const uint8_t *end) {
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        // Signed: the bytes of longer characters are below a space too.
        __m128i special = _mm_or_si128(
            _mm_cmplt_epi8(bytes, space), _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)));
        unsigned bits = (unsigned)_mm_movemask_epi8(special);
        if (bits) return at + __builtin_ctz(bits);
    }
    return at;
}

#else

const uint8_t *claw_json_skip_numbers(const uint8_t *at, const uint8_t *end) {
    (void)end;
    return at;
}

const uint8_t *claw_json_skip_text(const uint8_t *at, const uint8_t *end) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
        uint64_t special = word | ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
        if (special & tops) break;
    }
    return at;
}

#endif
