// CRC-32C (Castagnoli): three interleaved streams of the processor's instruction where it has one, tables where not.
#include "Inner.h"
#include <string.h>

#define POLYNOMIAL 0x82F63B78u  // bits reversed
#define STREAM 4096u            // bytes of each of the three streams

static uint32_t table[8][256];
static uint32_t skip[4][256];  // what STREAM zero bytes make of a checksum, by its bytes

static void make_tables(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) value = value >> 1 ^ (value & 1 ? POLYNOMIAL : 0);
        table[0][i] = value;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++) table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
    // A checksum is linear: 32 runs, one for each bit, say what zeros do to all.
    uint32_t bits[32];
    for (int bit = 0; bit < 32; bit++) {
        uint32_t value = 1u << bit;
        for (uint32_t i = 0; i < STREAM; i++) value = value >> 8 ^ table[0][value & 255];
        bits[bit] = value;
    }
    for (int k = 0; k < 4; k++)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = 0;
            for (int bit = 0; bit < 8; bit++)
                if (i >> bit & 1) value ^= bits[8 * k + bit];
            skip[k][i] = value;
        }
}

static uint32_t plain(uint32_t sum, const uint8_t *at, size_t count) {
    for (; count >= 8; count -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        word ^= sum;
        sum = 0;
        for (int k = 0; k < 8; k++) sum ^= table[7 - k][word >> (8 * k) & 255];
    }
    while (count--) sum = sum >> 8 ^ table[0][(sum ^ *at++) & 255];
    return sum;
}

#if defined(__x86_64__)
static uint32_t skipped(uint32_t sum) {
    return skip[0][sum & 255] ^ skip[1][sum >> 8 & 255] ^ skip[2][sum >> 16 & 255] ^ skip[3][sum >> 24];
}

__attribute__((target("sse4.2"))) static uint32_t fast(uint32_t seed, const uint8_t *at, size_t count) {
    uint64_t sum = seed;
    while (count >= 3 * STREAM) {
        uint64_t second = 0, third = 0;
        for (size_t i = 0; i < STREAM; i += 8) {
            uint64_t a, b, c;
            memcpy(&a, at + i, 8);
            memcpy(&b, at + STREAM + i, 8);
            memcpy(&c, at + 2 * STREAM + i, 8);
            sum = __builtin_ia32_crc32di(sum, a);
            second = __builtin_ia32_crc32di(second, b);
            third = __builtin_ia32_crc32di(third, c);
        }
        sum = skipped((uint32_t)sum) ^ second;
        sum = skipped((uint32_t)sum) ^ third;
        at += 3 * STREAM;
        count -= 3 * STREAM;
    }
    for (; count >= 8; count -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        sum = __builtin_ia32_crc32di(sum, word);
    }
    while (count--) sum = __builtin_ia32_crc32qi((uint32_t)sum, *at++);
    return (uint32_t)sum;
}
#endif

static bool is_fast;

__attribute__((constructor)) static void prepare(void) {
    make_tables();
#if defined(__x86_64__)
    __builtin_cpu_init();
    is_fast = __builtin_cpu_supports("sse4.2");
#endif
}

uint32_t claw_checksum(uint32_t seed, const void *bytes, size_t count) {
#if defined(__x86_64__)
    if (is_fast && claw_instructions() > CLAW_PLAIN) return ~fast(~seed, bytes, count);
#endif
    return ~plain(~seed, bytes, count);
}
