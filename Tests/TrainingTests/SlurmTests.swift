import Conducting
import Telemetry
import Testing

@testable import Training

/// What Slurm says, and what is asked of it.
@Suite struct SlurmTests {
    private func line(_ cells: [String]) -> String {
        zip(cells, SlurmNode.columns).map { $0 + String(repeating: " ", count: $1.1 - $0.utf8.count) }.joined()
    }

    private func machine(
        _ name: String, state: String = "idle", cpus: String = "0/4/0/4", gres: String = "(null)", used: String = "(null)"
    )
        -> SlurmNode?
    {
        SlurmNode(
            line: line([name, "10.0.0.7", cpus, "8000", "1000", gres, used, state, "ib,fast", "none"])[...])
    }

    private func run(_ nodes: [String], cpus: Int64, memory: Int64 = 0, devices: Int = 0) -> EngineRun {
        var job = JobUnderTest(ranks: nodes.count)
        let seats = nodes.map { name in
            JobMachine.Seat(
                node: name, devices: Array(0..<devices), resource: devices > 0 ? "nvidia.com/gpu" : nil, host: name, port: 1)
        }
        job.tell(.placed(seats: seats, port: 1, why: ""))
        var run = EngineRun(job.machine)
        run.demand = Demand(cpus: cpus, memory: memory)
        return run
    }

    @Test func `a node is read with what others use of it`() throws {
        let text = line([
            "n1", "10.0.0.7", "3/5/0/8", "16000", "4000", "gpu:h100:4(S:0-1),fpga:1", "gpu:h100:2(IDX:0,3),fpga:0", "mixed",
            "ib,fast",
            "none",
        ])
        let nodes = SlurmNode.parse("sinfo: a warning\n\(text)\n\(text)\n")
        #expect(nodes.count == 1, "a node of two partitions is one node")
        let node = try #require(nodes.first)
        #expect(node.cpus == 8 && node.cpusTaken == 3 && node.memory == 16_000 << 20 && node.memoryTaken == 4_000 << 20)
        #expect(node.resources == [.init(name: "gpu", type: "h100", count: 4), .init(name: "fpga", type: "", count: 1)])
        #expect(node.resourcesTaken == [.init(name: "gpu", type: "h100", count: 2)])
        let seen = SlurmInventory(nodes: nodes, runs: []).placeable()[0]
        #expect(seen.devices.map(\.kind.text) == ["H100 (nvidia.com/gpu)", "fpga"])
        #expect(seen.taken == .init(cpus: 3_000, memory: 4_000 << 20) && seen.labels["ib"] == "true")
    }

    @Test(arguments: [
        ("idle", Node.Health.ready), ("mixed", .ready), ("allocated", .ready), ("mixed*", .draining), ("drained", .draining),
        ("draining*", .draining), ("maint", .draining), ("idle~", .draining), ("down", .lost), ("down*", .lost), ("fail", .lost),
    ])
    func `a node takes work where Slurm says so`(state: String, health: Node.Health) throws {
        let node = try #require(machine("n1", state: state))
        #expect(node.health == health)
        #expect((node.remark == nil) == (health == .ready))
    }

    @Test func `an allocation has whole CPUs on each node, and memory for them`() throws {
        let nodes = [try #require(machine("n1")), try #require(machine("n2"))]
        let uneven = SlurmWish(run(["n1", "n1", "n2"], cpus: 1_000, memory: 300 << 20), on: nodes)
        #expect(
            uneven.options == [
                "--distribution=arbitrary", "--nodelist=n1,n1,n2", "--ntasks=3", "--cpus-per-task=1", "--mem-per-cpu=300M",
            ])
        let quarters = SlurmWish(run(["n1", "n1", "n1", "n1", "n1"], cpus: 250), on: nodes)
        #expect(quarters.cpus(on: "n1") == 2 && quarters.cpus(on: "n2") == 0)
        #expect(quarters.memoryPerCPU == 2_000, "a rank that names no memory gets the share of its CPUs")
    }

    @Test func `cards are asked for by their type, as many as the fullest node needs`() throws {
        let nodes = [
            try #require(machine("n1", gres: "gpu:h100:4")), try #require(machine("n2", gres: "gpu:h100:4")),
        ]
        #expect(SlurmWish(run(["n1", "n1", "n2"], cpus: 1_000, devices: 2), on: nodes).resource == "gpu:h100:4")
        #expect(SlurmWish(run(["n1", "n2"], cpus: 1_000, devices: 1), slots: [1], on: nodes).resource == "gpu:h100:1")
    }

    @Test func `what is free is what Slurm has free, beside what our ranks are counted for`() throws {
        // Three quarter ranks of ours hold one whole CPU; others hold two more.
        let seen = try #require(machine("n1", state: "mixed", cpus: "3/1/0/4"))
        let ours = run(["n1", "n1", "n1"], cpus: 250)
        let placeable = SlurmInventory(nodes: [seen], runs: [ours]).placeable()[0]
        #expect(placeable.cpus == 4_000 && placeable.taken?.cpus == 2_250)
        let cluster = Cluster([placeable])
        let fitting = place(Gang(ranks: 1...1, each: Demand(cpus: 1_750)), on: cluster)
        guard case .placed = fitting else { throw NotPlaced() }
        guard case .waiting = place(Gang(ranks: 1...1, each: Demand(cpus: 1_751)), on: cluster) else { throw NotPlaced() }
    }

    private struct NotPlaced: Error {}

    @Test func `a lost node is one failure, however many ranks it took, and the replacement may sit elsewhere`() {
        var job = JobUnderTest(ranks: 4, failures: 1)
        job.run()
        let death = RankDeath(.nodeLost, detail: "node n2 lost: slurm says down*")
        #expect(job.die(2, death, survivable: true) == [.launch(slot: 2, life: 1)])
        #expect(job.die(3, death, survivable: true) == [.launch(slot: 3, life: 1)])
        #expect(job.machine.failures == 1 && job.machine.state == .running)
        job.tell(.reseated(slot: 2, life: 1, seat: .init(node: "n9", host: "10.0.0.9", port: 7)))
        #expect(job.machine.ranks[2].seat.node == "n9" && job.machine.ranks[3].seat.node == "n")
        #expect(job.machine.isStale(.reseated(slot: 2, life: 0, seat: job.machine.ranks[2].seat), at: Timestamp(milliseconds: 0)))
    }

    @Test func `a job that only lost nodes could hold is not told that it never can be`() throws {
        let nodes = [Node("a", cpus: 2_000), Node("b", cpus: 2_000, health: .lost)]
        let each = Demand(cpus: 1_000)
        guard case .waiting(let short) = place(Gang(ranks: 3...3, each: each), on: Cluster(nodes)) else { throw NotPlaced() }
        #expect(!short.isForEver && short.text.hasSuffix("room for 2, and for all with the nodes that are lost"))
        guard case .waiting(let never) = place(Gang(ranks: 5...5, each: each), on: Cluster(nodes)) else { throw NotPlaced() }
        #expect(never.isForEver)
    }

    @Test func `a job that waits for a node that drains is told which one`() throws {
        let nodes = [Node("a", cpus: 1_000), Node("b", cpus: 2_000, health: .draining), Node("c", cpus: 500, health: .draining)]
        let gang = Gang(ranks: 2...2, each: Demand(cpus: 1_000))
        guard case .waiting(let short) = place(gang, on: Cluster(nodes)) else { throw NotPlaced() }
        #expect(short.draining == ["b"] && !short.isForEver)
        #expect(short.text.hasSuffix("there is room for 1; node b drains (`openclaw node resume b` lets it take work again)"))
    }
}
