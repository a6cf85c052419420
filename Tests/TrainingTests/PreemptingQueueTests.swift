import Testing

@testable import Training

/// The queue whose running jobs may lose their places, against a pass that looks at everybody each time.
struct PreemptingQueueTests {
    private static let policies: [QueuePolicy] = [
        .shortestRemaining, QueuePolicy(name: "levels", order: .attained(limits: [2_000, 9_000]), skips: true, preempts: true),
        QueuePolicy(name: "urgent", order: .submission, skips: true, preempts: true),
    ]

    private static func random(_ number: Int, at now: Int64, _ dice: inout Scramble) -> QueuedJob {
        let width = [1, 1, 1, 2, 3, 4, 8, 11].randomElement(using: &dice)!
        let wish = [AcceleratorWish(.any), .init(.model("H100"), count: 2)].randomElement(using: &dice)!
        let more = Int.random(in: 0..<4, using: &dice) == 0 ? 2 : 0
        let gang = Gang(
            ranks: width...(width + more), each: Demand(cpus: 500, accelerators: [wish]),
            spread: Gang.Spread.allCases.randomElement(using: &dice)!)
        return QueuedJob(
            number: number, gang: gang, submitted: now, priority: [250, 500, 500, 500, 750].randomElement(using: &dice)!,
            team: ["a", "b", "c"].randomElement(using: &dice)!, isPreemptible: Int.random(in: 0..<8, using: &dice) > 0,
            remaining: Int.random(in: 0..<5, using: &dice) == 0 ? nil : Int64.random(in: 1...9_000, using: &dice))
    }

    /// Jobs as somebody sees them who only hears what is decided.
    private struct Mirror {
        var jobs: [(ticket: PreemptingQueue.Ticket, job: QueuedJob)] = []
        var cluster: Cluster
        var now: Int64 = 0

        mutating func advance(to moment: Int64) {
            for index in jobs.indices where jobs[index].job.running != nil {
                jobs[index].job.attained += (moment - now) * jobs[index].job.rate
                jobs[index].job.remaining = jobs[index].job.remaining.map { $0 - (moment - now) }
            }
            now = moment
        }

        mutating func end(_ ticket: PreemptingQueue.Ticket) {
            guard let index = jobs.firstIndex(where: { $0.ticket == ticket }) else { return }
            if let placement = jobs[index].job.running { cluster.giveBack(placement) }
            jobs.remove(at: index)
        }

        mutating func hear(_ decided: Schedule) {
            for index in decided.stops {
                cluster.giveBack(jobs[index].job.running!)
                jobs[index].job.running = nil
            }
            for start in decided.starts {
                cluster.take(start.placement)
                jobs[start.job].job.running = start.placement
                jobs[start.job].job.firstStart = jobs[start.job].job.firstStart ?? now
            }
        }
    }

    @Test(arguments: 0..<6 as Range<UInt64>, [0, 1, 2])
    func `a queue that is kept decides as a pass that looks at everybody`(seed: UInt64, which: Int) {
        let policy = Self.policies[which]
        var dice = Scramble(seed: seed)
        var quota = TeamQuota()
        quota.ranks = 9
        let quotas = seed % 3 == 0 ? ["b": quota] : [:]
        var nodes =
            PlacementTests.nodes([8, 4, 2, 8, 6]) + [Node("z", cpus: 8_000, devices: [.init(PlacementTests.other, count: 6)])]
        if seed % 4 == 1 { nodes[3].health = .draining }
        var mirror = Mirror(cluster: Cluster(nodes))
        var queue = PreemptingQueue(mirror.cluster, by: policy, quotas: quotas)
        // Views are asked for few running jobs as well.
        (queue.patience, queue.viewsMax) = ([0, 1, 32][Int(seed % 3)], seed % 5 == 0 ? 2 : 64)
        for number in 0..<120 {
            mirror.advance(to: mirror.now + Int64.random(in: 0...500, using: &dice))
            for ticket in queue.ended(by: mirror.now) {
                queue.end(ticket)
                mirror.end(ticket)
            }
            if Int.random(in: 0..<6, using: &dice) == 0, let (ticket, _) = mirror.jobs.randomElement(using: &dice) {
                queue.end(ticket)
                mirror.end(ticket)
            }
            for _ in 0..<Int.random(in: 0...2, using: &dice) where number < 90 {
                let job = Self.random(number * 4 + mirror.jobs.count % 4, at: mirror.now, &dice)
                if mirror.jobs.contains(where: { $0.job.number == job.number }) { continue }
                mirror.jobs.append((queue.submit(job, now: mirror.now), job))
            }
            var pass = PreemptingPass(
                jobs: mirror.jobs.map(\.job), cluster: mirror.cluster, policy: policy, quotas: quotas, now: mirror.now)
            let plain = pass.decide()
            let kept = queue.pass(now: mirror.now)
            let note = "seed \(seed), \(policy.name), step \(number)"
            let tickets = mirror.jobs.map(\.ticket)
            let starts = plain.starts.map { Schedule.Start(job: tickets[$0.job], placement: $0.placement) }
            let isSame = kept.starts == starts && kept.stops == plain.stops.map { tickets[$0] }
            let isToldAlike = plain.waits.allSatisfy { queue.wait(of: tickets[$0.job]) == $0.why }
            mirror.hear(plain)
            let isLeftAlike = queue.cluster == mirror.cluster && queue.waiting == mirror.jobs.count { $0.job.running == nil }
            #expect(isSame, "other starts or stops: \(note)")
            #expect(isToldAlike, "another reason to wait: \(note)")
            #expect(isLeftAlike, "other places taken: \(note)")
            guard isSame, isLeftAlike else { return }
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `one snapshot is decided as a pass that looks at everybody decides it`(seed: UInt64) {
        for policy in Self.policies {
            var dice = Scramble(seed: seed)
            var cluster = Cluster(PlacementTests.nodes([8, 4, 2, 8]))
            let jobs = (0..<70).map { number in
                var job = Self.random(number, at: Int64(number), &dice)
                job.attained = Int64.random(in: 0...12_000, using: &dice)
                if Bool.random(using: &dice), case .placed(let placement) = place(job.gang, on: cluster) {
                    cluster.take(placement)
                    (job.running, job.firstStart) = (placement, Int64(number))
                }
                return job
            }
            var pass = PreemptingPass(jobs: jobs, cluster: cluster, policy: policy, quotas: [:], now: 100)
            #expect(schedule(jobs, on: cluster, by: policy, now: 100) == pass.decide(), "seed \(seed), \(policy.name)")
        }
    }

    @Test func `a job on a draining node is not stopped where that frees nothing for anybody`() {
        var nodes = PlacementTests.nodes([4, 4])
        var cluster = Cluster(nodes)
        let jobs = [0, 1].map { number in
            var job = ScheduleTests.job(number, gpus: 4, remaining: 900 - Int64(number))
            if case .placed(let placement) = place(job.gang, on: cluster) {
                cluster.take(placement)
                (job.running, job.firstStart) = (placement, 0)
            }
            return job
        }
        nodes[0].health = .draining
        var drained = Cluster(nodes)
        for job in jobs { drained.take(job.running!) }
        let decided = schedule(jobs + [ScheduleTests.job(2, gpus: 4, remaining: 10)], on: drained, by: .shortestRemaining, now: 0)
        #expect(decided.stops == [1] && decided.starts.map(\.job) == [2])
    }
}
