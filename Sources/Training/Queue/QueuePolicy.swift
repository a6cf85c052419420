/// How the queue is ordered, and what a job that has no place may cost the others: a value, so that one scheduler runs them all.
public struct QueuePolicy: Equatable, Sendable {
    /// Who is looked at first. Ties break by submission, then by number.
    public enum Order: Equatable, Sendable {
        case submission
        /// The least time left first; unknown is last.
        case remaining
        /// By service had, in queues that end at these device-milliseconds; within a queue running jobs stay ahead of waiting
        /// ones, so that equals do not take turns at evicting each other (Gu et al., Tiresias, NSDI 2019).
        case attained(limits: [Int64])
        /// Among jobs of one priority, the team with the least service for its weight first; teams that are not named weigh 1.
        case share(weights: [String: Double])
        /// The most points first: see `QueueWeights`. `teams` weigh for the share.
        case weighted(QueueWeights, teams: [String: Double])
    }
    public var name: String
    public var order: Order
    /// Whether a job may start although one before it has no place.
    public var skips: Bool
    /// Whether the first job without a place has a time and a place kept for it, so that skipping never delays it.
    public var reserves: Bool
    /// Whether a running job may be stopped for one that is ahead of it.
    public var preempts: Bool

    public init(name: String, order: Order, skips: Bool, reserves: Bool = false, preempts: Bool = false) {
        (self.name, self.order, self.skips, self.reserves, self.preempts) = (name, order, skips, reserves, preempts)
    }

    /// Strict head of line.
    public static let fifo = QueuePolicy(name: "fifo", order: .submission, skips: false)
    /// Backfill with a reservation for the head.
    public static let fifoSkip = QueuePolicy(name: "fifo-skip", order: .submission, skips: true, reserves: true)
    public static let shortestRemaining = QueuePolicy(name: "shortest-remaining", order: .remaining, skips: true, preempts: true)
    /// Two limits, 3 250 and 7 200 device-seconds: the queues that peers replay the Philly trace with.
    public static let leastAttainedService = QueuePolicy(
        name: "least-attained-service", order: .attained(limits: [3_250_000, 7_200_000]), skips: true, preempts: true)
    public static let fair = QueuePolicy(name: "fair", order: .share(weights: [:]), skips: true, reserves: true)

    /// Backfill with a reservation for the job with the most points.
    public static func weighted(_ weights: QueueWeights, teams: [String: Double] = [:]) -> QueuePolicy {
        QueuePolicy(name: weightedName, order: .weighted(weights, teams: teams), skips: true, reserves: true)
    }
    public static let weightedName = "weighted"

    /// Those that a name says enough about.
    public static let all: [QueuePolicy] = [.fifo, .fifoSkip, .shortestRemaining, .leastAttainedService, .fair]

    /// What teams weigh, where their shares count; those that are not named weigh 1.
    var shares: [String: Double]? {
        switch order {
        case .share(let weights): weights
        case .weighted(let weights, let teams): weights.share > 0 ? teams : nil
        case .submission, .remaining, .attained: nil
        }
    }

    /// Whether the order of two jobs can change while nothing starts, ends or arrives.
    var changesWithTime: Bool { if case .attained = order { true } else { false } }

    /// Whether a job's turn follows from itself alone.
    var isOrderedByJob: Bool {
        switch order {
        case .submission, .remaining, .attained: true
        case .share, .weighted: false
        }
    }

    /// When a running job next falls behind, in milliseconds from now; nil when it does not.
    func nextFall(of job: QueuedJob) -> Int64? {
        guard case .attained(let limits) = order, let limit = limits.first(where: { $0 > job.attained }) else { return nil }
        let rate = max(job.rate, 1)
        return (limit - job.attained + rate - 1) / rate
    }
}

extension QueuePolicy {
    /// The jobs in the order in which they are looked at.
    func sorted(_ jobs: [QueuedJob], on cluster: Cluster, now: Int64) -> [Int] {
        switch order {
        case .submission, .remaining, .attained, .weighted:
            let scales = scales(for: jobs, on: cluster, now: now)
            return Self.sorted(jobs.map { turn(of: $0, by: scales) }) { $0 < $1 }
        case .share(let weights): return byShare(jobs, weights)
        }
    }

    func scales(for jobs: some Sequence<QueuedJob>, on cluster: Cluster, now: Int64) -> QueueScales? {
        guard case .weighted(let weights, let teams) = order else { return nil }
        return QueueScales(weights, teams: teams, jobs: jobs, on: cluster, now: now)
    }

