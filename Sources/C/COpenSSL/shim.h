// The only door to OpenSSL: SHA-256, Ed25519, random bytes, constant-time comparison; tls.h has its TLS,
// certificates.h its X.509.
#ifndef OPENCLAW_COPENSSL_H
#define OPENCLAW_COPENSSL_H
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#endif
