import Faults
import Glibc
import JSON
import Ledger
import Training

// How many jobs a second the scheduler starts with 100 000 of them in the queue, each start written durably before it counts.
// `openclaw-scheduling [DIR]`: DIR is on the disk to measure. One line of JSON for each cluster, policy and load.

/// A generator that gives the same queue on every machine (SplitMix64).
struct Dice: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Eight devices a node, of three kinds.
func cluster(of count: Int) -> Cluster {
    let kinds = ["H100", "A100", "V100"].map { AcceleratorKind(resource: "nvidia.com/gpu", model: $0) }
    return Cluster(
        (0..<count).map { number in
            let digits = String(number)
            return Node(
                "node-" + String(repeating: "0", count: 6 - digits.count) + digits, cpus: 64_000, memory: 512 << 30,
                devices: [.init(kinds[number % 3], count: 8)])
        })
}

/// Mostly small jobs, a few as wide as a tenth of a rack, as traces of clusters have them (Philly: 82 % ask for one device).
func queue(_ count: Int, _ dice: inout Dice) -> [QueuedJob] {
    let widths = [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 4, 4, 8, 16, 32, 64]
    let wishes: [AcceleratorWish] = [.init(.any), .init(.model("H100")), .init(.resource("nvidia.com/gpu"))]
    return (0..<count).map { number in
        let width = widths.randomElement(using: &dice) ?? 1
        let demand = Demand(cpus: 4_000, memory: 16 << 30, accelerators: [wishes.randomElement(using: &dice) ?? wishes[0]])
        return QueuedJob(
            number: number, gang: Gang(ranks: width...width, each: demand), submitted: Int64(number),
            team: "team-\(Int.random(in: 0..<40, using: &dice))", remaining: Int64.random(in: 60_000...86_400_000, using: &dice))
    }
}

/// The queue of one cluster as it is kept: decide, record, then act.
struct House {
    var queue: JobQueue
    let ledger: LedgerWriter
    let resource: ResourceID
    var head = Position.none
    var started = 0
    /// Those that run, in the order of their starts.
    var running: [JobQueue.Ticket] = []
    var ended = 0
    var number: Int

    init(_ jobs: [QueuedJob], on cluster: Cluster, by policy: QueuePolicy, ledger: LedgerWriter, resource: ResourceID) {
        queue = JobQueue(cluster, by: policy)
        for job in jobs { _ = queue.submit(job, now: 0) }
        (self.ledger, self.resource, number) = (ledger, resource, jobs.count)
    }

    /// One pass over the queue at this moment.
    mutating func pass(now: Int64) async throws {
        let decided = queue.pass(now: now)
        if decided.starts.isEmpty { return }
        let body = decided.starts.map { start in
            JSONValue.object([
                "job": .integer(Int64(queue[start.job]?.number ?? 0)),
                "seats": .array(
                    start.placement.seats.map { [.string(queue.cluster.nodes[$0.node].name), .integer(Int64($0.ranks))] }),
            ])
        }
        // Entries are bounded in size: what one pass starts is written in as many as it takes, in one group commit.
        for at in stride(from: 0, to: body.count, by: 200) {
            let draft = LedgerDraft(
                kind: "training.placed", by: "scheduler", body: ["starts": .array(Array(body[at..<min(at + 200, body.count)]))])
            head = try await ledger.append(draft, to: resource, after: head)
        }
        running += decided.starts.map(\.job)
        started += decided.starts.count
    }

    /// The oldest running job ends, and a new one like it arrives.
    mutating func turnOver(now: Int64) {
        let ticket = running[ended]
        ended += 1
        guard var job = queue[ticket] else { return }
        queue.end(ticket)
        (job.running, job.number, job.submitted) = (nil, number, now)
        number += 1
        _ = queue.submit(job, now: now)
    }
}

/// The same for a policy that stops running jobs, which looks at all of them each time.
struct PreemptingHouse {
    var jobs: [QueuedJob]
    var cluster: Cluster
    let policy: QueuePolicy
    let ledger: LedgerWriter
    let resource: ResourceID
    var head = Position.none
    var started = 0
    var number = 0

