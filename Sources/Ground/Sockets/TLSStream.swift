internal import COpenSSL
import Glibc

/// The TLS of one connection: what is read and written through it, without ever blocking. Lives with its connection, on the
/// connection's loop.
@safe final class TLSStream {
    enum Handshake {
        case done, waits
        case failed(String)
    }
    private(set) var isEstablished = false
    /// Reading goes on when the socket can be written to.
    private(set) var readsWhenWritable = false
    private let ssl: OpaquePointer
    private let socket: UnsafeMutablePointer<claw_tls_socket>
    /// Outlives the stream: its sockets' methods are used to the end.
    private let client: TLSClient
    /// What ended the input, after the bytes that were handed out before it.
    private var ending: Connection.Received?
    private var isBroken = false

    /// `host` is whom the certificate must be for: a name or an address. Nil when there is no memory.
    init?(_ client: TLSClient, descriptor: Int32, host: String, session: TLSSession?) {
        guard let ssl = unsafe SSL_new(client.context) else { return nil }
        unsafe self.ssl = ssl
        self.client = client
        unsafe socket = .allocate(capacity: 1)
        unsafe socket.initialize(to: claw_tls_socket(descriptor: descriptor, code: 0, written: 0))
        var isReady = unsafe claw_tls_stand(ssl, client.method, socket) == 1
        isReady = isReady && ask(for: host)
        let protocols = Array("\u{8}http/1.1".utf8)
        isReady = unsafe isReady && SSL_set_alpn_protos(ssl, protocols, UInt32(protocols.count)) == 0
        if let session { _ = unsafe SSL_set_session(ssl, session.session) }
        unsafe SSL_set_connect_state(ssl)
        guard isReady else { return nil }
    }

    deinit {
        unsafe SSL_free(ssl)
        unsafe socket.deallocate()
    }

    /// Whom the certificate must name, and, for a name, who is asked for.
    private func ask(for host: String) -> Bool {
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        if unsafe claw_tls_check_address(ssl, name) == 1 { return true }
        ERR_clear_error()
        unsafe claw_tls_name_strictly(ssl)
        return unsafe SSL_set1_host(ssl, name) == 1 && claw_tls_name(ssl, name) == 1
    }

    // MARK: The handshake

    func shakeHands() -> Handshake {
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(ssl)
        if result == 1 {
            isEstablished = true
            return .done
        }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .waits
        default:
            isBroken = true
            return .failed(whyRefused)
        }
    }

    /// Why the handshake failed, as a person reads it: the certificate first, whatever else was said.
    private var whyRefused: String {
        let verdict = unsafe SSL_get_verify_result(ssl)
        if verdict != Int(X509_V_OK) {
            return "its certificate is not trusted: \(unsafe String(cString: X509_verify_cert_error_string(verdict)))"
        }
        let code = unsafe socket.pointee.code
        if code != 0 { return "the TLS handshake broke (\(unsafe String(cString: strerror(code))))" }
        return "the TLS handshake failed: \(Self.reason("the connection ended"))"
    }

    /// What OpenSSL has to say on this thread, without file names of its own.
    static func reason(_ otherwise: String) -> String {
        var last: String?
        while true {
            let code = ERR_get_error()
            guard code != 0 else { return last ?? otherwise }
            if let text = unsafe ERR_reason_error_string(code) { last = last ?? (unsafe String(cString: text)) }
        }
    }

    /// What the server gave to be known again by; nil when it gave nothing yet.
    func session() -> TLSSession? {
        guard let session = unsafe SSL_get1_session(ssl) else { return nil }
        let kept = unsafe TLSSession(owning: session)
        return unsafe SSL_SESSION_is_resumable(session) == 1 ? kept : nil
    }

    var wasResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

    /// Bytes the kernel has taken, the handshake's included.
    var wireBytes: Int { unsafe Int(truncatingIfNeeded: socket.pointee.written) }

    // MARK: Reading and writing

    /// Fills `space` as far as there is something. A second value says whether the kernel has no more now.
    func read(into space: UnsafeMutableRawBufferPointer) -> (Connection.Received, isDrained: Bool) {
        if let ending { return (ending, true) }
        readsWhenWritable = false
        var filled = 0
        while filled < space.count {
            ERR_clear_error()
            var count = 0
            let result = unsafe SSL_read_ex(ssl, space.baseAddress?.advanced(by: filled), space.count - filled, &count)
            if result == 1 {
                filled += count
                continue
            }
            switch unsafe SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ: return (filled > 0 ? .bytes(filled) : .nothing, true)
            case SSL_ERROR_WANT_WRITE:
                readsWhenWritable = true
                return (filled > 0 ? .bytes(filled) : .nothing, true)
            case SSL_ERROR_ZERO_RETURN: ending = .end
            default:
                // An end without the server's word for it may be anybody's: what was to come is missing.
                isBroken = true
                let code = unsafe socket.pointee.code
                ending = .failed(code == 0 ? ECONNRESET : code)
            }
            return filled > 0 ? (.bytes(filled), false) : (ending ?? .end, true)
        }
        return (.bytes(filled), false)
    }

    /// How many bytes were taken, 0 when none are now, -1 with errno when the connection is broken.
    func write(_ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>) -> Int {
        let taken = unsafe write(first)
        guard taken == first.count, !second.isEmpty else { return taken }
        let more = unsafe write(second)
        return more < 0 ? more : taken + more
    }

    private func write(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var taken = 0
        while taken < bytes.count {
            ERR_clear_error()
            var count = 0
            let result = unsafe SSL_write_ex(ssl, bytes.baseAddress?.advanced(by: taken), bytes.count - taken, &count)
            if result == 1 {
                taken += count
                continue
            }
            switch unsafe SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return taken
            default:
                isBroken = true
                let code = unsafe socket.pointee.code
                errno = code == 0 ? EPIPE : code
                return -1
            }
        }
        return taken
    }

    /// Says that nothing follows, so that the server need not doubt it; only once, and only where it can be heard.
    func end() {
        guard isEstablished, !isBroken else { return }
        isBroken = true
        ERR_clear_error()
        _ = unsafe SSL_shutdown(ssl)
    }
}
