import Faults
import Glibc
import JSON
import Processes
import TestFolders
import Testing

/// Training jobs with the real binary: real Workers, real processes, real signals.
@Suite struct TrainTests {
    private let workshop = Workshop()
    private static let survivor = "\(Workshop.root)/Tests/Fixtures/Training/survivor.py"

    private func job(_ name: String, _ run: String, ranks: Int, more: String = "") -> String {
        workshop.write(
            """
            training_job:
              name: \(name)
              run: '\(run)'
              ranks: \(ranks)
            \(more)
            """, as: "\(name).yaml")
        return "\(workshop.folder)/\(name).yaml"
    }

    private func status(_ name: String) async throws -> JSONValue {
        let (code, output) = try await workshop.openclaw("train", "status", name, "--json")
        guard code == 0 else { throw Workshop.Late(description: output) }
        return try JSONValue(parsing: output)
    }

    private func until(_ name: String, _ what: String, _ condition: (JSONValue) -> Bool) async throws -> JSONValue {
        try await workshop.until("\(name) \(what)") {
            let status = try await self.status(name)
            return condition(status) ? Optional.some(status) : Optional.none
        }
    }

    private func ended(_ name: String) async throws -> JSONValue {
        try await until(name, "has ended") { ["finished", "failed", "cancelled"].contains($0["state"]?.stringValue) }
    }

    /// Everything that a job of this workshop started is gone.
    private func nothingIsLeft(_ mark: String) async throws {
        try await workshop.until("nothing of \(mark) is left") { ProcessGroup.marked("CLAW_TEST=\(mark)").isEmpty ? true : nil }
    }

