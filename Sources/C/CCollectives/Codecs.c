// How float32 travels: as it is, as bfloat16, or as int8 with one scale for 256 values. The loops are plain C that the compiler
// turns into vectors, once for each instruction set; what they compute is the same to the bit in all of them.
#include "Inner.h"
#include <string.h>

#pragma STDC FP_CONTRACT OFF  // a fused product and sum would round differently on another machine

#define INLINE static inline __attribute__((always_inline))
#define BLOCK 256

INLINE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

INLINE float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/// Rounds to nearest, ties to even; NaN stays NaN (its top bit set, so that cutting it cannot make infinity of it).
INLINE uint16_t short_of(float value) {
    uint32_t bits = bits_of(value);
    uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    uint32_t quiet = bits >> 16 | 0x40;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded);
}

INLINE void encode_bfloat16(const float *restrict values, uint64_t count, uint16_t *restrict into) {
    for (uint64_t i = 0; i < count; i++) into[i] = short_of(values[i]);
}

INLINE void decode_bfloat16(const uint16_t *restrict from, uint64_t count, bool add, float scale, float *restrict values) {
    if (add) {
        for (uint64_t i = 0; i < count; i++) values[i] = (values[i] + float_of((uint32_t)from[i] << 16)) * scale;
    } else {
        for (uint64_t i = 0; i < count; i++) values[i] = float_of((uint32_t)from[i] << 16) * scale;
    }
}

/// One block of int8: its scale, then its values. A block that holds an infinity or NaN becomes NaN as a whole: the reader must
/// see that something overflowed, and the next step must not inherit it.
INLINE void encode_block(const float *restrict sum, float *restrict lost, uint32_t count, uint8_t *restrict into) {
    uint32_t largest = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = bits_of(sum[i]) & 0x7FFFFFFF;
        largest = size > largest ? size : largest;
    }
    int8_t *restrict values = (int8_t *)into + 4;
    float scale, steps;
    if (largest >= 0x7F800000) {
        scale = float_of(0x7FC00000);
    } else if (float_of(largest) < 1e-36f) {
        scale = 0;  // 127 / largest would overflow; what is this small waits in the residual
    } else {
        scale = float_of(largest) / 127;
        // Of the very largest it may have been rounded up, and 127 times it would be infinite.
        if (bits_of(scale * 127) >= 0x7F800000) scale = float_of(bits_of(scale) - 1);
    }
    memcpy(into, &scale, 4);
    if (!(scale > 0)) {
        memset(values, 0, count);
        if (lost)
            for (uint32_t i = 0; i < count; i++) lost[i] = scale == 0 ? sum[i] : 0;
        return;
    }
    steps = 127 / float_of(largest);
    for (uint32_t i = 0; i < count; i++) {
        // Adding 1.5 * 2^23 leaves the nearest whole number (ties to even) in the low bits.
        float shifted = sum[i] * steps + 12582912.0f;
        int32_t whole = (int32_t)(bits_of(shifted) & 0xFF);
        values[i] = (int8_t)whole;
    }
    if (lost)
        for (uint32_t i = 0; i < count; i++) lost[i] = sum[i] - (float)values[i] * scale;
}

INLINE void encode_int8(
    const float *values, const float *residual, float *residual_next, uint64_t count, uint8_t *restrict into) {
    float sum[BLOCK], lost[BLOCK];
    for (uint64_t at = 0; at < count; at += BLOCK) {
        uint32_t size = count - at < BLOCK ? (uint32_t)(count - at) : BLOCK;
        const float *from = values + at;
        if (residual) {
            for (uint32_t i = 0; i < size; i++) sum[i] = values[at + i] + residual[at + i];
            from = sum;
        }
        encode_block(from, residual_next ? lost : 0, size, into + at / BLOCK * (BLOCK + 4));
        if (residual_next) memcpy(residual_next + at, lost, size * sizeof(float));
    }
}

