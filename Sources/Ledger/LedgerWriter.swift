public import Faults
import JSON
import SQL
public import Telemetry

public enum AppendRefusal: Error, Equatable, Sendable {
    /// Something else was recorded for this resource first.
    case moved(to: Position)
    /// The ledger could not make it durable. A service that cannot record does not act.
    case cannotRecord(Fault)
}

/// The one writer of a ledger: appends in order, many at a time in one durable transaction (group commit).
public actor LedgerWriter {
    public struct Settings: Sendable {
        /// Where a test may kill the ledger.
        public var boundaries = Boundaries.unwatched
        /// What the entries are dated with.
        public var clock: @Sendable () -> Timestamp = { Timestamp.now() }
        /// A checkpoint is signed after this many entries,
        public var checkpointEntries: Int64 = 1_000
        /// or this long after an entry that none covers, whichever comes first.
        public var checkpointInterval: Duration = .seconds(60)
        /// Appends waiting at once; more are refused, so that a stalled disk does not fill the memory.
        var pendingMax = 65_536
        /// How often a disk that refused is tried again, though nobody appends.
        var probeInterval: Duration = .seconds(2)
        public init() {}
    }

    /// What it has done since it was opened.
    public struct Figures: Equatable, Sendable {
        public var appended: Int64 = 0
        /// Refused because something else was recorded first.
        public var moved: Int64 = 0
        /// Refused because they could not be recorded.
        public var unrecorded: Int64 = 0
        public var transactions: Int64 = 0
        public var checkpoints: Int64 = 0
    }

    /// Appends in one transaction.
    static let batchMax = 1_024

    nonisolated let database: Database
    private let settings: Settings
    private let key: SigningKey
    private let log = Log("ledger")

    public private(set) var figures = Figures()

    private var state: AppendState
    private var signed: SignedCheckpoint?
    private var pending: [PendingAppend] = []
    private var isFlushing = false
    private var flushed: [CheckedContinuation<Void, Never>] = []
    private var isCheckpointScheduled = false
    /// Why nothing can be recorded: for the moment (the next append tries again), or for good.
    private var outage: Outage?
    private var ending: Fault?
    /// A transaction failed: only the database knows what it kept.
    private var mustReload = false
    private var isKilled = false
    private var closing: Task<Void, Never>?

    /// A disk that does not take what is written.
    private struct Outage {
        let fault: Fault
        var refused: Int
        var loggedAt: ContinuousClock.Instant
    }

    let feed = EntryFeed()

    init(opened: OpenedLedger, settings: Settings) {
        (database, key, state, signed) = (opened.database, opened.key, opened.state, opened.signed)
        self.settings = settings
        feed.start(at: opened.state.frontier.size)
    }

    /// Opens or creates `directory/ledger.db` and `directory/ledger.key` (Ed25519, mode 0600, created at first start), and
    /// writes the public half to `directory/ledger.vkey`.
    public static func open(directory: String, settings: Settings = Settings()) async throws(Fault) -> LedgerWriter {
        LedgerWriter(opened: try await OpenedLedger.open(directory: directory), settings: settings)
    }

    /// Who can check this ledger's checkpoints.
    public nonisolated var verifierKey: VerifierKey { key.verifier }

    /// Why the last append could not be recorded; nil when all is well. `readyz` looks here.
    public var fault: Fault? { ending ?? outage?.fault }

    // MARK: Appending

    /// Appends only if nothing followed `expected` for this resource. Durable when it returns.
    ///
    /// After `.cannotRecord` the entry is not in the ledger, with one exception that no log can exclude: the disk took it and
    /// the process died before it heard so. Then a restart finds it, as an entry on which nobody has acted yet.
    public func append(_ draft: LedgerDraft, to resource: ResourceID, after expected: Position) async throws(AppendRefusal)
        -> Position
    {
        if let ending { throw .cannotRecord(ending) }
        guard pending.count < settings.pendingMax else {
            figures.unrecorded += 1
            throw .cannotRecord(overfull)
        }
        guard ResourceID(parsing: resource.description) == resource else { throw .cannotRecord(LedgerWriter.unnamed(resource)) }
        let result = await withCheckedContinuation { answer in
            pending.append(PendingAppend(draft: draft, resource: resource, expected: expected, answer: answer))
            flush()
        }
        return try result.get()
    }

    /// One flush at a time; what arrives while it waits for the disk goes into the next transaction.
    private func flush() {
        guard !isFlushing else { return }
        isFlushing = true
        Task {
            while !pending.isEmpty, ending == nil { await commitBatch() }
            isFlushing = false
            for waiting in flushed { waiting.resume() }
            flushed.removeAll()
        }
    }

    private func commitBatch() async {
        let batch = Array(pending.prefix(LedgerWriter.batchMax))
        pending.removeFirst(batch.count)
        let (begin, clock, reloads) = (state, settings.clock, mustReload)
        do {
            try settings.boundaries.reach(LedgerBoundary.beforeAppendCommit.rawValue)
        } catch { return await die(at: .beforeAppendCommit, answering: batch) }
        let committed: (outcomes: [AppendOutcome], state: AppendState)
        do throws(Fault) {
            committed = try await database.write { (session) throws(Fault) in
                var state = reloads ? try AppendState(session) : begin
                var outcomes: [AppendOutcome] = []
                for pending in batch { outcomes.append(try state.append(pending, at: clock(), session)) }
                return (outcomes, state)
            }
        } catch { return refuse(batch, error) }
        recovered()
        (state, mustReload) = (committed.state, false)
        figures.transactions += 1
        do {
            try settings.boundaries.reach(LedgerBoundary.afterAppendCommit.rawValue)
        } catch { return await die(at: .afterAppendCommit, answering: batch) }
        feed.publish(committed.outcomes)
        for (pending, outcome) in zip(batch, committed.outcomes) {
            switch outcome {
            case .appended(let entry, _):
                figures.appended += 1
                pending.answer.resume(returning: .success(entry.position))
            case .refused(let refusal):
                if case .moved = refusal { figures.moved += 1 } else { figures.unrecorded += 1 }
                pending.answer.resume(returning: .failure(refusal))
            }
        }
        await checkpointIfDue()
    }

    // MARK: When the disk does not take it

    private func refuse(_ batch: [PendingAppend], _ fault: Fault) {
        for pending in batch { pending.answer.resume(returning: .failure(.cannotRecord(fault))) }
        figures.unrecorded += Int64(batch.count)
        mustReload = true
        if outage == nil { probeLater() }
        let now = ContinuousClock.now
        var outage = self.outage ?? Outage(fault: fault, refused: 0, loggedAt: now - .seconds(60))
        outage.refused += batch.count
        if now - outage.loggedAt >= .seconds(10) {
            log.error(
                "NOTHING CAN BE RECORDED, so nothing is decided",
                [
                    "what": .string(fault.what), "why": .string(fault.why), "fix": .string(fault.fix),
                    "refused": .integer(Int64(outage.refused)),
                ])
            outage.loggedAt = now
        }
        self.outage = Outage(fault: fault, refused: outage.refused, loggedAt: outage.loggedAt)
    }

    /// Without appends nobody would notice that the disk is well again.
    private func probeLater() {
        let interval = settings.probeInterval
        Task { [weak self] in
            try? await Task.sleep(for: interval)
            await self?.probe()
        }
    }

    private func probe() async {
        guard outage != nil, ending == nil else { return }
        do throws(Fault) {
            try await database.write { (session) throws(Fault) in try session.run("UPDATE origin SET name = name") }
            recovered()
        } catch { probeLater() }
    }

    private func recovered() {
        guard let outage else { return }
        log.warning("recording again", ["refused": .integer(Int64(outage.refused))])
        self.outage = nil
    }

    /// What a kill leaves: nothing is answered for truth, nothing is signed, the file is let go.
    private func die(at boundary: LedgerBoundary, answering batch: [PendingAppend]) async {
        let fault = Fault(
            .unavailable, what: "The ledger was killed at \(boundary.rawValue).", why: "A test listens at its boundaries.",
            fix: "Open it again.")
        (ending, isKilled) = (fault, true)
        for pending in batch + pending { pending.answer.resume(returning: .failure(.cannotRecord(fault))) }
        pending.removeAll()
        feed.end()
        await database.close()
    }

    // MARK: Checkpoints

    /// Signs and returns a C2SP tlog-checkpoint over all that is durable.
    public func checkpoint() async throws(Fault) -> String {
        if let ending { throw ending }
        return try await sign().text
    }

    private func sign() async throws(Fault) -> SignedCheckpoint {
        // The state advances only when a transaction has committed, so this promises nothing that a crash could take back.
        let frontier = state.frontier
        if let signed, signed.checkpoint.size == frontier.size { return signed }
        let made = SignedCheckpoint(Checkpoint(origin: key.name, size: frontier.size, root: frontier.root), signedBy: key)
        do {
            try settings.boundaries.reach(LedgerBoundary.beforeCheckpointCommit.rawValue)
        } catch {
            await die(at: .beforeCheckpointCommit, answering: [])
            throw ending!
        }
        try await database.write { (session) throws(Fault) in try LedgerStore.insert(made, session) }
        figures.checkpoints += 1
        if made.checkpoint.size > signed?.checkpoint.size ?? -1 { signed = made }
        do {
            try settings.boundaries.reach(LedgerBoundary.afterCheckpointCommit.rawValue)
        } catch {
            await die(at: .afterCheckpointCommit, answering: [])
            throw ending!
        }
        return made
    }

    private func checkpointIfDue() async {
        let uncovered = state.frontier.size - (signed?.checkpoint.size ?? 0)
        guard uncovered > 0, ending == nil else { return }
        guard uncovered < settings.checkpointEntries else { return await signOrLog() }
        guard !isCheckpointScheduled else { return }
        isCheckpointScheduled = true
        let interval = settings.checkpointInterval
        Task { [weak self] in
            try? await Task.sleep(for: interval)
            await self?.scheduledCheckpoint()
        }
    }

    private func scheduledCheckpoint() async {
        isCheckpointScheduled = false
        guard ending == nil, state.frontier.size > (signed?.checkpoint.size ?? 0) else { return }
        await signOrLog()
    }

    private func signOrLog() async {
        do throws(Fault) {
            _ = try await sign()
        } catch {
            guard !isKilled else { return }
            log.error("no checkpoint could be stored", ["what": .string(error.what), "why": .string(error.why)])
        }
    }

    /// Verifies everything that is durable, through a connection of its own: neither writer nor readers wait for it.
    public nonisolated func verify() async throws(Fault) -> AuditVerdict {
        try await LedgerAudit.verify(database: database.path, key: .demanded(verifierKey))
    }

    // MARK: Reading and closing

    public nonisolated var reader: LedgerReader { LedgerReader(database: database, writer: self) }

    /// Every entry after `position` in order, then new ones as they become durable; ends when the ledger closes.
    /// Entries wait in the database, not in memory: a slow subscriber loses nothing and holds nothing up.
    public nonisolated func entries(after position: Position) -> AsyncStream<LedgerEntry> {
        let subscription = EntrySubscription(feed: feed, reader: reader, after: position)
        return AsyncStream { await subscription.next() }
    }

    /// Lets the appends in flight finish, signs a last checkpoint, closes the database. Whoever calls it again waits for that.
    public func close() async {
        let closing = closing ?? Task { await shut() }
        self.closing = closing
        await closing.value
    }

    private func shut() async {
        if ending == nil {
            ending = Fault(
                .unavailable, what: "The ledger is closed.", why: "The daemon is stopping.",
                fix: "Start it again, then repeat this.")
            for pending in pending { pending.answer.resume(returning: .failure(.cannotRecord(ending!))) }
            pending.removeAll()
            if isFlushing { await withCheckedContinuation { flushed.append($0) } }
            if state.frontier.size > (signed?.checkpoint.size ?? 0) { await signOrLog() }
        }
        feed.end()
        await database.close()
    }

    private static func unnamed(_ resource: ResourceID) -> Fault {
        Fault(
            .usage, what: "Nothing can be recorded about '\(resource)'.", why: "A resource is a kind without slashes, and a name.",
            fix: "Give it a name.")
    }

    private var overfull: Fault {
        Fault(
            .limitReached, what: "Too much waits to be recorded.", why: "\(settings.pendingMax) appends wait for the disk.",
            fix: "Look at the disk's load; then try again.")
    }
}
