// SHA-256 (FIPS 180-4) and HMAC (RFC 2104), for the proof that a peer holds the job's secret: some hundred bytes a connection.
#include "Inner.h"
#include <string.h>
#include <sys/random.h>

typedef struct {
    uint32_t state[8];
    uint8_t block[64];
    uint64_t count;
} sha256;

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turn(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void mix(sha256 *hash) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++) {
        const uint8_t *b = hash->block + 4 * i;
        w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int i = 16; i < 64; i++) {
        uint32_t low = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t high = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    memcpy(s, hash->state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]), majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t one = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) + choice + constants[i] + w[i];
        uint32_t two = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) + majority;
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) hash->state[i] += s[i];
}

static void begin(sha256 *hash) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, start, sizeof start);
    hash->count = 0;
}

static void feed(sha256 *hash, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    for (; count > 0; count--) {
        hash->block[hash->count++ % 64] = *at++;
        if (hash->count % 64 == 0) mix(hash);
    }
}

static void finish(sha256 *hash, uint8_t into[32]) {
    uint64_t bits = hash->count * 8;
    feed(hash, "\x80", 1);
    while (hash->count % 64 != 56) feed(hash, "", 1);
    for (int i = 7; i >= 0; i--) feed(hash, &(uint8_t){(uint8_t)(bits >> (8 * i))}, 1);
    for (int i = 0; i < 32; i++) into[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void claw_digest(const void *key, size_t key_count, const void *bytes, size_t count, uint8_t into[32]) {
    uint8_t inner[64] = {0}, outer[64];
    sha256 hash;
    if (key_count > 64) {
        begin(&hash);
        feed(&hash, key, key_count);
        finish(&hash, inner);
    } else if (key_count > 0) {
        memcpy(inner, key, key_count);
    }
    for (int i = 0; i < 64; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    begin(&hash);
    feed(&hash, inner, 64);
    feed(&hash, bytes, count);
    finish(&hash, into);
    begin(&hash);
    feed(&hash, outer, 64);
    feed(&hash, into, 32);
    finish(&hash, into);
}

bool claw_random(void *into, size_t count) {
    for (uint8_t *at = into; count > 0;) {
        ssize_t got = getrandom(at, count, 0);
        if (got <= 0) return false;
        at += got;
        count -= (size_t)got;
    }
    return true;
}
