import Faults
import JSON
import SQL

/// Verifies a ledger's database: every entry, every stored node of the tree, every head, every checkpoint.
struct DatabaseAudit {
    private let key: AuditKey
    private var trail = AuditTrail()
    private var signature = AuditVerdict.Signature.none
    private var newest: SignedCheckpoint?
    private var checkpointProblem: String?

    static func verify(_ session: borrowing Session, key: AuditKey) throws(Fault) -> AuditVerdict {
        var audit = DatabaseAudit(key: key)
        do throws(Fault) {
            try audit.read(session)
        } catch {
            // A file so damaged that it cannot be read on: what came before it was looked at.
            audit.trail.finish()
            audit.trail.report(audit.trail.count, "the database cannot be read any further: \(error.why)")
        }
        return audit.verdict
    }

    private init(key: AuditKey) { self.key = key }

    private mutating func read(_ session: borrowing Session) throws(Fault) {
        var due: SignedCheckpoint? = try nextCheckpoint(after: -1, session)
        try session.each(
            """
            SELECT position, kind, name, text, hash FROM entry LEFT JOIN node ON number = 2 * position ORDER BY position
            """
        ) { (row) throws(Fault) in
            while let checkpoint = due, checkpoint.checkpoint.size <= trail.count {
                compare(checkpoint)
                due = try nextCheckpoint(after: checkpoint.checkpoint.size, session)
            }
            try compare(trail.take(item(row)), session)
            return true
        }
        trail.finish()
        while let checkpoint = due {
            compare(checkpoint)
            due = try nextCheckpoint(after: checkpoint.checkpoint.size, session)
        }
        if trail.finding == nil { try compareWhatIsLeft(session) }
        if let newest, signature != .bad { trail.consult(newest.checkpoint) }
    }

    private func item(_ row: [SQLValue]) -> AuditItem {
        let text = row[3].textValue ?? ""
        var item = AuditItem(
            index: row[0].integerValue, leaf: row[4].blobValue.flatMap { SHA256Digest(bytes: $0) }, entry: nil,
            hash: MerkleTree.leafHash(Array(text.utf8)))
        do throws(Fault) {
            let entry = try LedgerStore.entry(text)
            item.entry = entry
            if entry.resource != ResourceID(row[1].textValue ?? "", row[2].textValue ?? "") {
                item.problem = "entry \(trail.count) is filed under another resource than its own"
            }
        } catch { item.problem = "entry \(trail.count) is none: \(error.why)" }
        return item
    }

    /// The leaves were compared already; above them each stored subtree must be what its leaves give.
    private mutating func compare(_ completed: [(node: MerkleNode, hash: SHA256Digest)], _ session: borrowing Session) throws(Fault)
    {
        for (node, hash) in completed where node.level > 0 {
            let stored = try session.rows("SELECT hash FROM node WHERE number = ?", [.integer(node.number)]).first?[0].blobValue
            if stored != hash.bytes {
                trail.report(
                    trail.count - 1, "the tree over entries \(node.firstLeaf) to \(trail.count - 1) is another than was stored")
                return
            }
        }
    }

    private mutating func nextCheckpoint(after size: Int64, _ session: borrowing Session) throws(Fault) -> SignedCheckpoint? {
        let rows = try session.rows(
            "SELECT size, note FROM checkpoint WHERE size > ? ORDER BY size LIMIT 1", [.integer(size)])
        guard let row = rows.first, let stored = row[0].integerValue else { return nil }
        if let signed = try? SignedCheckpoint(parsing: row[1].textValue ?? ""), signed.checkpoint.size == stored { return signed }
        note("the checkpoint stored at \(stored) entries was altered")
        return try nextCheckpoint(after: stored, session)
    }

    private mutating func compare(_ signed: SignedCheckpoint) {
        newest = signed
        let checked = key.check(signed)
        if signature != .bad { signature = checked }
        let (size, count) = (signed.checkpoint.size, trail.count)
        guard checked != .bad else { return note("the checkpoint stored at \(size) entries is not signed by the key") }
        if size > count {
            trail.report(count, "a checkpoint covers \(size) entries; the last \(size - count) were removed")
        } else if size == count, trail.isFollowing, trail.frontier.root != signed.checkpoint.root {
            trail.report(max(0, count - 1), "the first \(size) entries do not have the root that was signed over them")
        }
    }

    /// Rows that would remain if the newest entries were removed.
    private mutating func compareWhatIsLeft(_ session: borrowing Session) throws(Fault) {
        let count = trail.count
        let nodes = try session.rows("SELECT count(*) FROM node").first?[0].integerValue ?? 0
        if nodes != 2 * count - Int64(count.nonzeroBitCount) {
            trail.report(count, "the tree has nodes of entries that are not there: the last were removed")
        }
        var heads = 0
        try session.each("SELECT kind, name, position FROM head") { (row) throws(Fault) in
            heads += 1
            let resource = ResourceID(row[0].textValue ?? "", row[1].textValue ?? "")
            let (stored, found) = (row[2].integerValue ?? -1, trail.heads[resource])
            if stored >= count {
                trail.report(count, "\(resource) stands at entry \(stored), which was removed")
            } else if found != stored && trail.followsAllResources {
                note("\(resource) is filed as standing at \(stored); its entries end at \(found ?? -1)")
            }
            return true
        }
        if heads != trail.heads.count && trail.followsAllResources { note("the heads of some resources were removed") }
    }

    private mutating func note(_ problem: String) { checkpointProblem = checkpointProblem ?? problem }

    private var verdict: AuditVerdict {
        AuditVerdict(
            entries: trail.count, firstBad: trail.finding?.index, signature: signature, checkpoint: newest?.checkpoint,
            why: trail.finding?.why ?? checkpointProblem)
    }
}
