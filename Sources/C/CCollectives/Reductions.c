// How values become one, in the order of their sources: the same bits wherever it is computed.
#include "Inner.h"
#include <string.h>

#pragma STDC FP_CONTRACT OFF  // a fused product and sum would round differently on another machine

#define INLINE static inline __attribute__((always_inline))
#define BLOCK 1024  // values that are formed at a time, so that they stay in the first cache

static _Atomic int32_t instructions = -1;

static int32_t best_instructions(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return CLAW_AVX512;
    if (__builtin_cpu_supports("avx2")) return CLAW_AVX2;
#endif
    return CLAW_PLAIN;
}

int32_t claw_instructions(void) {
    int32_t level = atomic_load_explicit(&instructions, memory_order_relaxed);
    if (level < 0) atomic_store_explicit(&instructions, level = best_instructions(), memory_order_relaxed);
    return level;
}

void claw_use_instructions(int32_t level) {
    int32_t best = best_instructions();
    atomic_store_explicit(&instructions, level < best ? level : best, memory_order_relaxed);
}

uint64_t claw_type_bytes(int32_t type) {
    switch (type) {
    case OPENCLAW_FLOAT64: case OPENCLAW_INT64: return 8;
    case OPENCLAW_FLOAT32: case OPENCLAW_INT32: return 4;
    case OPENCLAW_FLOAT16: case OPENCLAW_BFLOAT16: return 2;
    case OPENCLAW_UINT8: return 1;
    default: return 0;
    }
}

bool claw_reducible(int32_t type, int32_t reduction) {
    if (claw_type_bytes(type) == 0 || reduction < OPENCLAW_SUM || reduction > OPENCLAW_PRODUCT) return false;
    return reduction != OPENCLAW_AVERAGE || (type != OPENCLAW_INT32 && type != OPENCLAW_INT64 && type != OPENCLAW_UINT8);
}

// NaN wins a comparison, on whichever side it stands.
#define LARGER(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))
#define SMALLER(a, b) ((a) < (b) || (a) != (a) ? (a) : (b))

#define COMBINE(NAME, TYPE, RAW)                                                                                         \
    INLINE void NAME(TYPE *restrict sum, const TYPE *restrict next, uint64_t count, int32_t reduction) {                 \
        switch (reduction) {                                                                                             \
        case OPENCLAW_MAXIMUM:                                                                                           \
            for (uint64_t i = 0; i < count; i++) sum[i] = LARGER(sum[i], next[i]);                                       \
            break;                                                                                                       \
        case OPENCLAW_MINIMUM:                                                                                           \
            for (uint64_t i = 0; i < count; i++) sum[i] = SMALLER(sum[i], next[i]);                                      \
            break;                                                                                                       \
        case OPENCLAW_PRODUCT:                                                                                           \
            for (uint64_t i = 0; i < count; i++) sum[i] = (TYPE)((RAW)sum[i] * (RAW)next[i]);                            \
            break;                                                                                                       \
        default:                                                                                                         \
            for (uint64_t i = 0; i < count; i++) sum[i] = (TYPE)((RAW)sum[i] + (RAW)next[i]);                            \
        }                                                                                                                \
    }
// Integers wrap around, as unsigned arithmetic does and signed arithmetic must not.
COMBINE(combine_float32, float, float)
COMBINE(combine_float64, double, double)
COMBINE(combine_int32, int32_t, uint32_t)
COMBINE(combine_int64, int64_t, uint64_t)
COMBINE(combine_uint8, uint8_t, uint32_t)

/// Blocks of a type that is reduced as it is. `into` may be a source: a block is read whole before it is written.
#define REDUCE(NAME, TYPE, COMBINED, SCALED)                                                                             \
    INLINE void NAME(TYPE *into, const void *const *from, int32_t sources, uint64_t count, int32_t op, double scale) {   \
        TYPE sum[BLOCK];                                                                                                 \
        for (uint64_t at = 0; at < count; at += BLOCK) {                                                                 \
            uint64_t size = count - at < BLOCK ? count - at : BLOCK;                                                     \
            memcpy(sum, (const TYPE *)from[0] + at, size * sizeof(TYPE));                                                \
            for (int32_t s = 1; s < sources; s++) COMBINED(sum, (const TYPE *)from[s] + at, size, op);                   \
            if (SCALED && scale != 1)                                                                                    \
                for (uint64_t i = 0; i < size; i++) sum[i] = (TYPE)(sum[i] * (TYPE)scale);                               \
            memcpy(into + at, sum, size * sizeof(TYPE));                                                                 \
        }                                                                                                                \
    }
