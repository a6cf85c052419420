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
    // An empty queue gives tickets in the order of submission: a job's ticket is its index.
    if policy.preempts {
        var queue = PreemptingQueue(cluster, by: policy, quotas: quotas)
        for job in jobs { _ = queue.submit(job, now: now) }
        return told(queue.pass(now: now), of: jobs, by: queue, policy.sorted(jobs, on: cluster, now: now))
    }
    var queue = JobQueue(cluster, by: policy, quotas: quotas)
    for job in jobs { _ = queue.submit(job, now: now) }
    return told(queue.pass(now: now), of: jobs, by: queue, policy.sorted(jobs, on: cluster, now: now))
}

/// With the waits, in the order in which jobs were looked at.
private func told(_ decided: Schedule, of jobs: [QueuedJob], by queue: some KeptQueue, _ order: [Int]) -> Schedule {
    var decided = decided
    let (started, stopped) = (Set(decided.starts.map(\.job)), Set(decided.stops))
    for index in order {
        guard jobs[index].running == nil || stopped.contains(index), !started.contains(index) else { continue }
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
