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
        /// Its team may use no more than this at a time.
        case overQuota(limit: String)
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
public func schedule(
    _ jobs: [QueuedJob], on cluster: Cluster, by policy: QueuePolicy, now: Int64, quotas: [String: TeamQuota] = [:]
) -> Schedule {
    let isKnown = jobs.contains { $0.throughputs.isKnown }
    let jobs = isKnown ? jobs.map { $0.preferringFast(on: cluster) } : jobs
    if policy.preempts {
        var pass = PreemptingPass(jobs: jobs, cluster: cluster, policy: policy, quotas: quotas, now: now)
        return pass.decide()
    }
    var queue = JobQueue(cluster, by: policy, quotas: quotas)
    // An empty queue gives tickets in the order of submission: a job's ticket is its index.
    for job in jobs { _ = queue.submit(job, now: now) }
    var decided = queue.pass(now: now)
    let started = Set(decided.starts.map(\.job))
    for index in policy.sorted(jobs, on: cluster, now: now) where jobs[index].running == nil && !started.contains(index) {
        // Those behind a head that nobody may skip were not looked at.
        if let why = queue.wait(of: index) { decided.waits.append(.init(job: index, why: why)) }
        if index == decided.head { break }
    }
    return decided
}

extension QueuedJob {
    /// The kinds that it is faster on are tried first.
    func preferringFast(on cluster: Cluster) -> QueuedJob {
        guard throughputs.isKnown, !gang.each.accelerators.isEmpty else { return self }
        var job = self
        job.gang.preference = throughputs.preference(among: cluster.kinds)
        return job
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
    private var use: TeamUse
    private let now: Int64

    init(jobs: [QueuedJob], cluster: Cluster, policy: QueuePolicy, quotas: [String: TeamQuota], now: Int64) {
        var cluster = cluster
        // A hundred thousand jobs ask for few different things.
        var seen: Set<Gang> = []
        for job in jobs where seen.insert(job.gang).inserted { cluster.prepare(for: job.gang) }
        (self.jobs, self.policy, self.now, full, settled) = (jobs, policy, now, cluster, cluster)
        use = TeamUse(quotas)
        isEvicted = jobs.map { _ in false }
        for job in jobs {
            guard let placement = job.running else { continue }
            use.add(placement, of: job.team)
            if job.isPreemptible { settled.giveBack(placement) }
        }
    }

    mutating func decide() -> Schedule {
        let order = policy.sorted(jobs, on: full, now: now)
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
        if let limit = use.limit(for: anyway, of: jobs[index].team) {
            decided.waits.append(.init(job: index, why: .overQuota(limit: limit)))
            return nil
        }
        var evicted: [Int] = []
        var found = full.placement(of: gang)
        var last = victims.count
        while found == nil, last > 0, victims[last - 1].turn > turn {
            last -= 1
            let other = victims[last].job
            guard let placement = jobs[other].running, !isEvicted[other] else { continue }
            full.giveBack(placement)
            use.remove(placement, of: jobs[other].team)
            isEvicted[other] = true
            evicted.append(other)
            found = full.placement(of: gang)
        }
        let placement = found ?? anyway
        settled.take(placement)
        full.take(placement)
        use.add(placement, of: jobs[index].team)
        decided.starts.append(.init(job: index, placement: placement))
        restore(evicted.reversed())
        return nil
    }

    /// Those whose places were not needed after all keep them.
    private mutating func restore(_ evicted: some Sequence<Int>) {
        for other in evicted {
            guard let placement = jobs[other].running, full.hasRoom(for: placement) else { continue }
            full.take(placement)
            use.add(placement, of: jobs[other].team)
            isEvicted[other] = false
        }
    }
}
