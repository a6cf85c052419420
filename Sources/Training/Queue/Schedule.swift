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
    let jobs: [QueuedJob]
    var cluster: Cluster
    let policy: QueuePolicy
    let now: Int64
    private var decided = Schedule()
    /// What found no room in this pass: the same finds none later in it, because room only becomes less.
    private var roomless: [Gang: Shortfall] = [:]
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
        let gang = jobs[index].gang
        if let known = roomless[gang] { return known }
        switch place(gang, on: cluster) {
        case .waiting(let shortfall):
            roomless[gang] = shortfall
            return shortfall
        case .placed(let placement):
            if let reservation, !reservation.admits(placement, until: jobs[index].remaining.map { now + $0 }) {
                decided.waits.append(.init(job: index, why: .keptFree(for: reservation.job, until: reservation.from)))
                return nil
            }
            reservation?.admit(placement, until: jobs[index].remaining.map { now + $0 })
            cluster.take(placement)
            decided.starts.append(.init(job: index, placement: placement))
            return nil
        }
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
        for (position, index) in order.enumerated() {
            let job = jobs[index]
            if let kept = job.running, !isEvicted[index] {
                if job.isPreemptible { settled.take(kept) }
                continue
            }
            if job.running != nil { decided.stops.append(index) }
            if let shortfall = roomless[job.gang] ?? seat(index, before: order[(position + 1)...]) {
                roomless[job.gang] = shortfall
                decided.waits.append(.init(job: index, why: .noRoom(shortfall)))
            }
        }
        return decided
    }

    /// Finds the job a place, at the cost of jobs behind it where it must be; what is missing otherwise.
    private mutating func seat(_ index: Int, before others: ArraySlice<Int>) -> Shortfall? {
        let anyway: Placement
        switch place(jobs[index].gang, on: settled) {
        case .waiting(let shortfall): return shortfall
        case .placed(let placement): anyway = placement
        }
        var evicted: [Int] = []
        var found = placement(of: index)
        for other in others.reversed() where found == nil {
            guard let placement = jobs[other].running, jobs[other].isPreemptible, !isEvicted[other] else { continue }
            full.giveBack(placement)
            isEvicted[other] = true
            evicted.append(other)
            found = self.placement(of: index)
        }
        let placement = found ?? anyway
        settled.take(placement)
        full.take(placement)
        decided.starts.append(.init(job: index, placement: placement))
        restore(evicted.reversed())
        return nil
    }

    private func placement(of index: Int) -> Placement? {
        guard case .placed(let placement) = place(jobs[index].gang, on: full) else { return nil }
        return placement
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
