import Faults
import Glibc
import Processes
import TestFolders
import Testing

/// The Python adapter with the real PyTorch: its own tests, which start ranks, kill them and look at what they learnt.
@Suite(.serialized, .enabled("PyTorch can be installed") { await PythonTorch.isThere() })
struct AdapterTests {
    @Test func `a stock PyTorch script trains under the adapter, and goes on when its ranks die`() async throws {
        let folder = TemporaryFolder()
        let child = try Child.start(
            .init(
                arguments: [
                    PythonTorch.python, "-m", "unittest", "discover", "-v", "-s", "\(Workshop.root)/adapters/python/tests",
                ],
                directory: folder.path, environment: Surroundings.variables.merging(["OPENCLAW_COLLECTIVES": library]) { $1 },
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
