public import Faults
public import JSON

public enum AppendRefusal: Error, Equatable, Sendable {
    /// Something else was recorded for this resource first.
    case moved(to: Position)
    /// The ledger could not make it durable. A service that cannot record does not act.
    case cannotRecord(Fault)
}

/// The one writer of a ledger: appends in order, many at a time in one durable transaction (group commit).
public actor LedgerWriter {
    /// Opens or creates `directory/ledger.db` and `directory/ledger.key` (Ed25519, mode 0600, created at first start).
    public static func open(directory: String) async throws(Fault) -> LedgerWriter { preconditionFailure("contract") }

    /// Appends only if nothing followed `expected` for this resource. Durable when it returns.
    public func append(_ draft: LedgerDraft, to resource: ResourceID, after expected: Position) async throws(AppendRefusal)
        -> Position
    {
        preconditionFailure("contract")
    }

    public nonisolated var reader: LedgerReader { preconditionFailure("contract") }

    /// Every entry after `position` in order, then new ones as they become durable; ends when the ledger closes.
    /// A subscriber that falls behind 65 536 entries reads from the database, and loses nothing.
    public nonisolated func entries(after position: Position) -> AsyncStream<LedgerEntry> { preconditionFailure("contract") }

    /// Signs and returns a C2SP tlog-checkpoint over all that is durable.
    public func checkpoint() async throws(Fault) -> String { preconditionFailure("contract") }

    public func close() async { preconditionFailure("contract") }
}

/// Reads of a ledger: never blocks the writer.
public struct LedgerReader: Sendable {
    public func entry(at position: Position) async throws(Fault) -> LedgerEntry? { preconditionFailure("contract") }
    /// Entries of one resource (or of all, or of all of a kind) in order.
    public func entries(kind: String? = nil, name: String? = nil, after: Position = .none, limit: Int = .max) async throws(Fault)
        -> [LedgerEntry]
    {
        preconditionFailure("contract")
    }
    public func head(of resource: ResourceID) async throws(Fault) -> Position { preconditionFailure("contract") }
    public func count() async throws(Fault) -> Int64 { preconditionFailure("contract") }
    /// `{"index","leaf","entry","size","root","proof":[base64...],"checkpoint"}`: inclusion of one entry, RFC 6962 2.1.1.
    public func prove(_ position: Position) async throws(Fault) -> JSONValue { preconditionFailure("contract") }
    /// `{"old","new","old_root","new_root","proof"}`: RFC 6962 2.1.2.
    public func consistency(from old: Int64, to new: Int64) async throws(Fault) -> JSONValue { preconditionFailure("contract") }
}
