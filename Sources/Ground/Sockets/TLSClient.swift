internal import CLinux
internal import COpenSSL
public import Faults
import Glibc
import Synchronization

/// Whom connections trust that speak TLS to others: certificates are always verified, TLS is 1.2 or newer.
///
/// OpenSSL locks what is shared; nothing here changes after it was made, so that every loop may use one.
@safe public final class TLSClient: Hashable, @unchecked Sendable {
    let context: OpaquePointer
    let method: OpaquePointer

    /// Trusts the certificates of a PEM file, or the system's where it is nil. Reads them: never called on a loop.
    public init(caFile: String?) throws(Fault) {
        ERR_clear_error()
        guard let context = unsafe SSL_CTX_new(TLS_client_method()), let method = unsafe claw_tls_method() else {
            throw Fault(
                .unavailable, what: "TLS cannot be used.", why: TLSStream.reason("OpenSSL could not be set up"),
                fix: "Look at the installation of OpenSSL.")
        }
        unsafe (self.context, self.method) = (context, method)
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        var isReady = unsafe claw_tls_configure(context) == 1
        if let caFile {
            isReady = unsafe isReady && SSL_CTX_load_verify_file(context, caFile) == 1
        } else {
            isReady = unsafe isReady && SSL_CTX_set_default_verify_paths(context) == 1
        }
        guard isReady else {
            throw Fault(
                .badConfiguration,
                what: caFile.map { "The certificates in \($0) cannot be used." } ?? "The system's certificates cannot be used.",
                why: TLSStream.reason("it is no file of certificates") + ".", fix: "Name a file of certificates in PEM form.")
        }
    }

    deinit {
        unsafe SSL_CTX_free(context)
        unsafe BIO_meth_free(method)
    }

    public static func == (a: TLSClient, b: TLSClient) -> Bool { a === b }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// The clients that are in use, so that a table which is published every second reads no certificates again. A file that has
/// changed since is read anew.
public final class TLSClients: Sendable {
    private struct Key: Hashable {
        var path: String?
        var device: UInt = 0
        var inode: UInt = 0
        var size = 0
        var changedAt: Int64 = 0
    }
    private let clients = Mutex<[Key: TLSClient]>([:])
    private static let kept = 64

    public init() {}

    /// Who trusts the certificates in this file, or the system's where it is nil.
    public func client(caFile: String?) throws(Fault) -> TLSClient {
        var key = Key(path: caFile)
        var facts = stat()
        if let caFile {
            guard unsafe stat(caFile, &facts) == 0 else {
                throw Fault(
                    .badConfiguration, what: "The certificates in \(caFile) cannot be read.",
                    why: unsafe String(cString: strerror(errno)) + ".", fix: "Correct `ca_file:`, or put the file there.")
            }
            (key.device, key.inode, key.size) = (UInt(facts.st_dev), UInt(facts.st_ino), Int(facts.st_size))
            key.changedAt = Int64(facts.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(facts.st_mtim.tv_nsec)
        }
        if let known = clients.withLock({ $0[key] }) { return known }
        let client = try TLSClient(caFile: caFile)
        return clients.withLock { clients in
            if let known = clients[key] { return known }
            if clients.count >= TLSClients.kept { clients.removeAll() }
            clients = clients.filter { $0.key.path != caFile }
            clients[key] = client
            return client
        }
    }
}

/// What a server gave to be known again by, so that the next handshake costs neither a certificate nor a round trip more.
@safe public final class TLSSession {
    let session: OpaquePointer

    init(owning session: OpaquePointer) { unsafe self.session = session }
    deinit { unsafe SSL_SESSION_free(session) }
}
