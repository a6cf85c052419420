// The only door to OpenSSL's libcrypto: SHA-256, Ed25519, random bytes, constant-time comparison.
#ifndef OPENCLAW_COPENSSL_H
#define OPENCLAW_COPENSSL_H
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#endif
