public import Faults
public import JSON
import SQL

/// Reads of a ledger: never blocks the writer.
public struct LedgerReader: Sendable {
    let database: Database
    /// Signs when a proof is asked for an entry that no checkpoint covers yet; nil when the ledger is only a file.
    let writer: LedgerWriter?

    public func entry(at position: Position) async throws(Fault) -> LedgerEntry? {
        let text = try await database.read { (session) throws(Fault) in try LedgerStore.text(at: position, session) }
        guard let text else { return nil }
        return try LedgerStore.entry(text)
    }

    /// `{"index","leaf","entry"}`
    public func show(_ position: Position) async throws(Fault) -> JSONValue {
        let (text, count) = try await database.read { (session) throws(Fault) in
            (try LedgerStore.text(at: position, session), try LedgerStore.size(session))
        }
        guard let text else { throw LedgerReader.noEntry(position.index, count: count) }
        return [
            "index": .integer(position.index), "leaf": .string(MerkleTree.leafHash(Array(text.utf8)).base64),
            "entry": try JSONValue(parsing: text),
        ]
    }

    /// Entries of one resource (or of all, or of all of a kind of resource) in order.
    public func entries(kind: String? = nil, name: String? = nil, after: Position = .none, limit: Int = .max) async throws(Fault)
        -> [LedgerEntry]
    {
        try await select(kind: kind, name: name, "position > ?", after, "ASC", limit: limit)
    }

    /// The newest entries before `position`, newest first.
    public func latest(kind: String? = nil, name: String? = nil, before: Position = Position(.max), limit: Int) async throws(Fault)
        -> [LedgerEntry]
    {
        try await select(kind: kind, name: name, "position < ?", before, "DESC", limit: limit)
    }

    private func select(kind: String?, name: String?, _ bound: String, _ position: Position, _ order: String, limit: Int)
        async throws(Fault) -> [LedgerEntry]
    {
        var (conditions, bindings) = ([bound], [SQLValue.integer(position.index)])
        if let kind {
            conditions.append("kind = ?")
            bindings.append(.text(kind))
        }
        if let name {
            conditions.append("name = ?")
            bindings.append(.text(name))
        }
        let sql = "SELECT text FROM entry WHERE \(conditions.joined(separator: " AND ")) ORDER BY position \(order) LIMIT ?"
        let all = bindings + [.integer(Int64(limit))]
        return try await database.read { (session) throws(Fault) in
            var entries: [LedgerEntry] = []
            try session.each(sql, all) { (row) throws(Fault) in
                entries.append(try LedgerStore.entry(row[0].textValue ?? ""))
                return true
            }
            return entries
        }
    }

    /// The newest entry of each resource of a kind, in order: all that a service needs whose entries carry the whole state.
    public func heads(kind: String) async throws(Fault) -> [LedgerEntry] {
        let sql = "SELECT text FROM head JOIN entry USING (position) WHERE head.kind = ? ORDER BY position"
        return try await database.read { (session) throws(Fault) in
            try session.rows(sql, [.text(kind)]).map { (row) throws(Fault) in try LedgerStore.entry(row[0].textValue ?? "") }
        }
    }

    public func head(of resource: ResourceID) async throws(Fault) -> Position {
        try await database.read { (session) throws(Fault) in try LedgerStore.head(of: resource, session) }
    }

    public func count() async throws(Fault) -> Int64 {
        try await database.read { (session) throws(Fault) in try LedgerStore.size(session) }
    }

    /// The newest checkpoint that is stored.
    public func lastCheckpoint() async throws(Fault) -> SignedCheckpoint? {
        try await database.read { (session) throws(Fault) in try LedgerStore.lastCheckpoint(session) }
    }

    /// `{"index","leaf","entry","size","root","proof":[base64...],"checkpoint"}`: inclusion of one entry, RFC 6962 2.1.1, in the
    /// tree of the newest checkpoint.
    public func prove(_ position: Position) async throws(Fault) -> JSONValue {
        let signed = try await checkpoint(covering: position)
        let size = signed.checkpoint.size
        let (text, proof) = try await database.read { (session) throws(Fault) in
            guard let text = try LedgerStore.text(at: position, session) else {
                throw LedgerStore.damaged("entry \(position.index) is missing")
            }
            let proof = try MerkleProof.inclusion(of: position.index, inSize: size) { (node) throws(Fault) in
                try LedgerStore.hash(of: node, session)
            }
            return (text, proof)
        }
        return [
            "index": .integer(position.index),
            "leaf": .string(MerkleTree.leafHash(Array(text.utf8)).base64),
            "entry": try JSONValue(parsing: text),
            "size": .integer(size),
            "root": .string(signed.checkpoint.root.base64),
            "proof": .array(proof.map { .string($0.base64) }),
            "checkpoint": .string(signed.text),
        ]
    }

    private func checkpoint(covering position: Position) async throws(Fault) -> SignedCheckpoint {
        let count = try await count()
        guard 0 <= position.index, position.index < count else { throw LedgerReader.noEntry(position.index, count: count) }
        if let signed = try await lastCheckpoint(), position.index < signed.checkpoint.size { return signed }
        guard let writer else {
            throw Fault(
                .unavailable, what: "Entry \(position.index) is under no checkpoint yet.",
                why: "Only the daemon that writes this ledger can sign one.", fix: "Start it: openclaw serve.")
        }
        return try SignedCheckpoint(parsing: try await writer.checkpoint())
    }

    /// `{"old","new","old_root","new_root","proof"}`: RFC 6962 2.1.2.
    public func consistency(from old: Int64, to new: Int64) async throws(Fault) -> JSONValue {
        let count = try await count()
        guard 0 <= old, old <= new, new <= count else {
            throw Fault(
                .usage, what: "There is no consistency proof from \(old) to \(new).",
                why: "Sizes must rise, and the ledger has \(count) entries.",
                fix: "openclaw audit consistency OLD NEW, with OLD <= NEW <= \(count).")
        }
        let (oldRoot, newRoot, proof) = try await database.read { (session) throws(Fault) in
            (
                try LedgerStore.frontier(ofSize: old, session).root, try LedgerStore.frontier(ofSize: new, session).root,
                try MerkleProof.consistency(from: old, to: new) { (node) throws(Fault) in try LedgerStore.hash(of: node, session) }
            )
        }
        return [
            "old": .integer(old), "new": .integer(new), "old_root": .string(oldRoot.base64), "new_root": .string(newRoot.base64),
            "proof": .array(proof.map { .string($0.base64) }),
        ]
    }

    static func noEntry(_ index: Int64, count: Int64) -> Fault {
        Fault(
            .notFound, what: "There is no entry \(index).",
            why: count == 0 ? "The ledger is empty." : "The ledger has \(count) entries, 0 to \(count - 1).",
            fix: "openclaw audit log lists the newest.")
    }
}
