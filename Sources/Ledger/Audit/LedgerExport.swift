public import Faults
import JSON
import SQL

/// An export, page by page: every entry that one checkpoint covers, then the checkpoint. It verifies without this program.
public struct LedgerExport: Sendable {
    private static let pageEntries: Int64 = 256

    private let database: Database
    private let signed: SignedCheckpoint
    private var next: Int64 = 0
    private var isDone = false

    init(database: Database, signed: SignedCheckpoint) { (self.database, self.signed) = (database, signed) }

    /// The next lines, each with its line end; nil when all were given.
    public mutating func page() async throws(Fault) -> [UInt8]? {
        guard !isDone else { return nil }
        let (from, to) = (next, min(next + LedgerExport.pageEntries, signed.checkpoint.size))
        guard from < to else {
            isDone = true
            return Array("\((["checkpoint": .string(signed.text)] as JSONValue).canonicalText)\n".utf8)
        }
        let page = try await database.read { (session) throws(Fault) in
            var page: [UInt8] = []
            try session.each(
                "SELECT position, text FROM entry WHERE position >= ? AND position < ? ORDER BY position",
                [.integer(from), .integer(to)]
            ) { (row) throws(Fault) in
                let text = row[1].textValue ?? ""
                let leaf = MerkleTree.leafHash(Array(text.utf8)).base64
                page += Array("{\"index\":\(row[0].integerValue ?? -1),\"leaf\":\"\(leaf)\",\"entry\":\(text)}\n".utf8)
                return true
            }
            return page
        }
        next = to
        return page
    }
}

extension LedgerReader {
    /// Everything up to now, under a checkpoint signed now; of a mere file, everything that its newest checkpoint covers.
    public func export() async throws(Fault) -> LedgerExport {
        if let writer {
            return LedgerExport(database: database, signed: try SignedCheckpoint(parsing: try await writer.checkpoint()))
        }
        guard let signed = try await lastCheckpoint() else {
            throw Fault(
                .unavailable, what: "There is nothing to export yet.", why: "The ledger has no checkpoint.",
                fix: "Start the daemon, which signs one: openclaw serve.")
        }
        return LedgerExport(database: database, signed: signed)
    }
}
