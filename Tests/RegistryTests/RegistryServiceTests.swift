import Faults
import JSON
import Ledger
import Synchronization
import TestFolders
import Testing
import YAML

@testable import Registry

@Suite struct RegistryServiceTests {
    let folder = TestFolder()

    private func open() async throws -> (RegistryService, LedgerWriter) {
        let ledger = try await LedgerWriter.open(directory: folder.path)
        let registry = RegistryService(ledger: ledger, artifacts: ArtifactStore(directory: folder.path + "/artifacts"))
        try await registry.restore()
        return (registry, ledger)
    }

    private func model(_ text: String = ModelTests.fraud) throws -> Model { try Model(resource(text), directory: "/models") }

    private let v11 = VersionID(model: "fraud-model", version: "v11")

    @Test func `a model is created once, changed when it changed, and there again after a restart`() async throws {
        var (registry, ledger) = try await open()
        #expect(try await registry.apply(model(), by: "cli") == .created)
        #expect(try await registry.apply(model(), by: "cli") == .unchanged)
        let count = try await ledger.reader.count()
        #expect(count == 2)
        var changed = try model()
        changed.qualityMetric = "other"
        #expect(try await registry.apply(changed, by: "cli") == .changed)
        try await registry.move(alias: "stable", of: "fraud-model", to: "v11", by: "conductor")
        await ledger.close()

        (registry, ledger) = try await open()
        #expect(await registry.models() == [changed])
        #expect(await registry.model("fraud-model") == changed)
        #expect(await registry.versions(of: "fraud-model").map(\.id) == [v11])
        #expect(await registry.version(v11)?.source == .served(url: "http://127.0.0.1:9001/v2/models/fraud-model/infer"))
        #expect(await registry.version(v11)?.lineage.by == "cli")
        #expect(await registry.alias("stable", of: "fraud-model") == "v11")
        #expect(try await registry.apply(changed, by: "cli") == .unchanged)
        await ledger.close()
    }

    @Test func `other content under a registered version is refused, and nothing is recorded`() async throws {
        let (registry, ledger) = try await open()
        #expect(try await registry.apply(model(), by: "cli") == .created)
        let before = try await ledger.reader.count()
        let moved = try model(ModelTests.fraud.replacing("9001", with: "9002") + "\n    v10: { url: \"http://h/\" }")
        let fault = try await #require(throws: Fault.self) { try await registry.apply(moved, by: "cli") }
        #expect(fault.kind == .conflict && fault.httpStatus == 409)
        let old = try #require(await registry.version(v11)?.digest)
        #expect(fault.why.contains(old) && fault.why.contains("9002") && fault.why.components(of: "sha256:") == 2, "\(fault)")
        #expect(fault.fix.contains("new version"))
        #expect(try await ledger.reader.count() == before)
        await ledger.close()
    }

    @Test func `a version is registered once, however many ask at once`() async throws {
        let (registry, ledger) = try await open()
        let version = Version(
            id: VersionID(model: "m", version: "v1"), digest: "sha256:00", source: .artifact,
            lineage: Lineage(by: "conductor", command: "make", inputs: ["data": "sha256:11"], release: "m-v1"))
        let outcomes = try await withThrowingTaskGroup(of: ApplyOutcome.self) { group in
            for _ in 0..<20 { group.addTask { try await registry.register(version, by: "conductor") } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.count { $0 == .created } == 1 && outcomes.count { $0 == .unchanged } == 19)
        #expect(try await ledger.reader.count() == 1)
        var other = version
        other.digest = "sha256:22"
        #expect(try await #require(throws: Fault.self) { try await registry.register(other, by: "x") }.kind == .conflict)
        var odd = version
        odd.id.version = "a-b"
        #expect(try await #require(throws: Fault.self) { try await registry.register(odd, by: "x") }.kind == .usage)
        await ledger.close()
    }

    @Test func `two registries on one ledger agree on what was first`() async throws {
        let (first, ledger) = try await open()
        let second = RegistryService(ledger: ledger, artifacts: first.artifacts)
        try await second.restore()
        let id = VersionID(model: "m", version: "v1")
        let lineage = Lineage(by: "t")
        #expect(try await first.register(.served(id, at: "http://a/", lineage: lineage), by: "t") == .created)
        #expect(try await second.register(.served(id, at: "http://a/", lineage: lineage), by: "t") == .unchanged)
        #expect(try await second.apply(model(), by: "t") == .created)
        #expect(try await first.apply(model(), by: "t") == .unchanged)
        try await first.move(alias: "stable", of: "m", to: "v1", by: "t")
        try await second.move(alias: "stable", of: "m", to: "v2", by: "t")
        try await first.move(alias: "stable", of: "m", to: "v1", by: "t")
        #expect(await first.alias("stable", of: "m") == "v1")
        let moves = try await ledger.reader.entries(kind: "alias").map { $0.body["version"] }
        #expect(moves == ["v1", "v2"], "the first registry asked for what it believed to be so")
        await ledger.close()
    }

    @Test func `an alias moves, and each move is recorded with where it came from`() async throws {
        let (registry, ledger) = try await open()
        for version in ["v1", "v2", "v2", "v1"] { try await registry.move(alias: "stable", of: "m", to: version, by: "conductor") }
        let entries = try await ledger.reader.entries(kind: "alias")
        #expect(
            entries.map(\.body) == [
                ["from": nil, "version": "v1"], ["from": "v1", "version": "v2"], ["from": "v2", "version": "v1"],
            ])
        #expect(entries.allSatisfy { $0.resource.description == "alias/m:stable" && $0.by == "conductor" })
        #expect(await registry.alias("stable", of: "m") == "v1")
        #expect(await registry.alias("previous", of: "m") == nil)
        await #expect(throws: Fault.self) { try await registry.move(alias: "a:b", of: "m", to: "v1", by: "x") }
        await ledger.close()
    }

