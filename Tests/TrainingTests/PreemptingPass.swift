@testable import Training

/// What `PreemptingQueue` decides, the plain way: everybody is looked at, one after the other.
///
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
            guard let placement = jobs[other].running, full.contains(placement) else { continue }
            full.take(placement)
            use.add(placement, of: jobs[other].team)
            isEvicted[other] = false
        }
    }
}
