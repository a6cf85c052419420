import Faults
import Glibc
import JSON
import Processes
import TestFolders
import Testing

/// The Python adapter with the real PyTorch and the real TensorFlow: its own tests, which start ranks, kill them and look at what
/// they learnt.
@Suite(.serialized) struct AdapterTests {
    @Test(.enabled("PyTorch can be installed") { await PythonTorch.isThere() })
    func `a stock PyTorch script trains under the adapter, and goes on when its ranks die`() async throws {
        try await run("\(Workshop.root)/adapters/python/tests", with: PythonTorch.python)
    }

    @Test(.enabled("TensorFlow can be installed") { await PythonTensorFlow.isThere() })
    func `a stock Keras script becomes data-parallel under the adapter, and goes on when its ranks die`() async throws {
        try await run("\(Workshop.root)/adapters/python/tests/with_tensorflow", with: PythonTensorFlow.python)
    }

    @Test func `a failure of the adapter's tests names the Python tests and what each of them missed`() {
        let log = """
            test_a (test_x.X.test_a) ... ok
            test_b (test_x.X.test_b) ... FAIL

            ======================================================================
            FAIL: test_b (test_x.X.test_b)
            ----------------------------------------------------------------------
            Traceback (most recent call last):
              File "test_x.py", line 7, in test_b
                self.assertEqual(1, 2)
            AssertionError: 1 != 2 : seed 7
            --- slot 0 pid 12 status 0
            epoch 0 loss 0.5

            ======================================================================
            ERROR: test_c (test_x.X.test_c)
            ----------------------------------------------------------------------
            Traceback (most recent call last):
              File "test_x.py", line 9, in test_c
            FileNotFoundError: [Errno 2] No such file or directory: 'here'

            ----------------------------------------------------------------------
            Ran 3 tests in 0.1s
            """
        #expect(
            PythonFailures(log).summary
                == "FAIL: test_b (test_x.X.test_b): AssertionError: 1 != 2 : seed 7; "
                + "ERROR: test_c (test_x.X.test_c): FileNotFoundError: [Errno 2] No such file or directory: 'here'")
        #expect(
            PythonFailures("test_a (X.test_a) ... ok\ntest_b (X.test_b) ... ").summary == "it did not end: test_b (X.test_b) ...")
    }

    @Test(.enabled("PyTorch can be installed") { await PythonTorch.isThere() }, arguments: ["asleep", "stopped"])
    func `the rank that is stuck is named with its Python stack, and the others go on`(how: String) async throws {
        let workshop = Workshop()
        let installation = try await Installation.start(in: workshop)
        workshop.write(
            """
            training_job:
              name: stuck
              run: "\(PythonTorch.python) \(Workshop.root)/adapters/python/tests/scripts/stuck.py"
              ranks: 2
              env: { HOW: \(how) }
              recovery: { hang_after: 3s }
            """, as: "stuck.yaml")
        let (code, output) = try await workshop.openclaw("train", "submit", "\(workshop.folder)/stuck.yaml", "--watch")
        #expect(code == 0, "\(output)")
        let (_, text) = try await workshop.openclaw("train", "status", "stuck", "--json")
        let status = try JSONValue(parsing: text)
        let loss = status["losses"]?[0]
        #expect(loss?["rank"] == 1 && loss?["how"] == "hung" && loss?["survived"] == true, "\(text)")
        if how == "stopped" {
            #expect(loss?["detail"]?.stringValue?.contains("it does not answer") == true, "\(text)")
        } else {
            #expect(loss?["stack"]?[0]?.stringValue?.contains("in read_row") == true, "\(text)")
        }
        #expect(status["run"] == 1 && status["losses"]?.arrayValue?.count == 1, "\(text)")
        await installation.process.stop()
    }

    @Test(.enabled("PyTorch can be installed") { await PythonTorch.isThere() })
    func `ranks leave, die and come by the daemon's word while the others train on, and nothing is lost or repeated`() async throws
    {
        let workshop = Workshop()
        let installation = try await Installation.start(in: workshop)
        func status() async throws -> JSONValue {
            try JSONValue(parsing: try await workshop.openclaw("train", "status", "scaling", "--json").output)
        }
        func until(_ what: String, _ holds: (JSONValue) -> Bool) async throws -> JSONValue {
            try await workshop.until("scaling \(what)") {
                let now = try await status()
                if ["failed", "cancelled"].contains(now["state"]?.stringValue) {
                    throw Workshop.Late(description: "\(now.canonicalText)")
                }
                return holds(now) ? Optional.some(now) : Optional.none
            }
        }
        func isChanged(_ now: JSONValue, to world: Int64) -> Bool {
            now["ranks"]?.arrayValue?.count == Int(world) && now["changes"]?.arrayValue?.last?["to"] == .integer(world)
                && now["ranks"]?.arrayValue?.allSatisfy { $0["state"] == "up" } == true
                && now["changes"]?.arrayValue?.last?["took_s"]?.numberValue != nil
        }
        let (samples, epochs) = (600, 60)
        let script = "\(Workshop.root)/adapters/python/tests/scripts/scaling.py"
        workshop.write(
            """
            training_job:
              name: scaling
              run: "\(PythonTorch.python) \(script) --samples \(samples) --epochs \(epochs) --pause 0.5"
              ranks: 3
            """, as: "scaling.yaml")
        #expect(try await workshop.openclaw("train", "submit", "\(workshop.folder)/scaling.yaml").0 == 0)
        _ = try await workshop.until("scaling says that it can") {
            try await workshop.openclaw("train", "explain", "scaling").output.contains("scales   while it trains") ? true : nil
        }
        let first = try await status()["ranks"]?[0]?["pid"]
        #expect(try await workshop.openclaw("train", "scale", "scaling", "2").0 == 0)
        let two = try await until("has two ranks") { isChanged($0, to: 2) }
        let victim = try #require(two["ranks"]?[1]?["pid"]?.integerValue, "\(two.canonicalText)")
        kill(Int32(victim), SIGKILL)
        _ = try await until("has lost one") { $0["losses"]?.arrayValue?.count == 1 }
        _ = try await until("has that one again") { $0["losses"]?[0]?["mended_after_s"] != nil }
        #expect(try await workshop.openclaw("train", "scale", "scaling", "3").0 == 0)
        let three = try await until("has three ranks") { isChanged($0, to: 3) }
        #expect(three["ranks"]?[0]?["pid"] == first, "who stays keeps its process: \(three.canonicalText)")
        workshop.write("", as: "go")
        let done = try await until("has ended") { $0["state"] == "finished" }
        #expect(done["run"] == 1 && done["failures"] == 1 && done["preemptions"] == 0, "\(done.canonicalText)")
        let changes = done["changes"]?.arrayValue ?? []
        #expect(changes.map { [$0["from"], $0["to"]] } == [[3, 2], [2, 3]], "\(done.canonicalText)")
        let areWell = changes.allSatisfy {
            $0["how"] == "while it trained" && $0["failure"]?.stringValue == nil && $0["stood_still_s"]?.numberValue != nil
        }
        #expect(areWell, "\(done.canonicalText)")
        let report = try JSONValue(parsing: try await workshop.openclaw("train", "report", "scaling", "--json").output)
        let lines = try await workshop.openclaw("train", "logs", "scaling", "--tail", "100000").output.split(separator: "\n").map {
            $0.split(separator: " ").dropFirst(2).map(String.init)
        }
        var seen: [String: [String: Int]] = [:]
        for line in lines where line.first == "trained" && line.count > 2 {
            for number in line[2...] { seen[line[1], default: [:]][number, default: 0] += 1 }
        }
        let repeated = seen.values.reduce(0) { sum, times in sum + times.values.reduce(0) { $0 + $1 - 1 } }
        let missing = seen.values.reduce(0) { $0 + samples - $1.count }
        #expect(seen.count == epochs && Int64(repeated) == report["samples"]?["repeated"]?.integerValue)
        // The killed one may have trained on one batch that it did not print.
        #expect((0...10).contains(missing) && report["samples"]?["lost"] == 0)
        let ends = lines.filter { $0.first == "rank" && $0.count == 8 }
        #expect(Set(ends.map { $0[1] }) == ["0", "1", "2"] && Set(ends.map { $0[3] }) == ["3"], "\(ends)")
        #expect(Set(ends.map { $0[7] }).count == 1, "\(ends)")
        await installation.process.stop()
    }

    private func run(_ tests: String, with python: String) async throws {
        let folder = TemporaryFolder()
        let child = try Child.start(
            .init(
                arguments: [python, "-m", "unittest", "discover", "-v", "-s", tests], directory: folder.path,
                environment: Surroundings.variables.merging(["OPENCLAW_COLLECTIVES": library]) { $1 },
                outputPath: "\(folder.path)/adapter.log"))
        // Of a starved machine's time; each wait inside has a limit of its own.
        let status = await child.wait(limit: .seconds(1_800))
        let log = folder.text(of: "adapter.log")
        for line in log.split(separator: "\n") where line.contains("skipped") { print("adapter: \(line)") }
        if status != .exited(code: 0) {
            Issue.record("\(PythonFailures(log).summary) (\(status))\n\(log.suffix(12_000))")
        }
    }

    /// The library stands beside the binary.
    private var library: String {
        Workshop.binary.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/libopenclaw_collectives.so"
    }
}

