import Faults
import Glibc
import JSON
import Processes
import TestFolders
import Testing

/// Training jobs on a Slurm of two nodes, which each test starts for itself: real allocations, real steps, a node that is lost.
@Suite(.serialized, .enabled("a Slurm can run here") { await SlurmCluster.canRun() })
struct SlurmTests {
    private static let sum = "\(Workshop.root)/Tests/Fixtures/Slurm/sum.py"

    private func job(_ workshop: Workshop, _ name: String, _ run: String, ranks: Int, cpus: Int = 1) -> String {
        workshop.write(
            """
            training_job:
              name: \(name)
              engine: slurm
              run: '\(run)'
              ranks: \(ranks)
              resources: { cpus: \(cpus), memory: 100Mi }
            """, as: "\(name).yaml")
        return "\(workshop.folder)/\(name).yaml"
    }

    private func start(_ workshop: Workshop) async throws -> Installation {
        try await Installation.start(in: workshop, options: ["--engine", "slurm", "--workers", "127.0.0.1:0"])
    }

    private func until(_ workshop: Workshop, _ name: String, _ what: String, _ condition: (JSONValue) -> Bool) async throws
        -> JSONValue
    {
        try await workshop.until("\(name) \(what)") {
            let (code, output) = try await workshop.openclaw("train", "status", name, "--json")
            guard code == 0 else { throw Workshop.Late(description: output) }
            let status = try JSONValue(parsing: output)
            return condition(status) ? Optional.some(status) : Optional.none
        }
    }

    private func ended(_ workshop: Workshop, _ name: String) async throws -> JSONValue {
        try await until(workshop, name, "has ended") {
            ["finished", "failed", "cancelled"].contains($0["state"]?.stringValue)
        }
    }

    private func nodes(of status: JSONValue) -> [String] {
        (status["ranks"]?.arrayValue ?? []).compactMap { $0["node"]?.stringValue }
    }

    @Test func `ranks on both nodes add up over TCP, through a daemon that is killed, and leave nothing in the queue`() async throws
    {
        let cluster = try await SlurmCluster.start()
        let workshop = cluster.workshop
        let first = try await start(workshop)
        let (_, listed) = try await workshop.openclaw("node", "list", "--json")
        let shown = try JSONValue(parsing: listed)["nodes"]?.arrayValue ?? []
        #expect(shown.map { $0["name"]?.stringValue } == ["n1", "n2"], "\(listed)")
        #expect(shown.allSatisfy { $0["engine"] == "slurm" && $0["health"] == "ready" && $0["cpus"]?.numberValue == 2 })
        #expect(shown.first?["labels"]?["old"] == "true")

        _ = try await workshop.openclaw(
            "train", "submit", job(workshop, "sum", "STEPS=50 UNTIL=go exec python3 \(Self.sum)", ranks: 4))
        let running = try await until(workshop, "sum", "takes steps") { $0["progress"]?["step"]?.integerValue ?? 0 > 20 }
        #expect(nodes(of: running) == ["n1", "n1", "n2", "n2"])
        let allocations = try await cluster.tool("squeue", "--noheader", "--format=%j %T %C")
        #expect(allocations.hasSuffix("/sum/1.1 RUNNING 4\n"), "\(allocations)")

        kill(first.process.processID, SIGKILL)
        _ = await first.process.wait()
        let second = try await start(workshop)
        let step = running["progress"]?["step"]?.integerValue ?? 0
        _ = try await until(workshop, "sum", "takes steps still") { $0["progress"]?["step"]?.integerValue ?? 0 > step }
        workshop.write("", as: "go")
        let status = try await ended(workshop, "sum")
        #expect(status["state"] == "finished" && status["run"] == 1 && status["failures"] == 0, "\(status.canonicalText)")
        for rank in 0..<4 {
            let (_, log) = try await workshop.openclaw("train", "logs", "sum", "--rank", "\(rank)")
            #expect(log.contains(" \(rank) sum 10 at 127.0.0.1:"), "\(log)")
        }
        try await workshop.until("nothing is left in Slurm's queue") {
            try await cluster.tool("squeue", "--noheader").isEmpty ? true : nil
        }
        #expect(!workshop.read("serve.log").contains(try secret(workshop, "sum")), "the log tells the ranks' secret")
        await second.process.stop()
        await cluster.stop()
    }

    private func secret(_ workshop: Workshop, _ job: String) throws -> String {
        let path = "home/training/\(job)/1/run-1/secret"
        var found = stat()
        #expect(unsafe stat("\(workshop.folder)/\(path)", &found) == 0 && found.st_mode & 0o777 == 0o600)
        let secret = workshop.read(path)
        #expect(secret.utf8.count >= 32)
        return secret
    }

