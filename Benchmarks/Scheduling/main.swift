import Faults
import Glibc
import JSON
import Ledger
import Training

// How many moments a second the scheduler answers with 100 000 jobs in the queue: a job ends and another arrives, or a running one
// has had so much that it falls behind; what follows from it is written durably before it counts.
// `openclaw-scheduling [DIR]`: DIR is on the disk to measure. One line of JSON for each cluster and policy.

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
func job(_ number: Int, at now: Int64, had: Int64 = 0, _ dice: inout Dice) -> QueuedJob {
    let widths = [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 4, 4, 8, 16, 32, 64]
    let wishes: [AcceleratorWish] = [.init(.any), .init(.model("H100")), .init(.resource("nvidia.com/gpu"))]
    let width = widths.randomElement(using: &dice) ?? 1
    let demand = Demand(cpus: 4_000, memory: 16 << 30, accelerators: [wishes.randomElement(using: &dice) ?? wishes[0]])
    return QueuedJob(
        number: number, gang: Gang(ranks: width...width, each: demand), submitted: now,
        team: "team-\(Int.random(in: 0..<40, using: &dice))", remaining: Int64.random(in: 60_000...86_400_000, using: &dice),
        attained: had)
}

func seconds(_ elapsed: Duration) -> Double { Double(elapsed.components.attoseconds) / 1e18 + Double(elapsed.components.seconds) }

/// The queue of one cluster as it is kept: decide, record, then act.
struct House<Queue: KeptQueue> {
    private var queue: Queue
    private let ledger: LedgerWriter
    private let resource: ResourceID
    private var head = Position.none
    private var dice = Dice(state: 7)
    private var now: Int64 = 0
    private var submitted: Int
    private(set) var (started, stopped) = (0, 0)
    /// In deciding alone, and with what is written; the longest one.
    private(set) var (deciding, spent, slowest) = (Duration.zero, Duration.zero, Duration.zero)
    private let clock = ContinuousClock()

    init(_ queue: Queue, jobs: Int, ledger: LedgerWriter, resource: ResourceID) {
        (self.queue, self.ledger, self.resource, submitted) = (queue, ledger, resource, jobs)
        // Those that wait have been there for a while, and do not all fall behind at one moment.
        for number in 0..<jobs {
            let had = Int64.random(in: 0..<8_000_000, using: &dice)
            _ = self.queue.submit(job(number, at: 0, had: had, &dice), now: 0)
        }
    }

    mutating func forgetTimes() { (deciding, spent, slowest, started, stopped) = (.zero, .zero, .zero, 0, 0) }

    /// The next thing that happens: whoever ends then is followed by another job.
    mutating func answerNext() async throws {
        now = max(now, min(queue.nextEnd ?? .max, queue.nextChange ?? .max))
        let ended = queue.ended(by: now)
        let next = ended.map { _ in
            submitted += 1
            return job(submitted, at: now, &dice)
        }
        let from = clock.now
        for ticket in ended { queue.end(ticket) }
        for job in next { _ = queue.submit(job, now: now) }
        try await answer(from)
    }

    /// One pass over the queue at this moment.
    mutating func answer(_ from: ContinuousClock.Instant) async throws {
        let decided = queue.pass(now: now)
        deciding += clock.now - from
        try await record(decided)
        started += decided.starts.count
        stopped += decided.stops.count
        spent += clock.now - from
        slowest = max(slowest, clock.now - from)
    }

    mutating func fill() async throws { try await answer(clock.now) }

    private mutating func record(_ decided: Schedule) async throws {
        let starts: [JSONValue] = decided.starts.map { start in
            [
                "job": .integer(Int64(queue[start.job]?.number ?? 0)),
                "seats": .array(
                    start.placement.seats.map { [.string(queue.cluster.nodes[$0.node].name), .integer(Int64($0.ranks))] }),
            ]
        }
        var body: [(kind: String, entries: [JSONValue])] = []
        let stops = decided.stops.map { JSONValue.integer(Int64(queue[$0]?.number ?? 0)) }
        // Entries are bounded in size: what one pass decides is written in as many as it takes.
        for (kind, all) in [("training.stopped", stops), ("training.placed", starts)] {
            for at in stride(from: 0, to: all.count, by: 200) { body.append((kind, Array(all[at..<min(at + 200, all.count)]))) }
        }
        for (kind, entries) in body {
            let draft = LedgerDraft(kind: kind, by: "scheduler", body: ["jobs": .array(entries)])
            head = try await ledger.append(draft, to: resource, after: head)
        }
    }
}

/// Fills an empty cluster from the queue, then answers what happens.
func measure(_ queue: some KeptQueue, _ policy: QueuePolicy, nodes: Int, ledger: LedgerWriter) async throws {
    let (jobs, moments) = (100_000, 1_000)
    var house = House(queue, jobs: jobs, ledger: ledger, resource: ResourceID("cluster", "\(policy.name)-\(nodes)"))
    try await house.fill()
    let filled = Double(house.started) / seconds(house.spent)
    house.forgetTimes()
    for _ in 0..<moments { try await house.answerNext() }
    let line: JSONValue = [
        "nodes": .integer(Int64(nodes)), "policy": .string(policy.name), "queued": .integer(Int64(jobs)),
        "fill_per_second": .number(filled), "count": .integer(Int64(moments)),
        "per_second": .number(Double(moments) / seconds(house.spent)),
        "deciding_ms": .number(seconds(house.deciding) * 1_000 / Double(moments)),
        "slowest_ms": .number(seconds(house.slowest) * 1_000),
        "started": .integer(Int64(house.started)), "stopped": .integer(Int64(house.stopped)),
    ]
    print(line.canonicalText)
}

/// What weighs all that can be weighed.
let weights = {
    var weights = QueueWeights()
    (weights.priority, weights.age, weights.share, weights.size, weights.attained) = (1_000, 100, 500, -20, 50)
    return weights
}()

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
        for policy in QueuePolicy.all + [.weighted(weights)] {
            if policy.preempts {
                try await measure(PreemptingQueue(cluster(of: nodes), by: policy), policy, nodes: nodes, ledger: ledger)
            } else {
                try await measure(JobQueue(cluster(of: nodes), by: policy), policy, nodes: nodes, ledger: ledger)
            }
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