/// What unittest's output says of tests that failed.
struct PythonFailures {
    /// One line: each test's name with the line of its exception.
    let summary: String

    init(_ log: String) {
        var failures: [(test: String, why: String?)] = []
        var isInTraceback = false
        for line in log.split(separator: "\n") {
            if line.hasPrefix("FAIL: ") || line.hasPrefix("ERROR: ") {
                failures.append((String(line), nil))
            } else if line.hasPrefix("Traceback (most recent call last)"), failures.last?.why == nil {
                isInTraceback = true
            } else if isInTraceback, !line.hasPrefix(" "), let last = failures.indices.last {
                // The frames are indented, the exception after them is not. What it prints further on is the job's story.
                failures[last].why = String(line.prefix(400))
                isInTraceback = false
            }
        }
        if failures.isEmpty {
            let last = log.split(separator: "\n").last { $0.contains(" ... ") } ?? "nothing was run"
            var words = last
            while words.last == " " { words.removeLast() }
            summary = "it did not end: \(words)"
        } else {
            summary = failures.map { failure in failure.why.map { "\(failure.test): \($0)" } ?? failure.test }.joined(
                separator: "; ")
        }
    }
}

/// PyTorch in an environment of its own (scripts/setup-torch.sh).
enum PythonTorch {
    static let python = "\(Workshop.root)/.build/torch/bin/python"

    /// False only where it cannot be installed, which is said.
    static func isThere() async -> Bool { await setup.value }

    private static let setup = Task<Bool, Never> { await PythonClients.install("PyTorch", by: "setup-torch.sh") }
}

/// TensorFlow in an environment of its own (scripts/setup-tensorflow.sh).
enum PythonTensorFlow {
    static let python = "\(Workshop.root)/.build/tensorflow/bin/python"

    /// False only where it cannot be installed, which is said.
    static func isThere() async -> Bool { await setup.value }

    private static let setup = Task<Bool, Never> { await PythonClients.install("TensorFlow", by: "setup-tensorflow.sh") }
}
