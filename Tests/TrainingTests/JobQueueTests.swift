import Testing

@testable import Training

/// The queue that is kept from one moment to the next, against one that is made anew each time.
struct JobQueueTests {
    private static let policies: [QueuePolicy] = {
        var weights = QueueWeights()
        (weights.priority, weights.age, weights.size, weights.ageFull) = (100, 1_000, -50, 10_000)
        (weights.share, weights.attained) = (300, 20)
        return [.fifo, .fifoSkip, .fair, .weighted(weights, teams: ["a": 2.5])]
    }()

    private static func random(_ number: Int, at now: Int64, _ random: inout Scramble) -> QueuedJob {
        let width = [1, 1, 1, 2, 3, 4, 8, 11].randomElement(using: &random)!
        let wish = [AcceleratorWish(.any), .init(.model("H100"))].randomElement(using: &random)!
        let gang = Gang(ranks: width...width, each: Demand(cpus: 500, accelerators: [wish]), spread: .pack)
        return QueuedJob(
            number: number, gang: gang, submitted: now, priority: [250, 500, 500, 750].randomElement(using: &random)!,
            team: ["a", "b", "c"].randomElement(using: &random)!,
            remaining: Int.random(in: 0..<5, using: &random) == 0 ? nil : Int64.random(in: 1...9_000, using: &random))
    }

    @Test(arguments: 0..<6 as Range<UInt64>, [0, 1, 2, 3])
    func `a queue that is kept decides as one that is made anew`(seed: UInt64, which: Int) {
        let policy = Self.policies[which]
        var dice = Scramble(seed: seed)
        var quota = TeamQuota()
        quota.ranks = 7
        let quotas = seed % 2 == 0 ? ["b": quota] : [:]
        let nodes = PlacementTests.nodes([8, 4, 2]) + [Node("z", cpus: 8_000, devices: [.init(PlacementTests.other, count: 6)])]
        var queue = JobQueue(Cluster(nodes), by: policy, quotas: quotas)
        var (tickets, ends): ([JobQueue.Ticket], [JobQueue.Ticket: Int64]) = ([], [:])
        var now: Int64 = 0
        for number in 0..<160 {
            now += Int64.random(in: 0...700, using: &dice)
            for (ticket, end) in ends where end <= now {
                queue.end(ticket)
                ends[ticket] = nil
                tickets.removeAll { $0 == ticket }
            }
            if number < 120 {
                let ticket = queue.submit(Self.random(number, at: now, &dice), now: now)
                tickets.append(ticket)
            }
            let jobs = tickets.sorted { queue[$0]!.number < queue[$1]!.number }
            // What is left of running jobs counts from now.
            let anew = jobs.map { ticket in
                var job = queue[ticket]!
                if job.running != nil, let remaining = job.remaining { job.remaining = (ends[ticket] ?? now + remaining) - now }
                return job
            }
            let fresh = schedule(anew, on: queue.cluster, by: policy, now: now, quotas: quotas)
            let kept = queue.pass(now: now)
            #expect(kept.starts.map(\.job) == fresh.starts.map { jobs[$0.job] }, "seed \(seed), \(policy.name), job \(number)")
            #expect(kept.starts.map(\.placement) == fresh.starts.map(\.placement), "seed \(seed), \(policy.name)")
            for start in kept.starts { ends[start.job] = now + (queue[start.job]?.remaining ?? 3_000) }
            for waiting in fresh.waits {
                guard case .noRoom = waiting.why else { continue }
                #expect(queue.wait(of: jobs[waiting.job]) == waiting.why, "seed \(seed), \(policy.name)")
            }
        }
        #expect(queue.waiting == tickets.count { queue[$0]?.running == nil })
    }

    /// Everybody's length is known and true: then the time that was kept free for a wide job is kept, whoever comes after it.
    @Test(arguments: 0..<10 as Range<UInt64>)
    func `a wide job is not starved: it starts when it was first told`(seed: UInt64) {
        for policy in [QueuePolicy.fifoSkip, .fair] {
            var dice = Scramble(seed: seed)
            var queue = JobQueue(Cluster(PlacementTests.nodes([4, 4, 4])), by: policy)
            var ends: [JobQueue.Ticket: Int64] = [:]
            var (wide, promised, started): (JobQueue.Ticket?, Int64?, Int64?) = (nil, nil, nil)
            var (number, now) = (0, Int64(0))
            while started == nil, now < 200_000 {
                now = min(now + Int64.random(in: 50...300, using: &dice), queue.nextEnd ?? .max)
                for (ticket, end) in ends where end <= now {
                    queue.end(ticket)
                    ends[ticket] = nil
                }
                let gpus = number == 20 ? 12 : Int.random(in: 1...3, using: &dice)
                let gang = Gang(ranks: gpus...gpus, each: Demand(accelerators: [.init(.any)]), spread: .count)
                let job = QueuedJob(
                    number: number, gang: gang, submitted: now, remaining: Int64.random(in: 500...4_000, using: &dice))
                let ticket = queue.submit(job, now: now)
                if number == 20 { wide = ticket }
                number += 1
                for start in queue.pass(now: now).starts {
                    ends[start.job] = now + (queue[start.job]?.remaining ?? 0)
                    if start.job == wide { started = now }
                }
                // Once it is the head, others' waits name it and its time.
                for ticket in ends.keys.min().map({ _ in 0..<number }) ?? 0..<0 {
                    if case .keptFree(let other, let until)? = queue.wait(of: ticket), other == wide {
                        promised = promised ?? until
                    }
                }
            }
            let start = try! #require(started, "seed \(seed), \(policy.name): it never started")
            if let promised { #expect(start <= promised, "seed \(seed), \(policy.name)") }
        }
    }

    @Test func `a job that left the queue is not started, and its ticket is free again`() {
        var queue = JobQueue(Cluster(PlacementTests.nodes([2])), by: .fifo)
        let first = queue.submit(ScheduleTests.job(0, gpus: 2), now: 0)
        let second = queue.submit(ScheduleTests.job(1, gpus: 2), now: 0)
        let third = queue.submit(ScheduleTests.job(2, gpus: 1), now: 0)
        #expect(queue.pass(now: 0).starts.map(\.job) == [first])
        queue.end(second)
        queue.end(first)
        #expect(queue.pass(now: 1).starts.map(\.job) == [third])
        #expect(queue[second] == nil && queue.waiting == 0)
        #expect([first, second].contains(queue.submit(ScheduleTests.job(3, gpus: 2), now: 1)))
    }

    @Test(arguments: 0..<3 as Range<UInt64>)
    func `elements in pieces stay in order`(seed: UInt64) {
        var dice = Scramble(seed: seed)
        var (chunks, plain): (SortedChunks<Int>, [Int]) = (.init(), [])
        for _ in 0..<3_000 {
            let value = Int.random(in: 0...900, using: &dice)
            if Int.random(in: 0..<3, using: &dice) == 0 {
                chunks.remove(value)
                if let place = plain.firstIndex(of: value) { plain.remove(at: place) }
            } else {
                chunks.insert(value)
                plain.insert(value, at: plain.firstIndex { $0 >= value } ?? plain.count)
            }
        }
        var seen: [Int] = []
        chunks.walk {
            seen.append($0)
            return false
        }
        #expect(seen == plain && chunks.first == plain.first)
    }
}
