/// A trace run through the scheduler in virtual time: the very code that places real jobs, on nodes that are only described.
public struct TraceReplay: Sendable {
    /// What became of one job, in seconds after the first submission.
    public struct Run: Equatable, Sendable {
        public var id: String
        public var submitted: Int64
        public var start: Int64
        public var end: Int64
        public var completion: Int64 { end - submitted }
        public var wait: Int64
        public var preemptions: Int
    }
    public private(set) var runs: [Run] = []
    /// Jobs that these nodes can never hold.
    public private(set) var refused: [JobTrace.Job] = []
    /// How often the scheduler was asked.
    public private(set) var decisions = 0
    public let gpus: Int

    private let policy: QueuePolicy
    private let trace: JobTrace
    /// With nothing running.
    private let cluster: Cluster
    private var now: Int64 = 0
    private var progress: [Progress]

    private struct Progress {
        var start: Int64?
        var preemptions = 0
        var gang: Gang
    }

    /// `gpusPerNode` devices of one kind on each of `nodes` nodes, a rank for each device that a job asks for.
    public init(_ trace: JobTrace, nodes: Int, gpusPerNode: Int, policy: QueuePolicy, spread: Gang.Spread) {
        (self.trace, self.policy, gpus) = (trace, policy, nodes * gpusPerNode)
        let kind = AcceleratorKind(resource: "gpu")
        let digits = String(nodes).count
        var cluster = Cluster(
            (0..<nodes).map { number in
                let text = String(number)
                let name = "node-" + String(repeating: "0", count: digits - text.count) + text
                return Node(name, devices: [.init(kind, count: gpusPerNode)])
            })
        let demand = Demand(accelerators: [AcceleratorWish(.any)])
        cluster.prepare(for: Gang(ranks: 1...1, each: demand))
        self.cluster = cluster
        progress = trace.jobs.map { job in
            Progress(gang: Gang(ranks: job.gpus...job.gpus, each: demand, spread: spread))
        }
    }

    /// Runs to the end. `watch` hears now and then how many jobs have ended.
    public mutating func run(watch: (_ ended: Int) -> Void = { _ in }) {
        if policy.preempts {
            var queue = PreemptingQueue(cluster, by: policy)
            run(&queue, watch)
        } else {
            var queue = JobQueue(cluster, by: policy)
            run(&queue, watch)
        }
        runs.sort { ($0.submitted, $0.start) < ($1.submitted, $1.start) }
    }

    private mutating func run(_ queue: inout some KeptQueue, _ watch: (_ ended: Int) -> Void) {
        var next = 0
        while next < trace.jobs.count || queue.waiting > 0 || queue.nextEnd != nil {
            let arrival = next < trace.jobs.count ? trace.jobs[next].submitted * 1_000 : .max
            now = min(arrival, queue.nextEnd ?? .max, queue.nextChange ?? .max)
            precondition(now < .max, "jobs wait that nothing can start")
            for ticket in queue.ended(by: now) {
                if let job = queue[ticket] { finish(job.number) }
                queue.end(ticket)
            }
            while next < trace.jobs.count, trace.jobs[next].submitted * 1_000 == now {
                if let job = admitted(next) { _ = queue.submit(job, now: now) }
                next += 1
            }
            guard queue.waiting > 0 else { continue }
            decisions += 1
            hear(queue.pass(now: now), of: queue)
            if decisions % 4_096 == 0 { watch(runs.count) }
        }
    }

    private mutating func hear(_ decided: Schedule, of queue: some KeptQueue) {
        for ticket in decided.stops { if let job = queue[ticket] { progress[job.number].preemptions += 1 } }
        for start in decided.starts {
            guard let job = queue[start.job] else { continue }
            progress[job.number].start = progress[job.number].start ?? now
        }
    }

    /// The job, where these nodes could ever hold it.
    private mutating func admitted(_ index: Int) -> QueuedJob? {
        let job = trace.jobs[index]
        if Shortfall(progress[index].gang, on: cluster).isForEver {
            refused.append(job)
            return nil
        }
        return QueuedJob(number: index, gang: progress[index].gang, submitted: now, remaining: job.duration * 1_000)
    }

    private mutating func finish(_ number: Int) {
        let (origin, facts) = (trace.jobs[number], progress[number])
        let (start, end) = ((facts.start ?? now) / 1_000, now / 1_000)
        runs.append(
            Run(
                id: origin.id, submitted: origin.submitted, start: start, end: end,
                wait: end - origin.submitted - origin.duration, preemptions: facts.preemptions))
    }
}

/// The figures of a replay that people compare.
public struct ReplaySummary: Equatable, Sendable {
    public let jobs: Int
    /// Seconds.
    public let meanCompletion: Double
    public let meanWait: Double
    public let medianCompletion: Int64
    public let p95Completion: Int64
    public let makespan: Int64
    public let preemptions: Int
    /// Share of device time in use until the last job ended.
    public let utilisation: Double

    public init(_ replay: TraceReplay, of trace: JobTrace) {
        let completions = replay.runs.map(\.completion).sorted()
        jobs = completions.count
        func mean(_ values: [Int64]) -> Double { values.isEmpty ? 0 : Double(values.reduce(0, +)) / Double(values.count) }
        func quantile(_ q: Double) -> Int64 {
            completions.isEmpty ? 0 : completions[min(completions.count - 1, Int((Double(completions.count) * q).rounded(.down)))]
        }
        (meanCompletion, meanWait) = (mean(completions), mean(replay.runs.map(\.wait)))
        (medianCompletion, p95Completion) = (quantile(0.5), quantile(0.95))
        let refused = replay.refused.reduce(0) { $0 + $1.duration * Int64($1.gpus) }
        let used = trace.jobs.reduce(0) { $0 + $1.duration * Int64($1.gpus) } - refused
        makespan = replay.runs.map(\.end).max() ?? 0
        preemptions = replay.runs.reduce(0) { $0 + $1.preemptions }
        utilisation = makespan > 0 ? Double(used) / Double(makespan * Int64(replay.gpus)) : 0
    }
}
