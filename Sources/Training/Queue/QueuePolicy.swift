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
        /// The team with the least service for its weight first; teams that are not named weigh 1.
        case share(weights: [String: Double])
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

    public static let all: [QueuePolicy] = [.fifo, .fifoSkip, .shortestRemaining, .leastAttainedService, .fair]

    /// Whether the order of two jobs can change while nothing starts, ends or arrives.
    var changesWithTime: Bool { if case .attained = order { true } else { false } }

    /// When a running job next falls behind, in milliseconds from now; nil when it does not.
    func nextFall(of job: QueuedJob) -> Int64? {
        guard case .attained(let limits) = order, let limit = limits.first(where: { $0 > job.attained }) else { return nil }
        let rate = max(job.rate, 1)
        return (limit - job.attained + rate - 1) / rate
    }
}

extension QueuePolicy {
    /// The jobs in the order in which they are looked at.
    func sorted(_ jobs: [QueuedJob]) -> [Int] {
        switch order {
        case .submission: return bySubmission(jobs)
        case .remaining:
            return Self.sorted(jobs.map { (-$0.priority, $0.remaining ?? .max, $0.number) }) { $0 < $1 }
        case .attained(let limits): return byAttained(jobs, limits)
        case .share(let weights): return byShare(jobs, weights)
        }
    }

    /// Indices in the order of their keys. Jobs mostly come in their order already: then there is nothing to sort.
    private static func sorted<Key>(_ keys: [Key], by precedes: (Key, Key) -> Bool) -> [Int] {
        let isSorted = keys.indices.dropFirst().allSatisfy { precedes(keys[$0 - 1], keys[$0]) }
        return isSorted ? Array(keys.indices) : keys.indices.sorted { precedes(keys[$0], keys[$1]) }
    }

    private func bySubmission(_ jobs: [QueuedJob]) -> [Int] {
        Self.sorted(jobs.map { (-$0.priority, $0.submitted, $0.number) }) { $0 < $1 }
    }

    private func byAttained(_ jobs: [QueuedJob], _ limits: [Int64]) -> [Int] {
        let keys = jobs.map { job in
            (
                -job.priority, limits.count { $0 <= job.attained }, job.running == nil ? 1 : 0, job.firstStart ?? .max,
                job.submitted, job.number
            )
        }
        return Self.sorted(keys) { $0 < $1 }
    }

    /// One job after the other from the team that has the least: what a job is going to receive counts at once, so that a
    /// team with a thousand jobs does not start them all before another's first.
    private func byShare(_ jobs: [QueuedJob], _ weights: [String: Double]) -> [Int] {
        var order: [Int] = []
        var numbers: [String: Int] = [:]
        var teams: [TeamTurn] = []
        for index in bySubmission(jobs) {
            let name = jobs[index].team
            let number = numbers[name] ?? teams.count
            if number == teams.count {
                numbers[name] = number
                teams.append(TeamTurn(name: name, weight: weights[name] ?? 1))
            }
            if jobs[index].running == nil {
                teams[number].waiting.append(index)
            } else {
                teams[number].served += Double(jobs[index].rate)
                order.append(index)
            }
        }
        var heap = TeamHeap(teams.filter { !$0.waiting.isEmpty })
        while let next = heap.takeTurn({ Double(jobs[$0].rate) }) { order.append(next) }
        return order
    }
}

/// What a team has, and what it waits for.
private struct TeamTurn {
    let name: String
    let weight: Double
    var served = 0.0
    var waiting: [Int] = []
    /// How many of `waiting` have had their turn.
    var taken = 0

    init(name: String, weight: Double) { (self.name, self.weight) = (name, weight) }

    func precedes(_ other: TeamTurn) -> Bool {
        let (mine, theirs) = (served / weight, other.served / other.weight)
        return mine != theirs ? mine < theirs : name < other.name
    }
}

/// The team that has the least for its weight on top (a binary heap).
private struct TeamHeap {
    private var teams: [TeamTurn]

    init(_ teams: [TeamTurn]) { self.teams = teams.sorted { $0.precedes($1) } }

    /// The next job of the team on top, which then has so much more.
    mutating func takeTurn(_ rate: (Int) -> Double) -> Int? {
        if teams.isEmpty { return nil }
        let next = teams[0].waiting[teams[0].taken]
        teams[0].taken += 1
        teams[0].served += rate(next)
        if teams[0].taken == teams[0].waiting.count {
            teams[0] = teams[teams.count - 1]
            teams.removeLast()
        }
        sink()
        return next
    }

    private mutating func sink() {
        var at = 0
        while true {
            var least = at
            for child in [2 * at + 1, 2 * at + 2] where child < teams.count && teams[child].precedes(teams[least]) { least = child }
            if least == at { return }
            teams.swapAt(at, least)
            at = least
        }
    }
}
