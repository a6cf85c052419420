import Faults
import Testing
import YAML

@testable import Training

/// What people write about the queue and its nodes.
@Suite struct QueuePolicySpecTests {
    private static func node(_ text: String, _ key: String) throws -> YAMLNode {
        let document = try #require(try YAMLNode.documents(in: text, file: "queue.yaml").first)
        return try document.mapping("a file").required(key)
    }

    private static func read(_ text: String) throws -> QueuePolicySpec { try QueuePolicySpec(try node(text, "queue_policy")) }

    @Test func `a policy with everything is read whole`() throws {
        let spec = try Self.read(
            """
            queue_policy:
              weights: { priority: 1000, age: 100, share: 500, size: -20, attained: 50, full_age: 2h }
              teams:
                risk: { weight: 2, quota: { ranks: 8, cpus: 500m, memory: 1Gi, accelerators: 4 } }
              nodes: { require: { tier: [gpu, big] }, avoid: { spot: true } }
              elastic: { grow: false, grow_after: 5s }
            """)
        #expect(spec.policy == "weighted" && spec.weights?.size == -20 && spec.weights?.ageFull == 7_200_000)
        #expect(spec.teams["risk"]?.quota?.cpus == 500 && spec.teams["risk"]?.weight == 2)
        #expect(spec.nodes == NodeRule(require: ["tier": ["gpu", "big"]], avoid: ["spot": ["true"]]))
        #expect(spec.elastic?.grows == false && spec.elastic?.growAfter == 5_000)
        #expect(spec.queue.order == .weighted(try #require(spec.weights), teams: ["risk": 2]))
    }

    @Test(arguments: QueuePolicy.all)
    func `every policy can be chosen by its name`(policy: QueuePolicy) throws {
        #expect(try Self.read("queue_policy: { policy: \(policy.name) }").queue == policy)
    }

    @Test(arguments: [
        ("policy: fiar", "'fiar' is no policy."), ("wieghts: { age: 1 }", "`wieghts` is not known here."),
        ("policy: weighted", "The policy weighted needs weights."), ("weights: { agee: 1 }", "`agee` is not known here."),
        ("weights: { age: 0 }", "Nothing has a weight here."), ("weights: { age: 1e9 }", "age cannot weigh 1000000000.0."),
        ("nodes: { require: { \"a b\": c } }", "'a b' cannot be a label."),
        ("nodes: { requires: { a: c } }", "`requires` is not known here."),
        ("nodes: { avoid: { a: [] } }", "a names 0 values."), ("teams: { a: { weight: 0 } }", "A team cannot weigh 0.0."),
        ("elastic: { grow_after: 1ms }", "'1ms' is too short or too long."),
    ])
    func `a mistake is refused with its line`(line: String, what: String) throws {
        do {
            _ = try Self.read("queue_policy:\n  \(line)\n")
            Issue.record("it was taken")
        } catch let fault as Fault {
            #expect(fault.what == what)
            #expect(fault.why.contains("queue.yaml line 2"))
        }
    }

    @Test func `weights beside a policy that adds nothing up are refused`() throws {
        #expect(throws: Fault.self) { try Self.read("queue_policy: { policy: fair, weights: { age: 1 } }") }
    }

    // MARK: Weighing

    private static func job(_ number: Int, _ change: (inout QueuedJob) -> Void = { _ in }) -> QueuedJob {
        var job = ScheduleTests.job(number, gpus: 2)
        (job.submitted, job.priority) = (0, 500)
        change(&job)
        return job
    }

    private static func first(_ weights: (inout QueueWeights) -> Void, _ jobs: [QueuedJob], now: Int64 = 0) -> Int? {
        var some = QueueWeights()
        weights(&some)
        let cluster = Cluster(PlacementTests.nodes([8]))
        return QueuePolicy.weighted(some, teams: ["heavy": 4]).sorted(jobs, on: cluster, now: now).first { jobs[$0].running == nil }
    }

    @Test func `each weight moves a job the way it says`() {
        let plain = Self.job(0)
        #expect(Self.first({ $0.priority = 1 }, [plain, Self.job(1) { $0.priority = 900 }]) == 1)
        #expect(Self.first({ $0.age = 1 }, [Self.job(0) { $0.submitted = 500 }, Self.job(1)], now: 1_000) == 1)
        #expect(Self.first({ $0.size = -1 }, [plain, Self.job(1) { $0.gang.ranks = 1...1 }]) == 1)
        #expect(Self.first({ $0.size = 1 }, [plain, Self.job(1) { $0.gang.ranks = 4...4 }]) == 1)
        #expect(Self.first({ $0.attained = 1 }, [Self.job(0) { $0.attained = 3_600_000 }, Self.job(1)]) == 1)
        #expect(Self.first({ $0.priority = 1 }, [plain, Self.job(1)]) == 0, "of equals the first")
    }