REDUCE(reduce_float32, float, combine_float32, 1)
REDUCE(reduce_float64, double, combine_float64, 1)
REDUCE(reduce_int32, int32_t, combine_int32, 0)
REDUCE(reduce_int64, int64_t, combine_int64, 0)
REDUCE(reduce_uint8, uint8_t, combine_uint8, 0)

// MARK: half floats

INLINE float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

INLINE uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

INLINE float from_float16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7FFF;
    // The exponent moves by 112; where it was all ones by 112 more; where it was zero a multiplication renormalises.
    float normal = float_of((rest << 13) + (rest >= 0x7C00 ? 0x70000000u : 0x38000000u));
    float small = (float)(int32_t)rest * 0x1p-24f;
    return float_of(bits_of(rest < 0x400 ? small : normal) | sign);
}

INLINE uint16_t to_float16(float value) {
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, size = bits & 0x7FFFFFFF;
    uint32_t normal = (size - 0x38000000u + 0xFFF + (size >> 13 & 1)) >> 13;
    // Below the smallest normal the addition of 0.5 aligns the last bit, and rounds to even by itself.
    uint32_t small = bits_of(float_of(size) + 0.5f) - 0x3F000000u;
    uint32_t rest = size < 0x38800000u ? small : normal;
    rest = size >= 0x477FF000u ? 0x7C00 : rest;
    rest = size > 0x7F800000u ? 0x7E00 : rest;
    return (uint16_t)(sign | rest);
}

INLINE float from_bfloat16(uint16_t half) { return float_of((uint32_t)half << 16); }

INLINE uint16_t to_bfloat16(float value) {
    uint32_t bits = bits_of(value), rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? bits >> 16 | 0x40 : rounded);
}

#define REDUCE_HALF(NAME, WIDEN, ROUND)                                                                                  \
    INLINE void NAME(uint16_t *into, const void *const *from, int32_t sources, uint64_t count, int32_t op, double scale) { \
        float sum[BLOCK], next[BLOCK];                                                                                   \
        for (uint64_t at = 0; at < count; at += BLOCK) {                                                                 \
            uint64_t size = count - at < BLOCK ? count - at : BLOCK;                                                     \
            for (int32_t s = 0; s < sources; s++) {                                                                      \
                const uint16_t *values = (const uint16_t *)from[s] + at;                                                 \
                float *wide = s == 0 ? sum : next;                                                                       \
                for (uint64_t i = 0; i < size; i++) wide[i] = WIDEN(values[i]);                                          \
                if (s > 0) combine_float32(sum, next, size, op);                                                         \
            }                                                                                                            \
            for (uint64_t i = 0; i < size; i++) into[at + i] = ROUND(sum[i] * (float)scale);                             \
        }                                                                                                                \
    }
REDUCE_HALF(reduce_float16, from_float16, to_float16)
REDUCE_HALF(reduce_bfloat16, from_bfloat16, to_bfloat16)

// MARK: one of them

#define ARGUMENTS                                                                                                        \
    (void *into, const void *const *from, int32_t sources, uint64_t count, int32_t type, int32_t reduction, double scale)
INLINE void reduce ARGUMENTS {
    switch (type) {
    case OPENCLAW_FLOAT32: return reduce_float32(into, from, sources, count, reduction, scale);
    case OPENCLAW_FLOAT64: return reduce_float64(into, from, sources, count, reduction, scale);
    case OPENCLAW_FLOAT16: return reduce_float16(into, from, sources, count, reduction, scale);
    case OPENCLAW_BFLOAT16: return reduce_bfloat16(into, from, sources, count, reduction, scale);
    case OPENCLAW_INT32: return reduce_int32(into, from, sources, count, reduction, scale);
    case OPENCLAW_INT64: return reduce_int64(into, from, sources, count, reduction, scale);
    default: return reduce_uint8(into, from, sources, count, reduction, scale);
    }
}

static void reduce_plain ARGUMENTS { reduce(into, from, sources, count, type, reduction, scale); }
#if defined(__x86_64__)
__attribute__((target("avx2"))) static void reduce_avx2 ARGUMENTS {
    reduce(into, from, sources, count, type, reduction, scale);
}
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))) static void reduce_avx512 ARGUMENTS {
    reduce(into, from, sources, count, type, reduction, scale);
}
#endif

void claw_reduce(
    void *into, const void *const *from, int32_t sources, uint64_t count, int32_t type, int32_t reduction, double scale) {
#if defined(__x86_64__)
    if (claw_instructions() == CLAW_AVX512) return reduce_avx512(into, from, sources, count, type, reduction, scale);
    if (claw_instructions() == CLAW_AVX2) return reduce_avx2(into, from, sources, count, type, reduction, scale);
#endif
    reduce_plain(into, from, sources, count, type, reduction, scale);
}
