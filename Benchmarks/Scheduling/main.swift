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

/// The queue of one cluster as a service keeps it: decide, record, then act.
struct House {
    var jobs: [QueuedJob]
    var cluster: Cluster
    let policy: QueuePolicy
    let ledger: LedgerWriter
    let resource: ResourceID
    var head = Position.none
    var started = 0
    /// Numbers of those that run, in the order of their starts.
    var running: [Int] = []

    /// One pass over the queue at this moment.
    mutating func pass(now: Int64) async throws {
        let decided = schedule(jobs, on: cluster, by: policy, now: now)
        if decided.starts.isEmpty { return }
        let body = decided.starts.map { start in
            JSONValue.object([
                "job": .integer(Int64(jobs[start.job].number)),
                "seats": .array(start.placement.seats.map { [.string(cluster.nodes[$0.node].name), .integer(Int64($0.ranks))] }),
            ])
        }
        // Entries are bounded in size: what one pass starts is written in as many as it takes, in one group commit.
        for at in stride(from: 0, to: body.count, by: 200) {
            let draft = LedgerDraft(
                kind: "training.placed", by: "scheduler", body: ["starts": .array(Array(body[at..<min(at + 200, body.count)]))])
            head = try await ledger.append(draft, to: resource, after: head)
        }
        for start in decided.starts {
            jobs[start.job].running = start.placement
            cluster.take(start.placement)
            running.append(start.job)
        }
        started += decided.starts.count
    }

    /// The oldest running job ends, and a new one like it arrives.
    mutating func turnOver(now: Int64) {
        let index = running.removeFirst()
        if let placement = jobs[index].running { cluster.giveBack(placement) }
        jobs[index].running = nil
        jobs[index].number = (jobs.map(\.number).max() ?? 0) + 1
        jobs[index].submitted = now
        let job = jobs.remove(at: index)
        for at in running.indices where running[at] > index { running[at] -= 1 }
        jobs.append(job)
    }
}

func seconds(_ elapsed: Duration) -> Double { Double(elapsed.components.attoseconds) / 1e18 + Double(elapsed.components.seconds) }

/// Fills an empty cluster from the queue, then lets jobs end one by one.
func measure(_ policy: QueuePolicy, nodes: Int, ends: Int, ledger: LedgerWriter) async throws {
    var dice = Dice(state: 7)
    var house = House(
        jobs: queue(100_000, &dice), cluster: cluster(of: nodes), policy: policy, ledger: ledger,
        resource: ResourceID("cluster", "\(policy.name)-\(nodes)"))
    let clock = ContinuousClock()
    var from = clock.now
    try await house.pass(now: 0)
    report("jobs started on \(nodes) empty nodes, \(policy.name)", house.started, seconds(clock.now - from))

    var spent = Duration.zero
    let before = house.started
    for end in 1...ends {
        house.turnOver(now: 100_000 + Int64(end))
        from = clock.now
        try await house.pass(now: 100_000 + Int64(end))
        spent += clock.now - from
    }
    report("ends of jobs answered, \(nodes) full nodes, \(policy.name)", ends, seconds(spent), started: house.started - before)
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
            try await measure(policy, nodes: nodes, ends: policy.preempts ? 10 : 50, ledger: ledger)
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
