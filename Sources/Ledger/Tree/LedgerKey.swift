public import Faults
import Glibc

/// Who can check a checkpoint: a name and a public key, written `name+hash+base64` as the C2SP signed-note format has it.
public struct VerifierKey: Hashable, Sendable {
    /// The signature type of Ed25519 in signed notes.
    static let algorithm: UInt8 = 0x01

    public let name: String
    public let publicKey: Ed25519.PublicKey

    init(name: String, publicKey: Ed25519.PublicKey) { (self.name, self.publicKey) = (name, publicKey) }

    /// Reads `name+hash+base64`; the hash must fit, so that a key cut short is noticed.
    public init(parsing text: String) throws(Fault) {
        // The base64 may itself contain a plus, so only the first two separate.
        let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, SigningKey.isName(parts[0]), let bytes = Base64.bytes(of: parts[2]),
            bytes.first == VerifierKey.algorithm,
            let key = Ed25519.PublicKey(bytes: Array(bytes.dropFirst()))
        else { throw VerifierKey.malformed("it is not `name+hash+base64` of an Ed25519 key") }
        self.init(name: parts[0], publicKey: key)
        guard Hexadecimal.text(of: keyHash) == parts[1] else { throw VerifierKey.malformed("its hash does not fit its key") }
    }

    /// The first four bytes of `SHA-256(name || 0x0A || 0x01 || public key)`.
    public var keyHash: [UInt8] {
        Array(SHA256.digest(of: Array(name.utf8) + [0x0A, VerifierKey.algorithm] + publicKey.bytes).bytes.prefix(4))
    }

    public var text: String {
        "\(name)+\(Hexadecimal.text(of: keyHash))+\(Base64.text(of: [VerifierKey.algorithm] + publicKey.bytes))"
    }

    /// Whether one of the note's signatures is by this key, and good.
    public func verifies(_ signed: SignedCheckpoint) -> Bool {
        let message = Array(signed.note.utf8)
        return signed.signatures.contains { signature in
            signature.name == name && signature.keyHash == keyHash && publicKey.verifies(signature.bytes, of: message)
        }
    }

    private static func malformed(_ why: String) -> Fault {
        Fault(
            .usage, what: "This is not a verifier key.", why: "Read as a C2SP verifier key, \(why).",
            fix: "Pass the line in `ledger.vkey` of the home that wrote the ledger, or the path of a copy of that file.")
    }
}

/// The key that signs a ledger's checkpoints, written `PRIVATE+KEY+name+hash+base64` in a file that only its owner reads.
struct SigningKey: Sendable {
    let name: String
    let privateKey: Ed25519.PrivateKey

    var verifier: VerifierKey { VerifierKey(name: name, publicKey: privateKey.publicKey) }

    /// The name of a new ledger: no two have the same.
    static func freshName() -> String { "openclaw/\(Hexadecimal.text(of: SecureRandom.bytes(8)))" }

    /// A name stands in one word of a signature line, and before a plus in a verifier key.
    static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 128 && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "+") }
    }

    var text: String {
        "PRIVATE+KEY+\(name)+\(Hexadecimal.text(of: verifier.keyHash))+"
            + Base64.text(of: [VerifierKey.algorithm] + privateKey.seed)
    }

    init(name: String, privateKey: Ed25519.PrivateKey) { (self.name, self.privateKey) = (name, privateKey) }

    /// Nil when the text is not a key, or was cut short.
    init?(parsing text: String) {
        let parts = text.split(separator: "+", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 5, parts[0] == "PRIVATE", parts[1] == "KEY", SigningKey.isName(parts[2]),
            let bytes = Base64.bytes(of: parts[4]), bytes.first == VerifierKey.algorithm,
            let key = Ed25519.PrivateKey(seed: Array(bytes.dropFirst()))
        else { return nil }
        self.init(name: parts[2], privateKey: key)
        guard Hexadecimal.text(of: verifier.keyHash) == parts[3] else { return nil }
    }
}

extension SigningKey {
    /// The key at `path`, or nil when there is no such file. A key that others may read is refused: they could sign too.
    static func read(_ path: String) throws(Fault) -> SigningKey? {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw unreadable(path, why: unsafe String(cString: strerror(errno)))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw unreadable(path, why: "It is not a regular file.") }
        guard status.st_mode & 0o077 == 0 else {
            throw Fault(
                .unavailable, what: "The ledger's key \(path) is open to others.",
                why:
                    "Its mode is 0\(String(status.st_mode & 0o777, radix: 8)); whoever reads it can sign checkpoints in this ledger's name.",
                fix: "If nobody else can have read it: chmod 600 \(path).")
        }
        let bytes = try KeyFile.read(path)
        let line = String(decoding: bytes, as: UTF8.self)
        guard line.hasSuffix("\n"), let key = SigningKey(parsing: String(line.dropLast())) else {
            throw unreadable(path, why: "Its text is not a key (`PRIVATE+KEY+name+hash+base64`), or was cut short.")
        }
        return key
    }

    private static func unreadable(_ path: String, why: String) -> Fault {
        Fault(
            .unavailable, what: "The ledger's key \(path) cannot be used.", why: why,
            fix: "Put the key back from a copy. The ledger cannot sign without it, and a new key would not be believed.")
    }
}
