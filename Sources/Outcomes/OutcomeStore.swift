public import Faults
import Glibc
public import JSON
import Routing
import SQL
import Telemetry

/// Exposures (append-only segment files), feedback (SQLite) and their join. Lives on a thread of its own, because it writes
/// and reads files.
///
/// How durable: an exposure survives the end of the process when `record` returns, and the end of the machine when it was
/// synced, at most about a second later; feedback survives both when `feed` returns, with the facts of its exposure.
public actor OutcomeStore {
    public struct Settings: Sendable {
        /// Feedback later than this after its exposure is refused.
        public var window: Duration = .seconds(7 * 24 * 3_600)
        /// Exposures and feedback older than this are removed, a segment (at most an eighth of this) or some thousand rows at a time.
        public var retention: Duration = .seconds(7 * 24 * 3_600)
        /// Oldest segments are removed beyond this (indexes, where feedback is sent, take an eighth more).
        public var segmentBytesMax: Int = 4 << 30
        /// Slots of 64 bytes per segment file, at most 2^20.
        public var segmentSlots: Int = 1 << 20
        /// Oldest feedback is removed beyond this.
        public var feedbackRowsMax: Int64 = 20_000_000
        /// Units whose latest exposure can be found without a request id: the last this many exposures are looked at.
        public var unitsMax: Int = 1 << 20
        /// Feedback may arrive before its exposure does (the gateway hands exposures over in batches): it waits this long.
        public var patience: Duration = .seconds(2)
        /// Feedback on answers that are still going out: beyond, it is told that its exposure is unknown, and comes again.
        public var heldEventsMax: Int = 65_536
        /// How long written exposures may stay unsynced.
        public var syncInterval: Duration = .seconds(1)
        public init() {}
    }

    /// Where a watcher has read to: opaque, Codable, recorded in the ledger so that a restart re-reads from the same place.
    public struct Cursor: Hashable, Sendable, Codable {
        public var exposureSequence: Int64
        public var feedbackSequence: Int64
        public init(exposureSequence: Int64, feedbackSequence: Int64) {
            (self.exposureSequence, self.feedbackSequence) = (exposureSequence, feedbackSequence)
        }
    }

    private let thread: DatabaseThread
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    let settings: Settings
    let log = Log("outcomes")
    let exposures: ExposureLog
    let units: UnitIndex
    let feedback: FeedbackTable
    var tail: FeedbackTail
    /// The newest feedback that is durable and may be read.
    var feedbackSequence: Int64
    var counts = Counts()
    var isClosed = false

    // Who waits: for exposures (feedback that came too early), for news (watchers), for its turn to be written (feedback).
    var early = EarlyFeedback()
    var held = HeldFeedback()
    /// Tells of requests whether they are being answered.
    var answering: (@Sendable (Set<RequestID>) async -> Set<RequestID>)?
    var watchers: [Int: CheckedContinuation<Void, Never>] = [:]
    var nextWaiter = 0
    var queue: [QueuedFeedback] = []
    /// Runs while there is feedback to write.
    var writing: Task<Void, Never>?

    private let syncer: Syncer
    private var unsynced: [SlotFile] = []
    private var isSyncScheduled = false
    var lastPruned: Timestamp?

    /// What was counted since the start.
    struct Counts {
        var exposures: Int64 = 0
        var usages: Int64 = 0
        var contexts: Int64 = 0
        var exposuresLost: Int64 = 0
        var results: [FeedbackResult: Int64] = [:]
        /// Events that were held and then could not be written.
        var heldLost: Int64 = 0
        var skippedByWatchers: Int64 = 0
        var syncFailures: Int64 = 0
    }

    public static func open(directory: String, settings: Settings) async throws(Fault) -> OutcomeStore {
        if unsafe mkdir(directory, 0o700) != 0, errno != EEXIST { throw SlotFile.fault("made", directory) }
        let feedback = try await FeedbackTable.open(directory: directory)
        let newest = try await feedback.newest()
        return try OutcomeStore(directory: directory, settings: settings, feedback: feedback, newest: newest)
    }

    private init(directory: String, settings: Settings, feedback: FeedbackTable, newest: Int64) throws(Fault) {
        (self.settings, self.feedback) = (settings, feedback)
        exposures = try ExposureLog(
            directory: directory, bytesMax: settings.segmentBytesMax, slotsPerSegment: settings.segmentSlots,
            spanMax: settings.retention / 8)
        units = UnitIndex(unitsMax: settings.unitsMax)
        tail = FeedbackTail(after: newest)
        feedbackSequence = newest
        thread = try DatabaseThread()
        syncer = try Syncer()
        if exposures.tornSlots > 0 {
            log.warning("a crash tore the end of the exposures; it was cut away", ["slots": .integer(Int64(exposures.tornSlots))])
        }
        if let newest = exposures.newest { _ = exposures.prune(olderThan: min(newest, .now()) - settings.retention) }
    }

    deinit { thread.stop() }

    /// Exposures of one batch, as the gateway's rings deliver them. Written, and news for watchers.
    public func record(_ batch: [Exposure]) async throws(Fault) {
        try write(batch)
        counts.exposures += Int64(batch.count)
        if !early.isEmpty { early.arrived(batch) }
        if !held.isEmpty { joinHeld(batch) }
        if !batch.isEmpty { wakeWatchers() }
    }

    /// What requests to models used, after the exposures of the same requests.
    public func record(usage batch: [Usage]) async throws(Fault) {
        try write(batch)
        counts.usages += Int64(batch.count)
        if !batch.isEmpty { wakeWatchers() }
    }

    /// What contextual choices looked at, before the exposures of the same requests.
    public func record(contexts batch: [Context]) async throws(Fault) {
        try write(batch.flatMap(ContextPart.parts))
        counts.contexts += Int64(batch.count)
        if !batch.isEmpty { wakeWatchers() }
    }

    private func write(_ batch: [some SlotRecord]) throws(Fault) {
        guard !batch.isEmpty else { return }
        guard !isClosed else {
            counts.exposuresLost += Int64(batch.count)
            throw closedFault()
        }
        do {
            let completed = try exposures.append(batch)
            unsynced += completed
            if !completed.isEmpty, let newest = batch.last?.at {
                _ = exposures.prune(olderThan: min(newest, .now()) - settings.retention)
            }
        } catch {
            counts.exposuresLost += Int64(batch.count)
            throw error
        }
        scheduleSync()
    }

    /// Now: everything that arrives later has a later cursor.
    public func cursor() -> Cursor { Cursor(exposureSequence: exposures.endSlot, feedbackSequence: feedbackSequence) }

    /// For `/metrics` and the API: one flat object of numbers.
    public func counters() -> JSONValue {
        func result(_ result: FeedbackResult) -> JSONValue { .integer(counts.results[result] ?? 0) }
        return [
            "exposures": .integer(counts.exposures), "usages": .integer(counts.usages),
            "contexts": .integer(counts.contexts),
            "exposures_lost": .integer(counts.exposuresLost),
            "exposure_bytes_on_disk": .integer(Int64(exposures.bytes)), "segments": .integer(Int64(exposures.segmentCount)),
            "torn_slots": .integer(Int64(exposures.tornSlots)), "sync_failures": .integer(counts.syncFailures),
            "feedback_joined": result(.joined), "feedback_duplicate": result(.duplicate),
            "feedback_replaced": result(.replaced),
            "feedback_unknown_exposure": result(.unknownExposure), "feedback_too_late": result(.tooLate),
            "feedback_held": .integer(Int64(held.count)), "feedback_held_lost": .integer(counts.heldLost),
            "feedback_waiting": .integer(Int64(early.count)), "feedback_queued": .integer(Int64(queue.count)),
            "watchers_waiting": .integer(Int64(watchers.count)), "slots_skipped_by_watchers": .integer(counts.skippedByWatchers),
        ]
    }

    /// Everything that was accepted is durable when it returns.
    public func close() async {
        guard !isClosed else { return }
        isClosed = true
        early.giveUpAll()
        wakeWatchers()
        while let writing { await writing.value }
        exposures.close()
        for file in unsynced { fdatasync(file.descriptor) }
        unsynced = []
        await feedback.database.close()
        await syncer.stop()
    }

    func closedFault() -> Fault {
        Fault(.unavailable, what: "The outcome store is closed.", why: "The daemon is stopping.", fix: "Start it again.")
    }

    // MARK: Syncing

    private func scheduleSync() {
        if isSyncScheduled { return }
        isSyncScheduled = true
        Task {
            try? await Task.sleep(for: settings.syncInterval)
            await sync()
        }
    }

    private func sync() async {
        isSyncScheduled = false
        let files = unsynced + (exposures.openFile.map { [$0] } ?? [])
        unsynced = []
        for file in files where await syncer.sync(file.descriptor) == false {
            counts.syncFailures += 1
            log.error("exposures could not be synced to disk", ["file": .string(file.path)])
        }
    }
}

/// Waits for the disk on a thread of its own, so that the next exposures need not.
private actor Syncer {
    private let thread: DatabaseThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }
    init() throws(Fault) { thread = try DatabaseThread() }
    deinit { thread.stop() }
    func sync(_ descriptor: Int32) -> Bool { fdatasync(descriptor) == 0 }
    /// Returns when nothing is being synced.
    func stop() {}
}
