import Testing

@testable import Training

/// Which kind of accelerator who gets.
struct ThroughputTests {
    private static let fast = AcceleratorKind(resource: "nvidia.com/gpu", model: "H100")
    private static let slow = AcceleratorKind(resource: "nvidia.com/gpu", model: "A100")

    private static func cluster(fast: Int, slow: Int) -> Cluster {
        Cluster([Node("a", devices: [.init(Self.fast, count: fast)]), Node("b", devices: [.init(Self.slow, count: slow)])])
    }

    private static func job(_ number: Int, gpus: Int = 1, on slow: Double?) -> QueuedJob {
        let gang = Gang(ranks: gpus...gpus, each: Demand(accelerators: [.init(.any)]), spread: .pack)
        let known = slow.map { Throughputs(["H100": 1, "A100": $0]) } ?? .unknown
        return QueuedJob(number: number, gang: gang, submitted: Int64(number), throughputs: known)
    }

    private static func kinds(_ decided: Schedule, _ cluster: Cluster) -> [Int: String] {
        Dictionary(
            uniqueKeysWithValues: decided.starts.map { ($0.job, cluster.kinds[$0.placement.seats[0].devices!.kind].model) })
    }

    @Test func `a job takes the kind it is fastest on, as it declared or was measured`() {
        let cluster = Self.cluster(fast: 2, slow: 2)
        #expect(Self.kinds(schedule([Self.job(0, on: 0.9)], on: cluster, by: .fifo, now: 0), cluster) == [0: "H100"])
        #expect(Self.kinds(schedule([Self.job(0, on: 1.5)], on: cluster, by: .fifo, now: 0), cluster) == [0: "A100"])
    }

    @Test(arguments: [[0.95, 0.3], [0.3, 0.95]])
    func `who gains little from the faster kind leaves it to who gains much, whoever came first`(slow: [Double]) {
        let cluster = Self.cluster(fast: 1, slow: 1)
        for policy in [QueuePolicy.fifo, .fifoSkip, .fair] {
            let jobs = [Self.job(0, on: slow[0]), Self.job(1, on: slow[1])]
            let kinds = Self.kinds(schedule(jobs, on: cluster, by: policy, now: 0), cluster)
            let gainer = slow[0] < slow[1] ? 0 : 1
            #expect(kinds == [gainer: "H100", 1 - gainer: "A100"], "\(policy.name)")
        }
    }

    @Test func `a wish for one kind alone is kept`() {
        let cluster = Self.cluster(fast: 1, slow: 1)
        var only = Self.job(0, on: 0.95)
        only.gang.each.accelerators = [.init(.model("H100"))]
        let kinds = Self.kinds(schedule([only, Self.job(1, on: 0.1)], on: cluster, by: .fifo, now: 0), cluster)
        #expect(kinds == [0: "H100", 1: "A100"])
    }

    /// Against the same jobs without exchanges: the same start, and together they are not slower.
    @Test(arguments: 0..<60 as Range<UInt64>)
    func `matching starts the same jobs, gives nothing twice, and gets no less done`(seed: UInt64) {
        var dice = Scramble(seed: seed)
        let cluster = Self.cluster(fast: Int.random(in: 1...8, using: &dice), slow: Int.random(in: 1...8, using: &dice))
        let jobs = (0..<10).map { number in
            Self.job(
                number, gpus: Int.random(in: 1...3, using: &dice),
                on: Bool.random(using: &dice) ? Double.random(in: 0.1...1.4, using: &dice) : nil)
        }
        let matched = schedule(jobs, on: cluster, by: .fifoSkip, now: 0)
        // Unknown to the matchmaker, with the same preferences.
        let plain = jobs.map { job in
            var job = job.preferringFast(on: cluster)
            job.throughputs = .unknown
            return job
        }
        let unmatched = schedule(plain, on: cluster, by: .fifoSkip, now: 0)
        #expect(Set(matched.starts.map(\.job)) == Set(unmatched.starts.map(\.job)), "seed \(seed)")
        func done(_ schedule: Schedule) -> Double {
            schedule.starts.reduce(0) { sum, start in
                let kind = cluster.kinds[start.placement.seats[0].devices!.kind]
                let part = jobs[start.job].throughputs.relative(on: kind, of: cluster.kinds) ?? 0
                return sum + part * Double(start.placement.devices)
            }
        }
        #expect(done(matched) >= done(unmatched) - 1e-9, "seed \(seed)")
        var taken = cluster
        for start in matched.starts { taken.take(start.placement) }  // which stops the process when anything is given twice
        #expect(matched == schedule(jobs, on: cluster, by: .fifoSkip, now: 0))
    }
}