    @Test func `when a node is lost survivors go on, and the replacement waits for a node`() async throws {
        let cluster = try await SlurmCluster.start()
        let workshop = cluster.workshop
        let installation = try await start(workshop)
        _ = try await workshop.openclaw(
            "train", "submit", job(workshop, "sum", "STEPS=50 UNTIL=go exec python3 \(Self.sum)", ranks: 3))
        let before = try await until(workshop, "sum", "takes steps") { $0["progress"]?["step"]?.integerValue ?? 0 > 10 }
        #expect(nodes(of: before) == ["n1", "n1", "n2"])
        try await cluster.lose("n2")
        let waiting = try await until(workshop, "sum", "waits for a node") { status in
            (status["warnings"]?.arrayValue ?? []).contains {
                $0["why"]?.stringValue?.hasPrefix("rank 2 waits for a node") == true
            }
        }
        let loss = waiting["losses"]?[0]
        #expect(loss?["how"] == "node_lost" && loss?["survived"] == true && loss?["rank"] == 2, "\(waiting.canonicalText)")
        #expect(loss?["detail"]?.stringValue?.hasPrefix("node n2 lost: ") == true, "\(waiting.canonicalText)")
        let (_, listed) = try await workshop.openclaw("node", "list")
        #expect(listed.contains("n2    lost"), "\(listed)")
        let step = waiting["progress"]?["step"]?.integerValue ?? 0
        _ = try await until(workshop, "sum", "goes on without it") { $0["progress"]?["step"]?.integerValue ?? 0 > step }
        workshop.write("", as: "go")
        try await cluster.bringBack("n2")
        let status = try await ended(workshop, "sum")
        #expect(status["state"] == "finished" && status["run"] == 1 && status["failures"] == 1, "\(status.canonicalText)")
        let (_, log) = try await workshop.openclaw("train", "logs", "sum", "--rank", "0")
        #expect(log.contains("met 2 in epoch") && log.contains("sum 6 at"), "\(log)")
        await installation.process.stop()
        await cluster.stop()
    }

    @Test func `a plain job goes to the other node when its own is lost; cancelled, it leaves nothing`() async throws {
        let cluster = try await SlurmCluster.start()
        let workshop = cluster.workshop
        let installation = try await start(workshop)
        let mark = "slurm-\(UInt64.random(in: 0...(.max)))"
        let file = job(workshop, "plain", "CLAW_TEST=\(mark) setsid sleep 600 & CLAW_TEST=\(mark) sleep 600", ranks: 2)
        _ = try await workshop.openclaw("train", "submit", file)
        let before = try await until(workshop, "plain", "runs") { $0["state"] == "running" }
        #expect(nodes(of: before) == ["n1", "n1"])
        try await cluster.lose("n1")
        let after = try await until(workshop, "plain", "runs again") { $0["state"] == "running" && $0["run"] == 2 }
        #expect(nodes(of: after) == ["n2", "n2"])
        #expect(after["failures"] == 1, "a node takes all its ranks with it: that is one failure")
        _ = try await workshop.openclaw("train", "cancel", "plain")
        #expect(try await ended(workshop, "plain")["state"] == "cancelled")
        try await workshop.until("nothing is left") {
            let queue = try await cluster.tool("squeue", "--noheader")
            return queue.isEmpty && ProcessGroup.marked("CLAW_TEST=\(mark)").isEmpty ? true : nil
        }
        await installation.process.stop()
        await cluster.stop()
    }
}

/// A Slurm of two nodes on this machine (Tests/Fixtures/Slurm/slurm.sh), in a workshop whose processes find it.
struct SlurmCluster {
    let workshop: Workshop
    private static let script = "\(Workshop.root)/Tests/Fixtures/Slurm/slurm.sh"

    /// False only where Slurm is not installed or may not run, which is tried once, and said.
    static func canRun() async -> Bool { await trial.value }

    private static let trial = Task<Bool, Never> {
        do {
            let cluster = try await start()
            await cluster.stop()
            return true
        } catch {
            print("SKIPPED, because no Slurm can run here:\n\(error)")
            return false
        }
    }

    static func start() async throws -> SlurmCluster {
        let workshop = Workshop(environment: { ["SLURM_CONF": "\($0)/slurm/slurm.conf"] })
        let cluster = SlurmCluster(workshop: workshop)
        try await cluster.script("start")
        return cluster
    }

    func lose(_ node: String) async throws { try await script("lose", node) }
    func bringBack(_ node: String) async throws { try await script("return", node) }
    func stop() async { try? await script("stop") }

    private func script(_ verb: String, _ more: String...) async throws {
        _ = try await output(["bash", Self.script, verb, "\(workshop.folder)/slurm"] + more)
    }

    /// What one of Slurm's programs says.
    func tool(_ arguments: String...) async throws -> String { try await output(arguments) }

    private func output(_ arguments: [String]) async throws -> String {
        let name = "slurm-\(UInt64.random(in: 0...(.max))).log"
        let status = try await workshop.start(arguments, output: name).wait(limit: .seconds(600))
        guard status == .exited(code: 0) else { throw Workshop.Late(description: "\(arguments): \(workshop.read(name))") }
        return workshop.read(name)
    }
}
