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