    @Test func `a command runs on every rank, and its output carries time and rank`() async throws {
        let installation = try await Installation.start(in: workshop)
        defer { Task { await installation.process.stop() } }
        workshop.write("import os\nprint('rank', os.environ['RANK'], 'of', os.environ['WORLD_SIZE'])\n", as: "script.py")
        let (code, output) = try await workshop.openclaw(
            "train", "submit", "--run", "python3 script.py", "--ranks", "2", "--name", "hello", "--watch")
        #expect(code == 0, "\(output)")
        #expect(output.contains("hello finished"))
        let (_, logs) = try await workshop.openclaw("train", "logs", "hello")
        let lines = logs.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 2) }
        for rank in 0..<2 {
            #expect(lines.contains { $0.count == 3 && $0[0].hasSuffix("Z") && $0[1] == "\(rank)" && $0[2] == "rank \(rank) of 2" })
        }
        let (_, report) = try await workshop.openclaw("train", "report", "hello", "--json")
        #expect(try JSONValue(parsing: report)["state"] == "finished")
        await installation.process.stop()
    }

    @Test func `survivors go on when ranks die, are told at once, and meet the replacements`() async throws {
        let installation = try await Installation.start(in: workshop)
        let file = job(
            "survive", "STEPS=60 VICTIMS=1,2 python3 \(Self.survivor)", ranks: 4, more: "  recovery: { max_failures: 4 }")
        let (code, output) = try await workshop.openclaw("train", "submit", file, "--watch")
        #expect(code == 0, "\(output)")
        let status = try await status("survive")
        #expect(status["run"] == 1, "nobody was started again who had not died")
        #expect(status["failures"] == 2 && status["epoch"]?.integerValue ?? 0 >= 5)
        let losses = status["losses"]?.arrayValue ?? []
        #expect(losses.count == 2 && losses.allSatisfy { $0["survived"] == true && $0["signal"] == 9 })
        #expect(status["checkpoint"]?["step"] == 10)
        let (_, logs) = try await workshop.openclaw("train", "logs", "survive", "--rank", "0")
        #expect(logs.contains("dead 1") && logs.contains("dead 2"), "\(logs)")
        let (_, joined) = try await workshop.openclaw("train", "logs", "survive", "--rank", "1")
        #expect(joined.contains("joined in epoch"), "\(joined)")
        let report = try JSONValue(parsing: try await workshop.openclaw("train", "report", "survive", "--json").output)
        #expect(report["wire"]?["saved_bytes"]?.integerValue ?? 0 > 0)
        #expect(report["failures_cost"]?["restarts"] == 0)
        await installation.process.stop()
    }

    @Test func `the rank that hangs is named and ended, and the others go on`() async throws {
        let installation = try await Installation.start(in: workshop)
        let file = job(
            "hang", "STEPS=60 JOIN_AT=26 FROZEN=1 python3 \(Self.survivor)", ranks: 3, more: "  recovery: { hang_after: 5s }")
        let (code, output) = try await workshop.openclaw("train", "submit", file, "--watch")
        #expect(code == 0, "\(output)")
        let status = try await status("hang")
        let loss = status["losses"]?[0]
        #expect(loss?["rank"] == 1 && loss?["how"] == "hung" && loss?["survived"] == true, "\(status.canonicalText)")
        #expect(loss?["detail"]?.stringValue?.contains("it does not answer") == true)
        #expect(status["run"] == 1)
        await installation.process.stop()
    }

    @Test(arguments: ["rank", "worker"])
    func `a plain job whose rank or Worker is killed starts again as a whole, and leaves nothing`(whom: String) async throws {
        let installation = try await Installation.start(in: workshop)
        workshop.write(
            """
            import os, subprocess, sys, time
            # One child in its group, and one that tries to get away.
            subprocess.Popen(["sleep", "600"])
            subprocess.Popen(["setsid", "sleep", "600"])
            open(f"pid-{os.environ['RANK']}-{os.environ['OPENCLAW_ATTEMPT']}", "w").write(f"{os.getpid()} {os.getppid()}")
            if os.environ["OPENCLAW_ATTEMPT"] == "1":
                time.sleep(600)
            print("second time")
            """, as: "script.py")
        let mark = "\(whom)-\(UInt64.random(in: 0...(.max)))"
        let file = job("plain", "exec python3 script.py", ranks: 2, more: "  env: { CLAW_TEST: \(mark) }")
        _ = try await workshop.openclaw("train", "submit", file)
        let pids = try await workshop.until("both ranks run") { () -> [Int32]? in
            let numbers = (0..<2).flatMap { self.workshop.read("pid-\($0)-1").split(separator: " ").compactMap { Int32($0) } }
            return numbers.count == 4 ? numbers : nil
        }
        kill(whom == "rank" ? pids[2] : pids[3], SIGKILL)
        let status = try await ended("plain")
        #expect(status["state"] == "finished" && status["run"] == 2 && status["failures"] == 1, "\(status.canonicalText)")
        let loss = status["losses"]?[0]
        #expect(loss?["rank"] == 1 && loss?["survived"] == false)
        #expect(loss?["how"] == .string(whom == "rank" ? "killed" : "worker_lost"))
        try await nothingIsLeft(mark)
        await installation.process.stop()
    }

    @Test func `jobs are submitted, watched and cancelled from Python`() async throws {
        let installation = try await Installation.start(in: workshop)
        workshop.write("import os\nprint('hello', os.environ['WHO'], os.environ['RANK'])\n", as: "hello.py")
        let python = "\(Workshop.root)/adapters/python"
        let status = try await workshop.start(
            ["/usr/bin/env", "PYTHONPATH=\(python)", "python3", "\(python)/tests/scripts/submitting.py"], output: "submitting.log"
        ).wait(limit: .seconds(240))
        let said = workshop.read("submitting.log")
        #expect(status == .exited(code: 0), "\(said)")
        for line in [
            "state finished", "'hello world 0', 'hello world 1'", "listed ['from-python'] 1", "refused 422 True", "unreachable 0",
            "cancelled cancelled",
        ] { #expect(said.contains(line), "\(line) is not in\n\(said)") }
        await installation.process.stop()
    }

    @Test func `a job that fails tells the first cause, and ends the command with 1`() async throws {
        let installation = try await Installation.start(in: workshop)
        workshop.write(
            """
            import os, time
            if os.environ["RANK"] == "1":
                raise ValueError("no column 'amount'")
            time.sleep(600)
            """, as: "script.py")
        let file = job("bad", "python3 script.py", ranks: 2)
        let (code, output) = try await workshop.openclaw("train", "submit", file, "--watch")
        #expect(code == 1)
        #expect(output.contains("rank 1 exited with code 1: ValueError: no column 'amount'"), "\(output)")
        let cause = try await status("bad")["first_cause"]
        #expect(cause?["rank"] == 1 && cause?["exception"] == "ValueError: no column 'amount'")
        await installation.process.stop()
    }

    @Test func `cancelled, a job's processes are gone; limits are kept`() async throws {
        let installation = try await Installation.start(in: workshop)
        let mark = "cancel-\(UInt64.random(in: 0...(.max)))"
        let file = job("long", "sleep 600 & sleep 600", ranks: 2, more: "  env: { CLAW_TEST: \(mark) }")
        _ = try await workshop.openclaw("train", "submit", file)
        _ = try await until("long", "runs") { $0["state"] == "running" }
        _ = try await workshop.openclaw("train", "cancel", "long", "--reason", "enough")
        let status = try await ended("long")
        #expect(status["state"] == "cancelled" && status["because"] == "cancelled by token:admin: enough")
        try await nothingIsLeft(mark)
        workshop.write("data = bytearray(400 << 20)\nimport time\ntime.sleep(60)\n", as: "greedy.py")
        let greedy = job(
            "greedy", "python3 greedy.py", ranks: 1, more: "  resources: { memory: 100Mi }\n  recovery: { max_failures: 0 }")
        _ = try await workshop.openclaw("train", "submit", greedy)
        let end = try await ended("greedy")
        #expect(end["first_cause"]?["how"] == "out_of_memory", "\(end.canonicalText)")
        await installation.process.stop()
    }

    @Test func `a daemon that is killed takes its jobs up again; their ranks never stopped`() async throws {
        let first = try await Installation.start(in: workshop)
        let file = job("attach", "STEPS=400 python3 \(Self.survivor)", ranks: 2)
        _ = try await workshop.openclaw("train", "submit", file)
        _ = try await until("attach", "takes steps") { $0["progress"]?["step"]?.integerValue ?? 0 > 20 }
        kill(first.process.processID, SIGKILL)
        _ = await first.process.wait()
        let second = try await Installation.start(in: workshop)
        let status = try await ended("attach")
        #expect(status["state"] == "finished" && status["run"] == 1 && status["failures"] == 0, "\(status.canonicalText)")
        #expect(status["progress"]?["step"] == 400)
        let (_, logs) = try await workshop.openclaw("train", "logs", "attach", "--rank", "1")
        #expect(logs.split(separator: "\n").count { $0.contains("[worker] attempt") } == 1)
        await second.process.stop()
    }

    @Test func `an urgent job takes the place of another, which goes on from its checkpoint afterwards`() async throws {
        let installation = try await Installation.start(in: workshop)
        let nodes = try JSONValue(parsing: try await workshop.openclaw("node", "list", "--json").output)
        let cores = nodes["nodes"]?[0]?["cpus"]?.numberValue ?? 1
        let whole = "  resources: { cpus: \(cores) }"
        // The first run would take an hour: it ends because it is asked to.
        let steps = #"STEPS=$([ "$OPENCLAW_ATTEMPT" = 1 ] && echo 180000 || echo 5)"#
        let slow = job("slow", "\(steps) python3 \(Self.survivor)", ranks: 1, more: whole)
        _ = try await workshop.openclaw("train", "submit", slow)
        _ = try await until("slow", "takes steps") { $0["progress"]?["step"]?.integerValue ?? 0 > 5 }
        let urgent = job("urgent", "STEPS=5 python3 \(Self.survivor)", ranks: 1, more: "\(whole)\n  priority: urgent")
        let (code, output) = try await workshop.openclaw("train", "submit", urgent, "--watch")
        #expect(code == 0, "\(output)")
        let status = try await ended("slow")
        #expect(status["state"] == "finished" && status["preemptions"] == 1 && status["failures"] == 0, "\(status.canonicalText)")
        #expect(status["run"] == 2 && status["checkpoint"]?["count"]?.integerValue ?? 0 >= 1)
        let wide = job("wide", "true", ranks: 1, more: "  resources: { cpus: \(Int(cores) + 1) }")
        _ = try await workshop.openclaw("train", "submit", wide)
        let (_, explained) = try await workshop.openclaw("train", "explain", "wide")
        #expect(explained.contains("these nodes can never hold it"), "\(explained)")
        await installation.process.stop()
    }

    @Test func `what a job made becomes a version with its lineage`() async throws {
        let installation = try await Installation.start(in: workshop)
        workshop.write(
            "import os\nos.makedirs('model', exist_ok=True)\nif os.environ['RANK'] == '0':\n    open('model/weights', 'w').write('42')\n",
            as: "script.py")
        let missing = job("blind", "true", ranks: 1, more: "  data: rows")
        let (refused, why) = try await workshop.openclaw("train", "submit", missing)
        #expect(refused == 78 && why.contains("blind has no data at rows"), "\(why)")
        workshop.write("1,2\n", as: "rows")
        let file = job("make", "python3 script.py", ranks: 2, more: "  data: [rows]\n  output: { register: fraud@v7, path: model }")
        let (code, output) = try await workshop.openclaw("train", "submit", file, "--watch")
        #expect(code == 0 && output.contains("made     fraud@v7"), "\(output)")
        let (_, shown) = try await workshop.openclaw("version", "show", "fraud@v7", "--json")
        let version = try JSONValue(parsing: shown)
        #expect(
            shown.contains("training_job/make") && shown.contains("\"code\"") && shown.contains("\"data\""),
            "\(version.canonicalText)")
        await installation.process.stop()
    }
}
