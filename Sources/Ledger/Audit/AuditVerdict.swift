public import JSON

/// What an audit found: whether the entries are the ones that were recorded, and if not, where they begin not to be.
public struct AuditVerdict: Equatable, Sendable {
    /// What is known of the checkpoint's signature.
    public enum Signature: String, Sendable, CaseIterable {
        case verified
        /// No key was at hand. The entries fit the checkpoint, but who wrote it is not known.
        case unchecked
        /// Not signed by the key that was given, or the text was altered since.
        case bad
        /// There is no checkpoint.
        case none
    }

    public var isGood: Bool { why == nil }
    public let entries: Int64
    /// The first index at which the entries are not what was recorded: altered, removed, inserted or out of order. Nil when all
    /// are good, and when only the checkpoint is bad.
    public let firstBad: Int64?
    public let signature: Signature
    /// The newest checkpoint.
    public let checkpoint: Checkpoint?
    /// What is wrong, for a person; nil when nothing is.
    public let why: String?

    /// `{"ok","entries","first_bad","signature","size","root","origin","why"}`
    public var json: JSONValue {
        [
            "ok": .bool(isGood),
            "entries": .integer(entries),
            "first_bad": firstBad.map { .integer($0) } ?? .null,
            "signature": .string(signature.rawValue),
            "size": checkpoint.map { .integer($0.size) } ?? .null,
            "root": checkpoint.map { .string($0.root.base64) } ?? .null,
            "origin": checkpoint.map { .string($0.origin) } ?? .null,
            "why": why.map { .string($0) } ?? .null,
        ]
    }
}

/// The key an audit checks signatures with.
public enum AuditKey: Equatable, Sendable {
    /// The caller says that this key must have signed.
    case demanded(VerifierKey)
    /// A key that lay near: it counts where it has the ledger's name.
    case found(VerifierKey)
    case none

    func check(_ signed: SignedCheckpoint) -> AuditVerdict.Signature {
        // A ledger signs under its own name: a note that says otherwise was altered, whoever may check it.
        guard signed.isSignedByItsOrigin else { return .bad }
        switch self {
        case .demanded(let key): return key.verifies(signed) ? .verified : .bad
        case .found(let key) where signed.names(key): return key.verifies(signed) ? .verified : .bad
        case .found, .none: return .unchecked
        }
    }
}
