// TLS as a client: typed names for OpenSSL's macros, and the socket that a TLS connection stands on.
#ifndef OPENCLAW_COPENSSL_TLS_H
#define OPENCLAW_COPENSSL_TLS_H
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

/// A non-blocking socket. OpenSSL's own would raise SIGPIPE, and does not say how much it wrote.
typedef struct {
    int descriptor;
    /// errno of what broke it; 0 while it works.
    int code;
    /// Bytes the kernel took.
    unsigned long long written;
} claw_tls_socket;

static inline int claw_tls_send(BIO *bio, const char *bytes, size_t count, size_t *done) {
    claw_tls_socket *socket = (claw_tls_socket *)BIO_get_data(bio);
    ssize_t taken;
    do taken = send(socket->descriptor, bytes, count, MSG_NOSIGNAL);
    while (taken < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    *done = taken > 0 ? (size_t)taken : 0;
    if (taken >= 0) {
        socket->written += (unsigned long long)taken;
        return 1;
    }
    if (errno == EAGAIN || errno == ENOTCONN) BIO_set_retry_write(bio);
    else socket->code = errno;
    return -1;
}

static inline int claw_tls_receive(BIO *bio, char *bytes, size_t count, size_t *done) {
    claw_tls_socket *socket = (claw_tls_socket *)BIO_get_data(bio);
    ssize_t taken;
    do taken = recv(socket->descriptor, bytes, count, 0);
    while (taken < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    *done = taken > 0 ? (size_t)taken : 0;
    if (taken > 0) return 1;
    if (taken == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        return 0;
    }
    if (errno == EAGAIN) BIO_set_retry_read(bio);
    else socket->code = errno;
    return -1;
}

static inline long claw_tls_control(BIO *bio, int command, long number, void *pointer) {
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH;
}

static inline int claw_tls_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

/// How OpenSSL reaches a socket; it must outlive the connections made with it.
static inline BIO_METHOD *claw_tls_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "openclaw socket");
    if (!method) return NULL;
    BIO_meth_set_write_ex(method, claw_tls_send);
    BIO_meth_set_read_ex(method, claw_tls_receive);
    BIO_meth_set_ctrl(method, claw_tls_control);
    BIO_meth_set_create(method, claw_tls_create);
    return method;
}

/// Stands a TLS connection on a socket. 1 when it does.
static inline int claw_tls_stand(SSL *ssl, const BIO_METHOD *method, claw_tls_socket *socket) {
    BIO *bio = BIO_new(method);
    if (!bio) return 0;
    BIO_set_data(bio, socket);
    SSL_set_bio(ssl, bio, bio);
    return 1;
}

/// TLS 1.2 or newer, never renegotiated; writes may be partial and come from elsewhere the next time; buffers of idle
/// connections are given back; sessions are kept by who asks for them.
static inline int claw_tls_configure(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

/// The name that the server sees before it chooses its certificate.
static inline int claw_tls_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }

/// Names count only where certificates of today have them: among the alternative names, a wildcard as a whole label.
static inline void claw_tls_name_strictly(SSL *ssl) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
}

static inline int claw_tls_check_address(SSL *ssl, const char *address) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address);
}
#endif
