import Conducting
import Telemetry
import Testing

@testable import Training

/// What one look at the queue decides about jobs that run.
struct QueueDecisionTests {
    private static let cpu = Node("n", cpus: 4_000)

    private static func job(_ name: String, _ number: Int, cpus: Int64, change: (inout JobSpec) -> Void = { _ in }) -> JobUnderTest
    {
        var spec = JobSpec(name: name, run: "true")
        spec.demand = Demand(cpus: cpus)
        change(&spec)
        var job = JobUnderTest(ranks: 1)
        job.machine = JobMachine(JobPlan(spec: spec, directory: "/", folder: "/", number: number), attempt: 1, after: nil)
        job.tell(.applied)
        return job
    }

    private static func seat(_ job: inout JobUnderTest, on node: String = "n", ranks: Int = 1, devices: [Int] = []) {
        let resource = devices.isEmpty ? nil : "nvidia.com/gpu"
        let seats = (0..<ranks).map { JobMachine.Seat(node: node, devices: devices, resource: resource, host: "h", port: $0) }
        job.tell(.placed(seats: seats, port: 1, why: "it fits"))
        job.launchAll()
    }

    private static func decide(
        _ jobs: [JobUnderTest], on nodes: [Node] = [cpu], by policy: QueuePolicy = .fair, now: Int64 = 1_000,
        known: (String) -> QueueSnapshot.Known = { _ in .init() }
    ) -> QueueSnapshot.Decision {
        QueueSnapshot(
            machines: jobs.map(\.machine), nodes: nodes, version: 1, policy: .init(queue: policy), known: known,
            now: Timestamp(milliseconds: now)
        ).decide()
    }

    @Test func `a clearly shorter job takes a running one's place, which nobody else takes meanwhile`() {
        var long = Self.job("long", 1, cpus: 4_000) { $0.expected = 3_600_000 }
        Self.seat(&long)
        let short = Self.job("short", 2, cpus: 3_000) { $0.expected = 60_000 }
        let longer = Self.job("longer", 3, cpus: 2_000) { $0.expected = 7_200_000 }
        let first = Self.decide([long, short, longer], by: .shortestRemaining)
        #expect(first.preemptions.map(\.victim) == ["long"] && first.starts.isEmpty)
        #expect(first.waits["short"] == .makingRoom(from: ["long"]))
        long.tell(.preempted(by: "short"))
        let second = Self.decide([long, short, longer], by: .shortestRemaining)
        #expect(second.starts.isEmpty && second.preemptions.isEmpty)
        #expect(second.waits["short"] == .makingRoom(from: ["long"]), "it is on its way out, and still there")
        _ = long.die(0, .init(.exited, code: 75), survivable: false)
        #expect(long.machine.state == .queued)
        #expect(Self.decide([long, short, longer], by: .shortestRemaining).starts.map(\.job) == ["short"])
    }

    @Test func `one that would be done soon is not stopped for one that is a little shorter`() {
        var running = Self.job("running", 1, cpus: 4_000) { $0.expected = 100_000 }
        Self.seat(&running)
        let other = Self.job("other", 2, cpus: 4_000) { $0.expected = 90_000 }
        #expect(Self.decide([running, other], by: .shortestRemaining).preemptions.isEmpty)
    }

    @Test func `who has had much gives way to who has had nothing, and the queue knows when to look again`() {
        var old = Self.job("old", 1, cpus: 4_000)
        Self.seat(&old)
        let new = Self.job("new", 2, cpus: 4_000)
        let early = Self.decide([old, new], by: .leastAttainedService, now: 3_000_000)
        #expect(early.preemptions.isEmpty && early.lookAgain.map { (3_240_000...3_260_000).contains($0.milliseconds) } == true)
        let late = Self.decide([old, new], by: .leastAttainedService, now: 3_300_000)
        #expect(late.preemptions.map(\.victim) == ["old"])
    }

    @Test func `an elastic job shrinks before another is stopped, and its place on return is no larger than it was told`() {
        var elastic = Self.job("elastic", 1, cpus: 1_000) { ($0.ranksMin, $0.ranksMax, $0.priority) = (1, 3, 250) }
        Self.seat(&elastic, ranks: 3)
        var fixed = Self.job("fixed", 2, cpus: 1_000) { $0.priority = 250 }
        Self.seat(&fixed)
        let urgent = Self.job("urgent", 3, cpus: 2_000) { $0.priority = 1_000 }
        let decision = Self.decide([elastic, fixed, urgent])
        #expect(decision.preemptions.isEmpty && decision.resizes.map(\.job) == ["elastic"] && decision.resizes.first?.ranks == 1)
        #expect(decision.waits["urgent"] == .makingRoom(from: ["elastic"]))
        elastic.tell(.resized(ranks: 1, why: "urgent"))
        #expect(elastic.machine.ranksWanted == 1...1 && elastic.machine.state == .stopping)
        for slot in 0..<3 { _ = elastic.die(slot, .init(.exited, code: 75), survivable: false) }
        let after = Self.decide([elastic, fixed, urgent])
        #expect(Set(after.starts.map(\.job)) == ["elastic", "urgent"])
        #expect(after.starts.first { $0.job == "elastic" }?.seats.count == 1)
        Self.seat(&elastic)
        #expect(elastic.machine.ranksWanted == 1...3 && elastic.machine.resizes == 1 && elastic.machine.preemptions == 0)
    }

