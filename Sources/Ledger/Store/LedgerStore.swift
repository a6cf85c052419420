import Faults
import JSON
import SQL
import Telemetry

/// How a ledger lies in its database. Rows are only ever added.
enum LedgerStore {
    static let migrations = [
        Migration(
            "ledger",
            """
            CREATE TABLE entry (
                position INTEGER PRIMARY KEY,
                kind TEXT NOT NULL,
                name TEXT NOT NULL,
                -- The canonical JSON: the leaf of the tree is made of exactly these bytes.
                text TEXT NOT NULL
            ) STRICT;
            CREATE INDEX entry_by_resource ON entry (kind, name, position);
            CREATE INDEX entry_by_kind ON entry (kind, position);
            -- Where each resource stands; an append names it.
            CREATE TABLE head (
                kind TEXT NOT NULL,
                name TEXT NOT NULL,
                position INTEGER NOT NULL,
                PRIMARY KEY (kind, name)
            ) STRICT, WITHOUT ROWID;
            -- The complete subtrees of the Merkle tree, numbered in order (leaves are the even numbers).
            CREATE TABLE node (number INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
            CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
            CREATE TABLE origin (id INTEGER PRIMARY KEY CHECK (id = 0), name TEXT NOT NULL) STRICT;
            """)
    ]

    static func size(_ session: borrowing Session) throws(Fault) -> Int64 {
        (try session.rows("SELECT max(position) FROM entry").first?[0].integerValue ?? -1) + 1
    }

    static func hash(of node: MerkleNode, _ session: borrowing Session) throws(Fault) -> SHA256Digest {
        guard let bytes = try session.rows("SELECT hash FROM node WHERE number = ?", [.integer(node.number)]).first?[0].blobValue,
            let digest = SHA256Digest(bytes: bytes)
        else { throw damaged("the tree over entries \(node.firstLeaf) to \((node.index + 1) << node.level - 1) is missing") }
        return digest
    }

    static func frontier(ofSize size: Int64, _ session: borrowing Session) throws(Fault) -> MerkleFrontier {
        var peaks: [SHA256Digest] = []
        for node in MerkleFrontier.nodes(ofSize: size) { peaks.append(try hash(of: node, session)) }
        return MerkleFrontier(size: size, peaks: peaks)
    }

    static func head(of resource: ResourceID, _ session: borrowing Session) throws(Fault) -> Position {
        let rows = try session.rows(
            "SELECT position FROM head WHERE kind = ? AND name = ?", [.text(resource.kind), .text(resource.name)])
        return rows.first?[0].integerValue.map { Position($0) } ?? .none
    }

    static func text(at position: Position, _ session: borrowing Session) throws(Fault) -> String? {
        try session.rows("SELECT text FROM entry WHERE position = ?", [.integer(position.index)]).first?[0].textValue
    }

    static func entry(_ text: String) throws(Fault) -> LedgerEntry { try LedgerEntry(json: try JSONValue(parsing: text)) }

    static func lastCheckpoint(_ session: borrowing Session) throws(Fault) -> SignedCheckpoint? {
        guard let note = try session.rows("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1").first?[0].textValue else {
            return nil
        }
        return try SignedCheckpoint(parsing: note)
    }

    static func insert(_ signed: SignedCheckpoint, _ session: borrowing Session) throws(Fault) {
        try session.run(
            "INSERT OR IGNORE INTO checkpoint (size, note) VALUES (?, ?)", [.integer(signed.checkpoint.size), .text(signed.text)])
    }

    /// Adds one entry as the next leaf. The frontier is the caller's: it is kept only if the transaction commits.
    static func append(_ text: String, for resource: ResourceID, to frontier: inout MerkleFrontier, _ session: borrowing Session)
        throws(Fault) -> SHA256Digest
    {
        let position = SQLValue.integer(frontier.size)
        let (kind, name) = (SQLValue.text(resource.kind), SQLValue.text(resource.name))
        try session.run("INSERT INTO entry (position, kind, name, text) VALUES (?, ?, ?, ?)", [position, kind, name, .text(text)])
        try session.run("INSERT OR REPLACE INTO head (kind, name, position) VALUES (?, ?, ?)", [kind, name, position])
        let leaf = MerkleTree.leafHash(Array(text.utf8))
        for (node, hash) in frontier.append(leaf) {
            try session.run("INSERT INTO node (number, hash) VALUES (?, ?)", [.integer(node.number), .blob(hash.bytes)])
        }
        return leaf
    }

    static func damaged(_ why: String) -> Fault {
        Fault(
            .unavailable, what: "The ledger is damaged.", why: "In its database, \(why).",
            fix: "Keep the file as evidence, look at it with `openclaw audit verify --file`, and put back a copy that verifies.")
    }
}