    @Test func `a team that uses more of what is in use than its share comes later, and a heavier one less late`() {
        let running = Self.job(0) { job in
            job.team = "light"
            job.running = Placement(seats: [.init(node: 0, ranks: 2, devices: .init(kind: 0, perRank: 1))], each: Demand(), seen: 0)
        }
        let light = Self.job(1) { $0.team = "light" }
        let other = Self.job(2) { $0.team = "other" }
        #expect(Self.first({ $0.share = 1 }, [running, light, other]) == 2)
        var heavy = running
        heavy.team = "heavy"
        var weights = QueueWeights()
        weights.share = 1
        func points(_ running: QueuedJob, _ team: String) -> Double {
            let jobs = [running, Self.job(1) { $0.team = team }, other]
            let scales = QueueScales(weights, teams: ["heavy": 4], jobs: jobs, on: Cluster(PlacementTests.nodes([8])), now: 0)
            return scales.points(of: jobs[1])
        }
        #expect(points(heavy, "heavy") > points(running, "light"))
        #expect(abs(points(running, "light") - 0.25) < 1e-12, "all of it, with half the shares: 2^-2")
        #expect(points(running, "nobody") == 1)
    }

    @Test func `what a job waits on is told term by term, and the terms add up to its points`() {
        var weights = QueueWeights()
        (weights.priority, weights.age, weights.share) = (1_000, 10, 5)
        let jobs = [Self.job(0)]
        let scales = QueueScales(weights, teams: [:], jobs: jobs, on: Cluster(PlacementTests.nodes([8])), now: 43_200_000)
        let terms = scales.terms(of: jobs[0])
        #expect(terms.map(\.name) == ["priority", "age", "share"])
        #expect(terms.map { $0.points ?? 0 } == [500, 5, 5] && scales.points(of: jobs[0]) == 510)
        #expect(terms.allSatisfy { !$0.because.isEmpty })
    }

    // MARK: Nodes

    @Test func `a node's labels and declared accelerators are read, and complete what its engine tells`() throws {
        let text = """
            node:
              name: n1
              labels: { tier: fpga, rack.example/row: 3 }
              accelerators:
                fpga.example.com/u250: 2
                nvidia.com/gpu: { model: H100, count: 8 }
                tpu.example.com/v5: { devices: [/dev/null, /dev/not-there] }
            """
        let spec = try NodeSpec(try Self.node(text, "node"))
        var node = Node(
            "n1", devices: [.init(AcceleratorKind(resource: "nvidia.com/gpu", model: "A100"), count: 1)], labels: ["tier": "x"])
        spec.complete(&node)
        #expect(node.labels == ["tier": "fpga", "rack.example/row": "3"])
        #expect(
            node.devices.map(\.kind.text).sorted() == [
                "H100 (nvidia.com/gpu)", "u250 (fpga.example.com/u250)", "v5 (tpu.example.com/v5)",
            ])
        #expect(node.devices.map(\.count).sorted() == [2, 2, 8], "nobody but its own machine can look at its files")
        var here = Node(LocalInventory.hostName)
        spec.complete(&here)
        let looked = here.devices.first { $0.kind.model == "v5" }
        #expect(looked?.count == 1 && looked?.numbers == [0] && looked?.failed.map(\.name) == ["/dev/not-there"])
    }

    @Test(arguments: [
        ("accelerators: { \"f p\": 1 }", "This does not say which accelerators."),
        ("accelerators: { f/p: -1 }", "'-1' is not a number this takes."),
        ("accelerators: { f/p: { count: 2, devices: [/dev/a] } }", "'f/p' counts 2, and names 1 devices."),
        ("accelerators: { f/p: { devices: [a] } }", "'a' is no device."), ("lables: { a: b }", "`lables` is not known here."),
    ])
    func `a mistake about a node is refused`(line: String, what: String) throws {
        do {
            _ = try NodeSpec(try Self.node("node:\n  name: a\n  \(line)\n", "node"))
            Issue.record("it was taken")
        } catch let fault as Fault { #expect(fault.what == what) }
    }
}
