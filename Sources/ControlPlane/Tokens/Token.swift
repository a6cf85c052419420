import JSON
import Ledger
import Telemetry

/// What a token lets its holder do.
enum TokenScope: String, Sendable, CaseIterable {
    /// See everything but secrets.
    case read
    /// Move traffic and conduct releases; includes `read`.
    case operate
    /// Everything, tokens and commands in `model:` files included.
    case admin
    /// Send feedback.
    case feedback
    /// Report as a worker of a training job.
    case worker

    func includes(_ wanted: TokenScope) -> Bool {
        self == wanted || self == .admin || (self == .operate && wanted == .read)
    }
}

/// A bearer token as it is kept: its SHA-256, never the secret.
struct Token: Equatable, Sendable {
    var name: String
    var scopes: [TokenScope]
    /// Lower-case hex.
    var digest: String
    var createdAt: Timestamp
    var createdBy: String
    var revokedAt: Timestamp?

    /// As the API shows it: without the digest.
    var json: JSONValue {
        [
            "name": .string(name), "scopes": .array(scopes.map { .string($0.rawValue) }),
            "created_at": .string(createdAt.rfc3339), "created_by": .string(createdBy),
            "revoked_at": revokedAt.map { .string($0.rfc3339) } ?? .null,
        ]
    }
}

/// A secret that was just made: shown once, kept nowhere but in its digest.
struct TokenSecret: Equatable, Sendable {
    /// `oc_` and 256 random bits in hex; the prefix lets scanners of leaked secrets know what they found.
    let text: String

    static func fresh() -> TokenSecret { TokenSecret(text: "oc_" + Hexadecimal.text(of: SecureRandom.bytes(32))) }

    init(text: String) { self.text = text }

    /// Whether it is as hard to guess as one that was made here.
    var isStrong: Bool {
        text.hasPrefix("oc_") && text.utf8.count == 3 + 64
            && text.utf8.dropFirst(3).allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
            }
    }

    var digest: String { SHA256.digest(of: text).hex }
}