INLINE void decode_int8(const uint8_t *restrict from, uint64_t count, bool add, float factor, float *restrict values) {
    for (uint64_t at = 0; at < count; at += BLOCK, from += BLOCK + 4) {
        uint32_t size = count - at < BLOCK ? (uint32_t)(count - at) : BLOCK;
        float scale;
        memcpy(&scale, from, 4);
        const int8_t *restrict bytes = (const int8_t *)from + 4;
        float *restrict into = values + at;
        if (add) {
            for (uint32_t i = 0; i < size; i++) into[i] = (into[i] + (float)bytes[i] * scale) * factor;
        } else {
            for (uint32_t i = 0; i < size; i++) into[i] = (float)bytes[i] * scale * factor;
        }
    }
}

INLINE void encode(int32_t wire, const float *values, const float *residual, float *next, uint64_t count, uint8_t *into) {
    if (wire == OPENCLAW_WIRE_INT8) encode_int8(values, residual, next, count, into);
    if (wire == OPENCLAW_WIRE_BFLOAT16) encode_bfloat16(values, count, (uint16_t *)(void *)into);
    if (wire == OPENCLAW_WIRE_FLOAT32) memcpy(into, values, count * 4);
}

INLINE void decode(int32_t wire, const uint8_t *from, uint64_t count, bool add, float scale, float *values) {
    if (wire == OPENCLAW_WIRE_INT8) decode_int8(from, count, add, scale, values);
    if (wire == OPENCLAW_WIRE_BFLOAT16) decode_bfloat16((const uint16_t *)(const void *)from, count, add, scale, values);
    if (wire == OPENCLAW_WIRE_FLOAT32) {
        const float *plain = (const float *)(const void *)from;
        for (uint64_t i = 0; i < count; i++) values[i] = ((add ? values[i] : 0) + plain[i]) * scale;
    }
}

#define ENCODE (int32_t wire, const float *values, const float *residual, float *next, uint64_t count, uint8_t *into)
#define DECODE (int32_t wire, const uint8_t *from, uint64_t count, bool add, float scale, float *values)
static void encode_plain ENCODE { encode(wire, values, residual, next, count, into); }
static void decode_plain DECODE { decode(wire, from, count, add, scale, values); }
#if defined(__x86_64__)
__attribute__((target("avx2"))) static void encode_avx2 ENCODE { encode(wire, values, residual, next, count, into); }
__attribute__((target("avx2"))) static void decode_avx2 DECODE { decode(wire, from, count, add, scale, values); }
#define WIDE "avx512f,avx512bw,avx512vl,avx512dq,prefer-256-bit"
__attribute__((target(WIDE))) static void encode_avx512 ENCODE { encode(wire, values, residual, next, count, into); }
__attribute__((target(WIDE))) static void decode_avx512 DECODE { decode(wire, from, count, add, scale, values); }
#endif

uint64_t claw_wire_bytes(int32_t wire, uint64_t count) {
    switch (wire) {
    case OPENCLAW_WIRE_BFLOAT16: return 2 * count;
    case OPENCLAW_WIRE_INT8: return count + (count + BLOCK - 1) / BLOCK * 4;
    default: return 4 * count;
    }
}

void claw_encode(int32_t wire, const float *values, const float *residual, float *residual_next, uint64_t count, uint8_t *into) {
#if defined(__x86_64__)
    if (claw_instructions() == CLAW_AVX512) return encode_avx512(wire, values, residual, residual_next, count, into);
    if (claw_instructions() == CLAW_AVX2) return encode_avx2(wire, values, residual, residual_next, count, into);
#endif
    encode_plain(wire, values, residual, residual_next, count, into);
}

void claw_decode(int32_t wire, const uint8_t *from, uint64_t count, bool add, float scale, float *values) {
#if defined(__x86_64__)
    if (claw_instructions() == CLAW_AVX512) return decode_avx512(wire, from, count, add, scale, values);
    if (claw_instructions() == CLAW_AVX2) return decode_avx2(wire, from, count, add, scale, values);
#endif
    decode_plain(wire, from, count, add, scale, values);
}
