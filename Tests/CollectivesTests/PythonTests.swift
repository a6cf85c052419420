import FoundationEssentials
import Glibc
import Processes
import TestFolders
import Testing

/// Real processes and real deaths, as Python sees them: Tests/Fixtures/Collectives.
@Suite(.serialized) struct PythonTests {
    private static let root = String(#filePath.dropLast("/Tests/CollectivesTests/PythonTests.swift".count))
    private static let library = [".build/debug", ".build/release"].map { "\(root)/\($0)/libopenclaw_collectives.so" }
        .first { FileManager.default.fileExists(atPath: $0) }
    private static let hasPython = unsafe access("/usr/bin/python3", X_OK) == 0

    @Test(.enabled(if: hasPython, "python3 is not installed"))
    func `survivors of kills go on, a replacement joins, and a forked child hides no death`() async throws {
        let library = try #require(Self.library, "the shared library was not built beside the tests")
        let folder = TemporaryFolder()
        let plan = ChildPlan(
            arguments: ["/usr/bin/python3", "-m", "unittest", "-v", "test_collectives"],
            directory: Self.root + "/Tests/Fixtures/Collectives",
            environment: ["PATH": "/usr/bin:/bin", "OPENCLAW_COLLECTIVES": library],
            outputPath: folder.path + "/output")
        let status = try await Child.start(plan).wait(limit: .seconds(300))
        #expect(status == .exited(code: 0), "\(Child.tail(of: folder.path + "/output", bytes: 8_000))")
    }
}
