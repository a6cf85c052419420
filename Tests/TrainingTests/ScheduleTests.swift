import Testing
import Training

struct ScheduleTests {
    static func job(
        _ number: Int, gpus: Int, remaining: Int64? = nil, team: String = "", attained: Int64 = 0, running: Placement? = nil
    ) -> QueuedJob {
        let gang = Gang(ranks: gpus...gpus, each: Demand(accelerators: [.init(.any)]), spread: .count)
        return QueuedJob(
            number: number, gang: gang, submitted: Int64(number), team: team, remaining: remaining, attained: attained,
            firstStart: running == nil ? nil : 0, running: running)
    }

    /// Jobs that run already, on the cluster that they leave.
    static func running(_ jobs: [QueuedJob], on gpus: [Int]) -> (jobs: [QueuedJob], cluster: Cluster) {
        var cluster = Cluster(PlacementTests.nodes(gpus))
        let placed = jobs.map { job in
            var job = job
            guard case .placed(let placement) = place(job.gang, on: cluster) else { preconditionFailure("the test has no room") }
            cluster.take(placement)
            (job.running, job.firstStart) = (placement, 0)
            return job
        }
        return (placed, cluster)
    }

    @Test func `first in, first out waits at its head, though smaller ones would fit`() {
        let jobs = [Self.job(0, gpus: 6), Self.job(1, gpus: 4), Self.job(2, gpus: 1)]
        let decided = schedule(jobs, on: Cluster(PlacementTests.nodes([8])), by: .fifo, now: 0)
        #expect(decided.starts.map(\.job) == [0])
        #expect(decided.head == 1)
    }

    @Test func `backfill starts what is gone before the head's turn, and nothing that would delay it`() {
        let (busy, cluster) = Self.running([Self.job(0, gpus: 6, remaining: 100)], on: [8])
        let jobs =
            busy + [
                Self.job(1, gpus: 7, remaining: 50), Self.job(2, gpus: 1, remaining: 100), Self.job(3, gpus: 2, remaining: 101),
            ]
        let decided = schedule(jobs, on: cluster, by: .fifoSkip, now: 1_000)
        #expect(decided.starts.map(\.job) == [2])
        #expect(decided.waits.contains { $0.job == 3 }, "one GPU is left, and it asks for two")
        let small = busy + [Self.job(1, gpus: 7, remaining: 50), Self.job(2, gpus: 2, remaining: 101)]
        let kept = schedule(small, on: cluster, by: .fifoSkip, now: 1_000)
        #expect(kept.starts.isEmpty)
        #expect(kept.waits.last?.why == .keptFree(for: 1, until: 1_100))
        let beside = busy + [Self.job(1, gpus: 7, remaining: 50), Self.job(2, gpus: 1, remaining: 9_999)]
        #expect(schedule(beside, on: cluster, by: .fifoSkip, now: 1_000).starts.map(\.job) == [2], "the head leaves one GPU over")
    }

    @Test func `a shorter job evicts the longest, and only as many as it needs`() {
        let (busy, cluster) = Self.running(
            [Self.job(0, gpus: 4, remaining: 900), Self.job(1, gpus: 2, remaining: 500), Self.job(2, gpus: 2, remaining: 800)],
            on: [8])
        let decided = schedule(busy + [Self.job(3, gpus: 3, remaining: 10)], on: cluster, by: .shortestRemaining, now: 0)
        #expect(decided.starts.map(\.job) == [3])
        #expect(decided.stops == [0])
        let two = schedule(busy + [Self.job(3, gpus: 2, remaining: 850)], on: cluster, by: .shortestRemaining, now: 0)
        #expect(two.stops == [0] && two.starts.map(\.job) == [3])
    }

    @Test func `what may not be preempted stays`() {
        var (busy, cluster) = Self.running([Self.job(0, gpus: 8, remaining: 900)], on: [8])
        busy[0].isPreemptible = false
        let decided = schedule(busy + [Self.job(1, gpus: 1, remaining: 1)], on: cluster, by: .shortestRemaining, now: 0)
        #expect(decided.stops.isEmpty && decided.starts.isEmpty)
    }

    @Test func `who has had the least comes first, and equals do not take turns`() {
        let (busy, cluster) = Self.running([Self.job(0, gpus: 8, attained: 3_249_999)], on: [8])
        let waiting = Self.job(1, gpus: 8)
        #expect(schedule(busy + [waiting], on: cluster, by: .leastAttainedService, now: 0).stops.isEmpty)
        let fallen = Self.running([Self.job(0, gpus: 8, attained: 3_250_000)], on: [8])
        let decided = schedule(fallen.jobs + [waiting], on: fallen.cluster, by: .leastAttainedService, now: 0)
        #expect(decided.stops == [0] && decided.starts.map(\.job) == [1])
    }

    @Test func `a team with many jobs does not keep out one with few`() {
        let many = (0..<8).map { Self.job($0, gpus: 2, team: "many") }
        let few = [Self.job(8, gpus: 2, team: "few"), Self.job(9, gpus: 2, team: "few")]
        let decided = schedule(many + few, on: Cluster(PlacementTests.nodes([8])), by: .fair, now: 0)
        #expect(Set(decided.starts.map(\.job)) == [0, 1, 8, 9])
    }

    @Test func `a higher priority goes first under every policy`() {
        for policy in QueuePolicy.all {
            var urgent = Self.job(1, gpus: 8, remaining: 10_000, team: "z")
            urgent.priority = 900
            let decided = schedule(
                [Self.job(0, gpus: 8, remaining: 10), urgent], on: Cluster(PlacementTests.nodes([8])), by: policy, now: 0)
            #expect(decided.starts.map(\.job) == [1], "\(policy.name)")
        }
    }

    @Test(arguments: 0..<40 as Range<UInt64>, QueuePolicy.all)
    func `no policy gives anything twice, stops what does not run, or leaves a job that fits alone`(
        seed: UInt64, policy: QueuePolicy
    ) {
        var random = Scramble(seed: seed)
        let gpus = (0..<4).map { _ in Int.random(in: 1...8, using: &random) }
        var cluster = Cluster(PlacementTests.nodes(gpus))
        var jobs: [QueuedJob] = []
        for number in 0..<60 {
            var job = Self.job(
                number, gpus: Int.random(in: 1...10, using: &random), remaining: Int64.random(in: 1...5_000, using: &random),
                team: ["a", "b"].randomElement(using: &random)!, attained: Int64.random(in: 0...9_000_000, using: &random))
            if Bool.random(using: &random), case .placed(let placement) = place(job.gang, on: cluster) {
                cluster.take(placement)
                job.running = placement
            }
            jobs.append(job)
        }
        let decided = schedule(jobs, on: cluster, by: policy, now: 0)
        #expect(decided == schedule(jobs, on: cluster, by: policy, now: 0))
        for index in decided.stops {
            cluster.giveBack(try! #require(jobs[index].running))
            jobs[index].running = nil
        }
        for start in decided.starts {
            #expect(jobs[start.job].running == nil, "seed \(seed), \(policy.name)")
            cluster.take(start.placement)
            jobs[start.job].running = start.placement
        }
        guard policy.skips, !policy.reserves else { return }
        for job in jobs where job.running == nil {
            if case .placed = place(job.gang, on: cluster) {
                Issue.record("job \(job.number) fits and waits: seed \(seed), \(policy.name)")
            }
        }
    }
}
