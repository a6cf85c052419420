import Telemetry

/// What the last look at the queue found.
struct QueueDesk: Sendable {
    /// Why a job waits.
    enum Wait: Equatable, Sendable {
        case noRoom(Shortfall, until: Timestamp?)
        case keptFree(for: String, until: Timestamp)
        case behind(String)
        case overQuota(team: String, limit: String)
        case makingRoom(from: [String])
    }

    var waits: [String: Wait] = [:]
    /// In the order they are looked at.
    var order: [String] = []
    var isLooking = false
    var isWanted = false
    /// Raised whenever nodes change: a decision that was taken on another version is not committed.
    var version: UInt64 = 0
    var nodes: [Node] = []
    /// What is seated where: what an engine of a shared cluster tells ours from others' by.
    var runs: [EngineRun] = []
    /// Nodes that were lost and are not back.
    var lost: [String: Loss] = [:]

    /// Replacements that wait for a node, and what for.
    var replacing: [RankKey: String] = [:]

    struct Loss: Equatable, Sendable {
        var why: String
        var at: Timestamp
        /// The engine did not see the node well when it was lost.
        var wasDoubtful: Bool
    }

    /// Since when there has been room for more ranks of running jobs.
    private(set) var roomySince: [String: Timestamp] = [:]
    /// Rings when something changes without anybody's doing.
    private var alarm: Task<Void, Never>?
    private(set) var isStopped = false

    mutating func stop() {
        isStopped = true
        alarm?.cancel()
    }

    mutating func hear(_ decision: QueueSnapshot.Decision, at now: Timestamp) {
        (waits, order) = (decision.waits, decision.order)
        roomySince = roomySince.filter { decision.roomy.contains($0.key) }
        for job in decision.roomy where roomySince[job] == nil { roomySince[job] = now }
    }

    mutating func ring(at moment: Timestamp?, now: Timestamp, _ look: @escaping @Sendable () async -> Void) {
        alarm?.cancel()
        alarm = moment.map { moment in
            Task {
                try? await Task.sleep(for: max(.milliseconds(10), moment - now))
                if !Task.isCancelled { await look() }
            }
        }
    }
}