    @Test func `a prompt's versions never change, and new ones join the old`() async throws {
        var (registry, ledger) = try await open()
        func prompt(_ versions: String) throws -> Prompt {
            try Prompt(resource("prompt: { name: support, versions: { \(versions) } }"))
        }
        #expect(try await registry.apply(prompt("v1: { system: S }"), by: "cli") == .created)
        #expect(try await registry.apply(prompt("v1: { system: S }"), by: "cli") == .unchanged)
        #expect(try await registry.apply(prompt("v2: { system: S, user: U }"), by: "cli") == .changed)
        let fault = try await #require(throws: Fault.self) { try await registry.apply(prompt("v1: { system: T }"), by: "cli") }
        #expect(fault.kind == .conflict)
        await ledger.close()
        (registry, ledger) = try await open()
        #expect(await registry.prompt("support")?.versions.keys.sorted() == ["v1", "v2"])
        #expect(await registry.prompts().count == 1)
        let versions = await registry.versions(of: "support")
        // The digest is over {"system":"S"}.
        #expect(versions[0].digest == "sha256:" + SHA256.digest(of: #"{"system":"S"}"#).hex)
        #expect(versions.map(\.source) == [.prompt, .prompt])
        await #expect(throws: Fault.self) { try await registry.apply(model("model: { name: support }"), by: "cli") }
        await ledger.close()
    }

    /// Every point at which the ledger can be killed while a model with two versions is applied.
    @Test(arguments: 1...6, [LedgerBoundary.beforeAppendCommit, .afterAppendCommit])
    func `a crash at any append leaves what the next apply finishes`(nth: Int, boundary: LedgerBoundary) async throws {
        let text = ModelTests.fraud + "\n    v10: { url: \"http://h/\" }"
        let reached = Mutex(0)
        var settings = LedgerWriter.Settings()
        settings.boundaries = Boundaries { name in
            let count = reached.withLock { count in
                count += name == boundary.rawValue ? 1 : 0
                return count
            }
            if name == boundary.rawValue, count == nth { throw CancellationError() }
        }
        let dying = try await LedgerWriter.open(directory: folder.path, settings: settings)
        let first = RegistryService(ledger: dying, artifacts: ArtifactStore(directory: folder.path + "/artifacts"))
        let survived = (try? await first.apply(model(text), by: "cli")) != nil
        #expect(survived == (nth > 3))
        await dying.close()

        let (registry, ledger) = try await open()
        let done = boundary == .afterAppendCommit && nth == 3 || survived
        #expect(try await registry.apply(model(text), by: "cli") == (done ? .unchanged : .created))
        #expect(await registry.versions(of: "fraud-model").map(\.id.version) == ["v10", "v11"])
        #expect(try await ledger.reader.count() == 3)
        await ledger.close()
    }

    @Test func `a registry that cannot record changes nothing`() async throws {
        let (registry, ledger) = try await open()
        await ledger.close()
        await #expect(throws: Fault.self) { try await registry.apply(model(), by: "cli") }
        #expect(await registry.models().isEmpty)
        #expect(await registry.versions(of: "fraud-model").isEmpty)
    }
}

extension String {
    func components(of part: String) -> Int { ranges(of: part).count }
}
