import Faults
import JSON
import SQL
import Telemetry

/// An append that waits for its transaction.
struct PendingAppend: Sendable {
    let draft: LedgerDraft
    let resource: ResourceID
    let expected: Position
    let answer: CheckedContinuation<Result<Position, AppendRefusal>, Never>
}

/// What a batch of appends needs to know, and what it changes when its transaction commits.
struct AppendState: Sendable {
    var frontier = MerkleFrontier()
    /// The leaf of the last entry.
    var last: SHA256Digest?
}

/// What became of one append of a batch.
enum AppendOutcome: Sendable {
    case appended(LedgerEntry, bytes: Int)
    case refused(AppendRefusal)
}

extension AppendState {
    /// An entry is a decision and its evidence; what is larger belongs into a file, with its digest here.
    static let entryBytesMax = 1 << 20

    /// What the database says: after opening, and after a failed transaction.
    init(_ session: borrowing Session) throws(Fault) {
        let size = try LedgerStore.size(session)
        frontier = try LedgerStore.frontier(ofSize: size, session)
        last = size == 0 ? nil : try LedgerStore.hash(of: MerkleNode(level: 0, index: size - 1), session)
    }

    /// Records one draft if nothing followed `expected` for its resource.
    mutating func append(_ pending: PendingAppend, at time: Timestamp, _ session: borrowing Session) throws(Fault) -> AppendOutcome
    {
        let head = try LedgerStore.head(of: pending.resource, session)
        guard head == pending.expected else { return .refused(.moved(to: head)) }
        let position = Position(frontier.size)
        let draft = LedgerEntry(
            position: position, resource: pending.resource, after: head, at: time, kind: pending.draft.kind, by: pending.draft.by,
            body: pending.draft.body, previous: last)
        let text = draft.json.canonicalText
        guard text.utf8.count <= AppendState.entryBytesMax else {
            return .refused(.cannotRecord(AppendState.tooLarge(draft, bytes: text.utf8.count)))
        }
        // Read back before it is written: who hears of an entry today hears what a restart will read, or it is not recorded.
        let entry: LedgerEntry
        do throws(Fault) { entry = try LedgerStore.entry(text) } catch { return .refused(.cannotRecord(error)) }
        last = try LedgerStore.append(text, for: pending.resource, to: &frontier, session)
        return .appended(entry, bytes: text.utf8.count)
    }

    private static func tooLarge(_ entry: LedgerEntry, bytes: Int) -> Fault {
        Fault(
            .limitReached, what: "\(entry.kind) of \(entry.resource) is too large to be recorded.",
            why: "It has \(bytes) bytes; an entry may have \(entryBytesMax).",
            fix: "Record a digest, and keep the evidence itself in a file.")
    }
}
