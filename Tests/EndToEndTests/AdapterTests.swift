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
        let status = await child.wait(limit: .seconds(600))
        let log = folder.text(of: "adapter.log")
        for line in log.split(separator: "\n") where line.contains("skipped") { print("adapter: \(line)") }
        #expect(status == .exited(code: 0), "\(log.suffix(12_000))")
    }

    /// The library stands beside the binary.
    private var library: String {
        Workshop.binary.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/libopenclaw_collectives.so"
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
