import Faults
import Glibc
import SQL

/// A ledger as it is found at start: its database, its key, and whether the two still tell one story.
struct OpenedLedger: Sendable {
    let database: Database
    let key: SigningKey
    let state: AppendState
    let signed: SignedCheckpoint?

    static func open(directory: String) async throws(Fault) -> OpenedLedger {
        let database = try await Database.open(path: directory + "/ledger.db", migrations: LedgerStore.migrations)
        do throws(Fault) {
            return try await take(database, keyPath: directory + "/ledger.key", verifierPath: directory + "/ledger.vkey")
        } catch {
            await database.close()
            throw error
        }
    }

    private static func take(_ database: Database, keyPath: String, verifierPath: String) async throws(Fault) -> OpenedLedger {
        let (state, signed, origin) = try await database.read { (session) throws(Fault) in
            let origin = try session.rows("SELECT name FROM origin").first?[0].textValue
            return (try checkedState(session), try LedgerStore.lastCheckpoint(session), origin)
        }
        let name: String
        if let origin {
            name = origin
        } else {
            // The database is named before there is a key. So a key without a name in the database is not a start that was cut
            // short: the ledger that it signed for is gone, and a new one under its name would be a forgery.
            if try SigningKey.read(keyPath) != nil { throw lostLedger(keyPath) }
            name = SigningKey.freshName()
            try await database.write { (session) throws(Fault) in
                try session.run("INSERT INTO origin (id, name) VALUES (0, ?)", [.text(name)])
            }
        }
        let key = try key(at: keyPath, origin: name, signed: signed)
        if let signed { try await check(signed, key, database) }
        let line = Array((key.verifier.text + "\n").utf8)
        // Written once: synchronising files at every start would be most of the start.
        if (try? KeyFile.read(verifierPath)) != line { try KeyFile.write(line, to: verifierPath, mode: 0o644) }
        return OpenedLedger(database: database, key: key, state: state, signed: signed)
    }

    /// The tree's right edge and the last entry must fit; the whole is checked by `audit verify`, which takes longer.
    private static func checkedState(_ session: borrowing Session) throws(Fault) -> AppendState {
        let state = try AppendState(session)
        if let text = try LedgerStore.text(at: Position(state.frontier.size - 1), session) {
            guard MerkleTree.leafHash(Array(text.utf8)) == state.last else {
                throw LedgerStore.damaged("the last entry, \(state.frontier.size - 1), is not what the tree was built over")
            }
        }
        return state
    }

    private static func lostLedger(_ keyPath: String) -> Fault {
        Fault(
            .unavailable, what: "The ledger is gone, though its key \(keyPath) is there.",
            why: "ledger.db is new and empty: it was removed, or the key was put into another home.",
            fix: "Put ledger.db back from a copy. To begin a new ledger instead, move the key away first.")
    }

    private static func key(at path: String, origin: String, signed: SignedCheckpoint?) throws(Fault) -> SigningKey {
        if let key = try SigningKey.read(path) {
            guard origin == key.name else {
                throw Fault(
                    .unavailable, what: "The key \(path) belongs to another ledger.",
                    why: "It is named \(key.name); this ledger is \(origin).",
                    fix: "Put back the key that was made with this ledger.")
            }
            return key
        }
        guard signed == nil else {
            throw Fault(
                .unavailable, what: "The ledger's key \(path) is missing.",
                why: "The ledger has signed checkpoints; a new key could not be told from a forger's.",
                fix: "Put the key back from a copy. Without one: keep this home as evidence and start a new one with --home.")
        }
        let key = SigningKey(name: origin, privateKey: Ed25519.PrivateKey())
        try KeyFile.write(Array((key.text + "\n").utf8), to: path, mode: 0o600)
        return key
    }

    /// What was signed must still be there.
    private static func check(_ signed: SignedCheckpoint, _ key: SigningKey, _ database: Database) async throws(Fault) {
        guard key.verifier.verifies(signed) else {
            throw LedgerStore.damaged("its last checkpoint (size \(signed.checkpoint.size)) is not signed by its key")
        }
        let checkpoint = signed.checkpoint
        let root = try await database.read { (session) throws(Fault) -> SHA256Digest in
            let size = try LedgerStore.size(session)
            guard checkpoint.size <= size else {
                throw LedgerStore.damaged(
                    "there are \(size) entries, but \(checkpoint.size) were signed: the last ones were removed")
            }
            return try LedgerStore.frontier(ofSize: checkpoint.size, session).root
        }
        guard root == checkpoint.root else {
            throw LedgerStore.damaged("the tree is not the one that was signed at \(checkpoint.size) entries")
        }
    }
}
