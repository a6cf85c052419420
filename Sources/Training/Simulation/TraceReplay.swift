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
    private var cluster: Cluster
    /// Waiting and running ones, where running ones may lose their places; their numbers are places in the trace.
    private var active: [QueuedJob] = []
    private var now: Int64 = 0
    private var progress: [Progress]

    private struct Progress {
        var start: Int64?
        var served: Int64 = 0
        var preemptions = 0
        var gang: Gang
    }

    /// `gpusPerNode` devices of one kind on each of `nodes` nodes, a rank for each device that a job asks for.
    public init(_ trace: JobTrace, nodes: Int, gpusPerNode: Int, policy: QueuePolicy, spread: Gang.Spread) {
        (self.trace, self.policy, gpus) = (trace, policy, nodes * gpusPerNode)
        let kind = AcceleratorKind(resource: "gpu")
        let digits = String(nodes).count
        cluster = Cluster(
            (0..<nodes).map { number in
                let text = String(number)
                let name = "node-" + String(repeating: "0", count: digits - text.count) + text
                return Node(name, devices: [.init(kind, count: gpusPerNode)])
            })
        let demand = Demand(accelerators: [AcceleratorWish(.any)])
        cluster.prepare(for: Gang(ranks: 1...1, each: demand))
        progress = trace.jobs.map { job in
            Progress(gang: Gang(ranks: job.gpus...job.gpus, each: demand, spread: spread))
        }
    }

    /// Runs to the end. `watch` hears now and then how many jobs have ended.
    public mutating func run(watch: (_ ended: Int) -> Void = { _ in }) {
        if policy.preempts { runPreempting(watch) } else { runFilling(watch) }
        runs.sort { ($0.submitted, $0.start) < ($1.submitted, $1.start) }
    }

    /// Running jobs keep their places: the queue is kept from one moment to the next.
    private mutating func runFilling(_ watch: (_ ended: Int) -> Void) {
        var queue = JobQueue(cluster, by: policy)
        var next = 0
        var running: [Reservation.End] = []
        var ends = SortedChunks<Reservation.End>()
        while next < trace.jobs.count || queue.waiting > 0 || !ends.isEmpty {
            now = min(next < trace.jobs.count ? trace.jobs[next].submitted * 1_000 : .max, ends.first?.at ?? .max)
            precondition(now < .max, "jobs wait that nothing can start")
            running.removeAll(keepingCapacity: true)
            ends.walk { end in
                if end.at == now { running.append(end) }
                return end.at > now
            }
            for end in running {
                ends.remove(end)
                queue.end(end.ticket)
                finish(end.number)
            }
            while next < trace.jobs.count, trace.jobs[next].submitted * 1_000 == now {
                if let job = admitted(next, on: cluster) { _ = queue.submit(job, now: now) }
                next += 1
            }
            guard queue.waiting > 0 else { continue }
            decisions += 1
            for start in queue.pass(now: now).starts {
                guard let job = queue[start.job] else { continue }
                progress[job.number].start = now
                ends.insert(.init(at: now + (job.remaining ?? 0), number: job.number, ticket: start.job))
            }
            if decisions % 4_096 == 0 { watch(runs.count) }
        }
    }

    private mutating func runPreempting(_ watch: (_ ended: Int) -> Void) {
        var next = 0
        let empty = cluster
        while next < trace.jobs.count || !active.isEmpty {
            advance(to: nextEvent(arrival: next < trace.jobs.count ? trace.jobs[next].submitted * 1_000 : nil))
            endFinished()
            while next < trace.jobs.count, trace.jobs[next].submitted * 1_000 == now {
                if let job = admitted(next, on: empty) { active.append(job) }
                next += 1
            }
            decide()
            if decisions % 4_096 == 0 { watch(runs.count) }
        }
    }

    /// The job, where these nodes could ever hold it.
    private mutating func admitted(_ index: Int, on empty: Cluster) -> QueuedJob? {
        let job = trace.jobs[index]
        if Shortfall(progress[index].gang, on: empty).isForEver {
            refused.append(job)
            return nil
        }
        return QueuedJob(number: index, gang: progress[index].gang, submitted: now, remaining: job.duration * 1_000)
    }

    private func nextEvent(arrival: Int64?) -> Int64 {
        var next = arrival ?? .max
        for index in active.indices where active[index].running != nil {
            next = min(next, now + (active[index].remaining ?? 0))
            if policy.changesWithTime, let fall = policy.nextFall(of: active[index]) { next = min(next, now + fall) }
        }
        precondition(next < .max, "jobs wait that nothing can start")
        return next
    }

    private mutating func advance(to moment: Int64) {
        let passed = moment - now
        for index in active.indices where active[index].running != nil {
            active[index].attained += passed * active[index].rate
            active[index].remaining = (active[index].remaining ?? 0) - passed
            progress[active[index].number].served += passed
        }
        now = moment
    }

    private mutating func endFinished() {
        var ended: [Int] = []
        for index in active.indices where active[index].remaining == 0 && active[index].running != nil { ended.append(index) }
        for index in ended {
            let job = active[index]
            if let placement = job.running { cluster.giveBack(placement) }
            finish(job.number)
        }
        for index in ended.reversed() { active.remove(at: index) }
    }

    private mutating func finish(_ number: Int) {
        let (origin, facts) = (trace.jobs[number], progress[number])
        let (start, end) = ((facts.start ?? now) / 1_000, now / 1_000)
        runs.append(
            Run(
                id: origin.id, submitted: origin.submitted, start: start, end: end,
                wait: end - origin.submitted - origin.duration, preemptions: facts.preemptions))
    }

    private mutating func decide() {
        guard active.indices.contains(where: { active[$0].running == nil }) || policy.changesWithTime else { return }
        decisions += 1
        let decided = schedule(active, on: cluster, by: policy, now: now)
        for index in decided.stops {
            if let placement = active[index].running { cluster.giveBack(placement) }
            active[index].running = nil
            progress[active[index].number].preemptions += 1
        }
        for start in decided.starts {
            cluster.take(start.placement)
            active[start.job].running = start.placement
            active[start.job].firstStart = active[start.job].firstStart ?? now
            let number = active[start.job].number
            progress[number].start = progress[number].start ?? now
        }
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
