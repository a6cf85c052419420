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
            return jobs.indices.sorted { a, b in
                (-jobs[a].priority, jobs[a].remaining ?? .max, jobs[a].number)
                    < (-jobs[b].priority, jobs[b].remaining ?? .max, jobs[b].number)
            }
        case .attained(let limits): return byAttained(jobs, limits)
        case .share(let weights): return byShare(jobs, weights)
        }
    }

    /// Jobs mostly come in this order already: then there is nothing to sort.
    private func bySubmission(_ jobs: [QueuedJob]) -> [Int] {
        func precedes(_ a: Int, _ b: Int) -> Bool {
            if jobs[a].priority != jobs[b].priority { return jobs[a].priority > jobs[b].priority }
            if jobs[a].submitted != jobs[b].submitted { return jobs[a].submitted < jobs[b].submitted }
            return jobs[a].number < jobs[b].number
        }
        let isSorted = jobs.indices.dropFirst().allSatisfy { precedes($0 - 1, $0) }
        return isSorted ? Array(jobs.indices) : jobs.indices.sorted(by: precedes)
    }

    private func byAttained(_ jobs: [QueuedJob], _ limits: [Int64]) -> [Int] {
        let keys = jobs.map { job in
            (
                -job.priority, limits.count { $0 <= job.attained }, job.running == nil ? 1 : 0, job.firstStart ?? .max,
                job.submitted, job.number
            )
        }
        return jobs.indices.sorted { keys[$0] < keys[$1] }
    }

    /// One job after the other from the team that has the least: what a job is going to receive counts at once, so that a
    /// team with a thousand jobs does not start them all before another's first.
    private func byShare(_ jobs: [QueuedJob], _ weights: [String: Double]) -> [Int] {
        var served: [String: Double] = [:]
        for job in jobs where job.running != nil { served[job.team, default: 0] += Double(job.rate) }
        let bySubmission = QueuePolicy.fifo.sorted(jobs)
        var waiting: [String: ArraySlice<Int>] = [:]
        for index in bySubmission where jobs[index].running == nil { waiting[jobs[index].team, default: []].append(index) }
        var order = bySubmission.filter { jobs[$0].running != nil }
        var teams = waiting.keys.sorted()
        while !teams.isEmpty {
            let team = teams.min { a, b in
                let (x, y) = ((served[a] ?? 0) / (weights[a] ?? 1), (served[b] ?? 0) / (weights[b] ?? 1))
                return x != y ? x < y : a < b
            }
            guard let team, let next = waiting[team]?.popFirst() else { break }
            order.append(next)
            served[team, default: 0] += Double(jobs[next].rate)
            if waiting[team]?.isEmpty == true { teams.removeAll { $0 == team } }
        }
        return order
    }
}
