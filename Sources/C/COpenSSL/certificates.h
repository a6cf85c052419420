// Certificates of an authority of our own: typed names for OpenSSL's X.509 builders.
#ifndef OPENCLAW_COPENSSL_CERTIFICATES_H
#define OPENCLAW_COPENSSL_CERTIFICATES_H
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

typedef enum { CLAW_CERTIFICATE_AUTHORITY, CLAW_CERTIFICATE_SERVER, CLAW_CERTIFICATE_CLIENT } claw_certificate_kind;

/// What is asked for. `issuer_certificate` and `issuer_key` (PEM) are NULL for one that signs itself.
typedef struct {
    claw_certificate_kind kind;
    const char *name;
    int days;
    const char *issuer_certificate;
    const char *issuer_key;
} claw_certificate_wish;

static inline X509 *claw_certificate_read(const char *pem) {
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return certificate;
}

static inline EVP_PKEY *claw_key_read(const char *pem) {
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static inline int claw_certificate_extend(X509 *certificate, X509V3_CTX *context, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
    int done = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return done;
}

static inline int claw_certificate_describe(X509 *certificate, X509 *issuer, const claw_certificate_wish *wish) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    int is_authority = wish->kind == CLAW_CERTIFICATE_AUTHORITY;
    int done = claw_certificate_extend(
                   certificate, &context, NID_basic_constraints, is_authority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
               claw_certificate_extend(
                   certificate, &context, NID_key_usage, is_authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
               claw_certificate_extend(certificate, &context, NID_subject_key_identifier, "hash");
    if (!done || is_authority) return done;
    if (!claw_certificate_extend(certificate, &context, NID_authority_key_identifier, "keyid")) return 0;
    if (wish->kind == CLAW_CERTIFICATE_CLIENT) return claw_certificate_extend(certificate, &context, NID_ext_key_usage, "clientAuth");
    char names[300];
    if (snprintf(names, sizeof names, "DNS:%s", wish->name) >= (int)sizeof names) return 0;
    return claw_certificate_extend(certificate, &context, NID_ext_key_usage, "serverAuth") &&
           claw_certificate_extend(certificate, &context, NID_subject_alt_name, names);
}

/// A serial number that nobody can guess, and a time from an hour ago (clocks differ) to so many days from now.
static inline int claw_certificate_number(X509 *certificate, int days) {
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1) return 0;
    bytes[0] &= 0x7F;
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    int done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) &&
               X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
               X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, NULL) && X509_set_version(certificate, 2);
    BN_free(number);
    return done;
}

/// Signed by the issuer; NULL where something was refused. Whoever asks frees it.
static inline X509 *claw_certificate_sign(const claw_certificate_wish *wish, EVP_PKEY *key) {
    X509 *certificate = X509_new();
    X509 *issuer = wish->issuer_certificate ? claw_certificate_read(wish->issuer_certificate) : NULL;
    EVP_PKEY *signer = wish->issuer_key ? claw_key_read(wish->issuer_key) : NULL;
    int is_own = !wish->issuer_certificate;
    int done = certificate && (is_own || (issuer && signer)) && claw_certificate_number(certificate, wish->days) &&
               X509_set_pubkey(certificate, key) &&
               X509_NAME_add_entry_by_txt(
                   X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, (const unsigned char *)wish->name, -1, -1, 0) &&
               X509_set_issuer_name(certificate, X509_get_subject_name(is_own ? certificate : issuer)) &&
               claw_certificate_describe(certificate, is_own ? certificate : issuer, wish) &&
               X509_sign(certificate, is_own ? key : signer, EVP_sha256());
    X509_free(issuer);
    EVP_PKEY_free(signer);
    if (done) return certificate;
    X509_free(certificate);
    return NULL;
}

/// Copies what was written into `text`, with a NUL behind it. 1 where it has room.
static inline int claw_certificate_copy(BIO *bio, char *text, size_t room) {
    char *bytes = NULL;
    long count = BIO_get_mem_data(bio, &bytes);
    if (count <= 0 || (size_t)count >= room) return 0;
    memcpy(text, bytes, (size_t)count);
    text[count] = 0;
    return 1;
}

/// Makes a key (P-256) and a certificate for it, both in PEM. 1 where that was possible.
static inline int claw_certificate_make(const claw_certificate_wish *wish, char *certificate, char *key, size_t room) {
    EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *made = pair ? claw_certificate_sign(wish, pair) : NULL;
    BIO *certificate_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_secmem());
    int done = made && certificate_bio && key_bio && PEM_write_bio_X509(certificate_bio, made) &&
               PEM_write_bio_PrivateKey(key_bio, pair, NULL, NULL, 0, NULL, NULL) &&
               claw_certificate_copy(certificate_bio, certificate, room) && claw_certificate_copy(key_bio, key, room);
    BIO_free(certificate_bio);
    BIO_free(key_bio);
    X509_free(made);
    EVP_PKEY_free(pair);
    return done;
}

/// 1 where the certificate is of this key.
static inline int claw_certificate_fits(const char *certificate, const char *key) {
    X509 *read = claw_certificate_read(certificate);
    EVP_PKEY *pair = claw_key_read(key);
    int fits = read && pair && X509_check_private_key(read, pair) == 1;
    X509_free(read);
    EVP_PKEY_free(pair);
    return fits;
}
#endif