    mutating func pass(now: Int64) async throws {
        let decided = schedule(jobs, on: cluster, by: policy, now: now)
        if decided.starts.isEmpty { return }
        for at in stride(from: 0, to: decided.starts.count, by: 200) {
            let starts = decided.starts[at..<min(at + 200, decided.starts.count)]
            let draft = LedgerDraft(
                kind: "training.placed", by: "scheduler",
                body: ["starts": .array(starts.map { .integer(Int64(jobs[$0.job].number)) })])
            head = try await ledger.append(draft, to: resource, after: head)
        }
        for index in decided.stops {
            if let placement = jobs[index].running { cluster.giveBack(placement) }
            jobs[index].running = nil
        }
        for start in decided.starts {
            jobs[start.job].running = start.placement
            cluster.take(start.placement)
        }
        started += decided.starts.count
    }

    mutating func turnOver(now: Int64) {
        guard let index = jobs.firstIndex(where: { $0.running != nil }) else { return }
        var job = jobs.remove(at: index)
        if let placement = job.running { cluster.giveBack(placement) }
        number = max(number, jobs.count) + 1
        (job.running, job.number, job.submitted) = (nil, number, now)
        jobs.append(job)
    }
}

func seconds(_ elapsed: Duration) -> Double { Double(elapsed.components.attoseconds) / 1e18 + Double(elapsed.components.seconds) }

/// Fills an empty cluster from the queue, then lets jobs end one by one.
func measure(_ policy: QueuePolicy, nodes: Int, ends: Int, ledger: LedgerWriter) async throws {
    var dice = Dice(state: 7)
    let jobs = queue(100_000, &dice)
    let resource = ResourceID("cluster", "\(policy.name)-\(nodes)")
    let clock = ContinuousClock()
    var (from, spent) = (clock.now, Duration.zero)
    var (before, after) = (0, 0)
    if policy.preempts {
        var house = PreemptingHouse(jobs: jobs, cluster: cluster(of: nodes), policy: policy, ledger: ledger, resource: resource)
        from = clock.now
        try await house.pass(now: 0)
        report("jobs started on \(nodes) empty nodes, \(policy.name)", house.started, seconds(clock.now - from))
        before = house.started
        for end in 1...ends {
            house.turnOver(now: 100_000 + Int64(end))
            from = clock.now
            try await house.pass(now: 100_000 + Int64(end))
            spent += clock.now - from
        }
        after = house.started
    } else {
        var house = House(jobs, on: cluster(of: nodes), by: policy, ledger: ledger, resource: resource)
        from = clock.now
        try await house.pass(now: 0)
        report("jobs started on \(nodes) empty nodes, \(policy.name)", house.started, seconds(clock.now - from))
        before = house.started
        for end in 1...ends {
            // What it costs to take the end and the new job into the queue counts as well.
            from = clock.now
            house.turnOver(now: 100_000 + Int64(end))
            try await house.pass(now: 100_000 + Int64(end))
            spent += clock.now - from
        }
        after = house.started
    }
    report("ends of jobs answered, \(nodes) full nodes, \(policy.name)", ends, seconds(spent), started: after - before)
}

func report(_ what: String, _ count: Int, _ elapsed: Double, started: Int? = nil) {
    var line: [String: JSONValue] = [
        "what": .string(what), "count": .integer(Int64(count)), "per_second": .number(Double(count) / elapsed),
    ]
    if let started { line["started"] = .integer(Int64(started)) }
    print(JSONValue.object(line).canonicalText)
}

let parent = Swift.CommandLine.arguments.dropFirst().first ?? "."
var template = Array("\(parent)/openclaw-scheduling-XXXXXX".utf8CString)
let made: String? = unsafe template.withUnsafeMutableBufferPointer { template in
    unsafe mkdtemp(template.baseAddress!).map { unsafe String(cString: $0) }
}
guard let directory = made else {
    print("no folder can be made in \(parent)")
    exit(1)
}
do {
    let ledger = try await LedgerWriter.open(directory: directory)
    for nodes in [1_000, 10_000] {
        for policy in [QueuePolicy.fifoSkip, .fair, .shortestRemaining] {
            try await measure(policy, nodes: nodes, ends: policy.preempts ? 10 : 1_000, ledger: ledger)
        }
    }
    await ledger.close()
} catch {
    print(error)
}
for name in ["ledger.db", "ledger.db.lock", "ledger.db-wal", "ledger.db-shm", "ledger.key", "ledger.vkey"] {
    unsafe unlink("\(directory)/\(name)")
}
unsafe rmdir(directory)