    @Test func `ranks that a team can do without go to one that has nothing, where teams have shares`() {
        var rich = Self.job("rich", 1, cpus: 1_000) { ($0.ranksMin, $0.ranksMax, $0.team) = (1, 4, "rich") }
        Self.seat(&rich, ranks: 4)
        let poor = Self.job("poor", 2, cpus: 1_000) { $0.team = "poor" }
        let same = Self.job("same", 3, cpus: 1_000) { $0.team = "rich" }
        #expect(Self.decide([rich, poor]).resizes.map(\.ranks) == [3])
        #expect(Self.decide([rich, same]).resizes.isEmpty && Self.decide([rich, poor], by: .fifoSkip).resizes.isEmpty)
    }

    @Test func `a job grows when room has stayed free, it has a checkpoint, and nobody waits; each time later`() throws {
        var elastic = Self.job("elastic", 1, cpus: 1_000) { ($0.ranksMin, $0.ranksMax) = (1, 4) }
        Self.seat(&elastic)
        let since = { (_: String) in QueueSnapshot.Known(roomySince: Timestamp(milliseconds: 10)) }
        #expect(Self.decide([elastic], now: 500_000, known: since).resizes.isEmpty, "it would lose all that it has done")
        elastic.tell(.checkpointed(path: "c", step: 5, bytes: 1))
        #expect(Self.decide([elastic], now: 500_000).resizes.isEmpty, "room has come just now")
        #expect(Self.decide([elastic], now: 500_000).roomy == ["elastic"])
        #expect(Self.decide([elastic], now: 500_000, known: since).resizes.map(\.ranks) == [4])
        let waiting = Self.job("waiting", 2, cpus: 4_000) { $0.priority = 250 }
        #expect(Self.decide([elastic, waiting], now: 500_000, known: since).resizes.isEmpty)
        let never = Self.job("never", 2, cpus: 9_000)
        #expect(
            Self.decide([elastic, never], now: 500_000, known: since).resizes.map(\.ranks) == [4], "that one waits for no room")
        for _ in 0..<2 {
            elastic.tell(.resized(ranks: 1, why: "a test"))
            _ = elastic.die(0, .init(.exited, code: 75), survivable: false)
            Self.seat(&elastic)
            elastic.tell(.checkpointed(path: "c", step: 10 + elastic.now, bytes: 1))
        }
        let early = Self.decide([elastic], now: 200_000, known: since)
        #expect(
            early.resizes.isEmpty && early.lookAgain.map { $0.milliseconds > 240_000 } == true, "after two changes in four minutes")
        #expect(Self.decide([elastic], now: 260_000, known: since).resizes.map(\.ranks) == [4])
    }

    @Test func `where the queue is weighed, a job is not stopped for one that it would be before again`() {
        var weights = QueueWeights()
        (weights.priority, weights.size) = (10, -1_000)
        var small = Self.job("small", 1, cpus: 1_000)
        Self.seat(&small)
        let large = Self.job("large", 2, cpus: 4_000) { $0.priority = 1_000 }
        #expect(Self.decide([small, large], by: .weighted(weights)).preemptions.isEmpty)
        weights.size = 0
        #expect(Self.decide([small, large], by: .weighted(weights)).preemptions.map(\.victim) == ["small"])
    }

    @Test func `what runs on a drained node, or on a second model of one resource, is seen where it is`() {
        let (fast, slow) = (
            AcceleratorKind(resource: "nvidia.com/gpu", model: "H100"), AcceleratorKind(resource: "nvidia.com/gpu", model: "A100")
        )
        var nodes = [
            Node("a", cpus: 4_000, devices: [.init(fast, count: 2)]), Node("b", cpus: 4_000, devices: [.init(slow, count: 2)]),
        ]
        var running = Self.job("running", 1, cpus: 1_000) { spec in
            spec.expected = 50_000
            spec.demand.accelerators = [.init(.any)]
        }
        Self.seat(&running, on: "a", devices: [0])
        let other = Self.job("other", 2, cpus: 1_000) { $0.demand.accelerators = [.init(.model("H100"))] }
        #expect(
            Self.decide([running, other], on: nodes).starts.first?.seats == [
                .init(node: "a", devices: [1], resource: "nvidia.com/gpu")
            ])
        nodes[0].health = .draining
        let urgent = Self.job("urgent", 3, cpus: 1_000) { spec in
            spec.priority = 1_000
            spec.demand.accelerators = [.init(.model("H100"))]
        }
        let drained = Self.decide([running, other, urgent], on: nodes)
        #expect(drained.starts.isEmpty && drained.waits.count == 2)
        nodes[0].devices = []
        #expect(Self.decide([running, urgent], on: nodes).starts.isEmpty, "its card is gone, and the job is still there")
    }
}