    /// Where a job stands among those that it is compared with: of a lane, see `JobQueue`.
    func turn(of job: QueuedJob, by scales: QueueScales?) -> Turn {
        switch order {
        case .submission, .share: return Turn(-job.priority, job.submitted, job.number)
        case .remaining: return Turn(-job.priority, job.remaining ?? .max, job.number)
        case .attained(let limits):
            let level = limits.count { $0 <= job.attained }
            let first = (-job.priority * (limits.count + 1) + level) * 2 + (job.running == nil ? 1 : 0)
            return Turn(first, job.firstStart ?? .max, then: job.submitted, job.number)
        case .weighted: return Turn(points: scales?.points(of: job) ?? 0, job.number)
        }
    }

    /// Indices in the order of their keys. Jobs mostly come in their order already: then there is nothing to sort.
    private static func sorted<Key>(_ keys: [Key], by precedes: (Key, Key) -> Bool) -> [Int] {
        let isSorted = keys.indices.dropFirst().allSatisfy { precedes(keys[$0 - 1], keys[$0]) }
        return isSorted ? Array(keys.indices) : keys.indices.sorted { precedes(keys[$0], keys[$1]) }
    }

    /// Of each priority, one job after the other from the team that has the least: as if each were given what it asks for, so
    /// that a team with a thousand jobs does not stand before another's first with all of them.
    private func byShare(_ jobs: [QueuedJob], _ weights: [String: Double]) -> [Int] {
        var order: [Int] = []
        var served: [String: Double] = [:]
        var waiting: [Int: [String: [Int]]] = [:]
        for index in Self.sorted(jobs.map { turn(of: $0, by: nil) }, by: { $0 < $1 }) {
            if jobs[index].running == nil {
                waiting[jobs[index].priority, default: [:]][jobs[index].team, default: []].append(index)
            } else {
                served[jobs[index].team, default: 0] += Double(jobs[index].rate)
                order.append(index)
            }
        }
        for (_, teams) in waiting.sorted(by: { $0.key > $1.key }) {
            var heap = Heap(
                teams.map { TeamTurn(name: $0.key, weight: weights[$0.key] ?? 1, served: served[$0.key] ?? 0, waiting: $0.value) })
            while let next = heap.takeTurn({ Double(jobs[$0].rate) }) {
                served[jobs[next].team, default: 0] += Double(jobs[next].rate)
                order.append(next)
            }
        }
        return order
    }
}

/// What the order of two jobs is decided by, one after the other.
struct Turn: Comparable, Sendable {
    let first: Int
    let second: Int64
    let third: Int64
    /// The job's, which no other has.
    let number: Int
    init(_ first: Int, _ second: Int64, then third: Int64 = 0, _ number: Int) {
        (self.first, self.second, self.third, self.number) = (first, second, third, number)
    }

    /// The most points first: in millionths, so that equals are equal.
    init(points: Double, _ number: Int) { self.init(0, -Int64((points * 1e6).rounded()), number) }

    /// After all of them.
    static let end = Turn(.max, .max, then: .max, .max)

    static func < (a: Turn, b: Turn) -> Bool {
        if a.first != b.first { return a.first < b.first }
        if a.second != b.second { return a.second < b.second }
        return a.third != b.third ? a.third < b.third : a.number < b.number
    }
}

/// What a team has, and what it waits for.
private struct TeamTurn: Comparable, Sendable {
    let name: String
    let weight: Double
    var served: Double
    var waiting: [Int]
    /// How many of `waiting` have had their turn.
    var taken = 0

    init(name: String, weight: Double, served: Double, waiting: [Int]) {
        (self.name, self.weight, self.served, self.waiting) = (name, weight, served, waiting)
    }

    static func < (a: TeamTurn, b: TeamTurn) -> Bool {
        let (mine, theirs) = (a.served / a.weight, b.served / b.weight)
        return mine != theirs ? mine < theirs : a.name < b.name
    }
}

extension Heap<TeamTurn> {
    /// The next job of the team that has the least for its weight, which then has so much more.
    fileprivate mutating func takeTurn(_ rate: (Int) -> Double) -> Int? {
        guard var team = first else { return nil }
        let next = team.waiting[team.taken]
        team.taken += 1
        team.served += rate(next)
        if team.taken == team.waiting.count { removeFirst() } else { replaceFirst(with: team) }
        return next
    }
}
