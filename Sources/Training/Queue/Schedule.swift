/// What the scheduler decided at one moment, about every job it looked at. Indices are those of the jobs it was given.
public struct Schedule: Equatable, Sendable {
    public struct Start: Equatable, Sendable {
        public var job: Int
        public var placement: Placement
    }
    /// Why a job waits on.
    public enum Wait: Equatable, Sendable {
        /// The nodes have no room for it.
        case noRoom(Shortfall)
        /// It would fit now, and delay a job that has a place kept for it until then.
        case keptFree(for: Int, until: Int64)
    }
    public struct Waiting: Equatable, Sendable {
        public var job: Int
        public var why: Wait
    }
    public var starts: [Start] = []
    /// Running jobs that give up their place, to be started again later or elsewhere.
    public var stops: [Int] = []
    public var waits: [Waiting] = []
    /// The job that all behind it wait for, where the policy skips nobody: those were not looked at.
    public var head: Int?
}

/// Where it is decided who runs next. Pure: the same jobs, cluster and moment give the same answer. `cluster` has the places of
/// running jobs taken.
public func schedule(_ jobs: [QueuedJob], on cluster: Cluster, by policy: QueuePolicy, now: Int64) -> Schedule {
    if policy.preempts {
        var pass = PreemptingPass(jobs: jobs, cluster: cluster, policy: policy)
        return pass.decide()
    }
    var pass = FillingPass(jobs: jobs, cluster: cluster, policy: policy, now: now)
    return pass.decide()
}

/// One pass in which running jobs keep their places, and waiting ones fill what is free.
struct FillingPass {
    /// What is known of a gang: of jobs that ask for the same, one is asked about.
    private enum Answer {
        /// The same finds none later in this pass: room only becomes less.
        case roomless(Shortfall)
        /// As long as nothing else has started since.
        case fits(Placement, afterStarts: Int)
    }
    let jobs: [QueuedJob]
    var cluster: Cluster
    let policy: QueuePolicy
    let now: Int64
    private var decided = Schedule()
    private var answers: [Gang: Answer] = [:]
    private var reservation: Reservation?

    init(jobs: [QueuedJob], cluster: Cluster, policy: QueuePolicy, now: Int64) {
        (self.jobs, self.cluster, self.policy, self.now) = (jobs, cluster, policy, now)
    }

    mutating func decide() -> Schedule {
        for index in policy.sorted(jobs) where jobs[index].running == nil {
            guard let shortfall = tryStart(index) else { continue }
            decided.waits.append(.init(job: index, why: .noRoom(shortfall)))
            if !policy.skips {
                decided.head = index
                return decided
            }
            if policy.reserves, reservation == nil, !shortfall.isForEver {
                reservation = Reservation(for: index, of: jobs, started: decided.starts, on: cluster, now: now)
            }
        }
        return decided
    }

    /// Starts the job where that delays nobody with a reservation; what is missing otherwise.
    private mutating func tryStart(_ index: Int) -> Shortfall? {
        let placement: Placement
        switch answer(for: jobs[index].gang) {
        case .roomless(let shortfall): return shortfall
        case .fits(let found, _): placement = found
        }
        let end = jobs[index].remaining.map { now + $0 }
        if let reservation, !reservation.admits(placement, until: end) {
            decided.waits.append(.init(job: index, why: .keptFree(for: reservation.job, until: reservation.from)))
            return nil
        }
        reservation?.admit(placement, until: end)
        cluster.take(placement)
        decided.starts.append(.init(job: index, placement: placement))
        return nil
    }

    private mutating func answer(for gang: Gang) -> Answer {
        switch answers[gang] {
        case .some(.roomless(let shortfall)): return .roomless(shortfall)
        case .some(.fits(let placement, decided.starts.count)): return .fits(placement, afterStarts: decided.starts.count)
        case .some(.fits), .none: break
        }
        let answer: Answer =
            switch place(gang, on: cluster) {
            case .waiting(let shortfall): .roomless(shortfall)
            case .placed(let placement): .fits(placement, afterStarts: decided.starts.count)
            }
        answers[gang] = answer
        return answer
    }
}

/// One pass in which running jobs may lose their places: those ahead in the queue get one, those behind give it. A job that
/// keeps its turn keeps its place, and of those behind the last give first, so that nobody moves for nothing.
struct PreemptingPass {
    let jobs: [QueuedJob]
    let policy: QueuePolicy
    /// With the places of those decided until now, and of those that may not be stopped.
    private var settled: Cluster
    /// With the places of those that still run as well.
    private var full: Cluster
    private var isEvicted: [Bool]
    /// Running jobs that may be stopped, by their turns: the last is the first to go.
    private var victims: [(turn: Int, job: Int)] = []
    private var decided = Schedule()
    /// What found no room among the settled: the same finds none later.
    private var roomless: [Gang: Shortfall] = [:]

    init(jobs: [QueuedJob], cluster: Cluster, policy: QueuePolicy) {
        (self.jobs, self.policy, full, settled) = (jobs, policy, cluster, cluster)
        isEvicted = jobs.map { _ in false }
        for job in jobs where job.isPreemptible { if let placement = job.running { settled.giveBack(placement) } }
    }

    mutating func decide() -> Schedule {
        let order = policy.sorted(jobs)
        for (turn, index) in order.enumerated() where jobs[index].running != nil && jobs[index].isPreemptible {
            victims.append((turn, index))
        }
        for (turn, index) in order.enumerated() {
            if let kept = jobs[index].running {
                if !isEvicted[index] {
                    if jobs[index].isPreemptible { settled.take(kept) }
                    continue
                }
                decided.stops.append(index)
            }
            if let shortfall = roomless[jobs[index].gang] ?? seat(index, turn: turn) {
                roomless[jobs[index].gang] = shortfall
                decided.waits.append(.init(job: index, why: .noRoom(shortfall)))
            }
        }
        return decided
    }

    /// Finds the job a place, at the cost of jobs behind it where it must be; what is missing otherwise.
    private mutating func seat(_ index: Int, turn: Int) -> Shortfall? {
        let gang = jobs[index].gang
        let anyway: Placement
        switch place(gang, on: settled) {
        case .waiting(let shortfall): return shortfall
        case .placed(let placement): anyway = placement
        }
        let choices = full.choices(for: gang.each, preference: [])
        var evicted: [Int] = []
        var found = full.placement(of: gang, choices)
        var last = victims.count
        while found == nil, last > 0, victims[last - 1].turn > turn {
            last -= 1
            let other = victims[last].job
            guard let placement = jobs[other].running, !isEvicted[other] else { continue }
            full.giveBack(placement)
            isEvicted[other] = true
            evicted.append(other)
            found = full.placement(of: gang, choices)
        }
        let placement = found ?? anyway
        settled.take(placement)
        full.take(placement)
        decided.starts.append(.init(job: index, placement: placement))
        restore(evicted.reversed())
        return nil
    }

    /// Those whose places were not needed after all keep them.
    private mutating func restore(_ evicted: some Sequence<Int>) {
        for other in evicted {
            guard let placement = jobs[other].running, full.hasRoom(for: placement) else { continue }
            full.take(placement)
            isEvicted[other] = false
        }
    }
}

extension Cluster {
    /// Whether exactly this placement could be taken.
    func hasRoom(for placement: Placement) -> Bool {
        placement.seats.allSatisfy { room(on: $0.node, for: placement.each, $0.devices) >= $0.ranks }
    }
}
