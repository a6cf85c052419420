import Processes
import TestFolders
import Testing

/// The house rules, checked on this repository. HouseRulesTests shows that each check can fail.
@Suite struct HouseTests {
    private static let files = Result { try House.files() }
    private var files: [House.File] { get throws { try Self.files.get() } }

    private var map: ImportMap {
        get throws { ImportMap(package: try #require(try files.first { $0.path == "Package.swift" }).text) }
    }

    /// Files that nothing in Sources uses, and why they stay.
    private static let alive: [String: String] = [
        "Sources/Ground/Statistics/Divergence.swift": "held to published vectors; its reader is the drift gate of a later issue",
        "Sources/CollectivesLibrary/EntryPoints.swift": "called by Python, through the C interface",
    ]

    @Test func `the map is read`() throws {
        let map = try map
        #expect(map.targets.contains(.init(name: "JSON", folder: "Sources/Ground/JSON/", dependencies: ["CJSON", "Faults"])))
        #expect(map.targets.count > 30 && map.doors.isSuperset(of: ["CSQLite", "COpenSSL", "CYAML", "CCurl", "CLinux", "CJSON"]))
    }

    @Test func `nothing is imported that the map does not declare`() throws {
        try expectNone(map.complaints(about: files))
    }

    @Test func `nothing is declared that is not imported`() throws {
        try expectNone(map.unused(in: files))
    }

    @Test func `no file is dead`() throws {
        try expectNone(DeadFiles(files).dead(alive: Set(Self.alive.keys)))
    }

    @Test func `nothing is left unfinished`() throws {
        try expectNone(files.flatMap(Marks.unfinished))
    }

    @Test func `no path belongs to one machine`() throws {
        try expectNone(files.flatMap(Marks.machinePaths))
    }

    @Test func `files are short`() throws {
        try expectNone(files.compactMap(Marks.length))
    }

    @Test func `names say something`() throws {
        let map = try map
        try expectNone(files.flatMap { Marks.names(in: $0, module: map.target(of: $0.path)?.name) })
    }

    private func expectNone(_ complaints: [String], at place: SourceLocation = #_sourceLocation) {
        #expect(complaints.isEmpty, "\n\(complaints.joined(separator: "\n"))", sourceLocation: place)
    }

    @Test func `swift format has nothing to say`() async throws {
        let folder = TemporaryFolder()
        let plan = ChildPlan(
            arguments: ["swift", "format", "lint", "--strict", "-p", "-r", "Package.swift", "Sources", "Tests"],
            directory: House.root,
            environment: House.toolchain, outputPath: folder.path + "/output")
        let status = try await Child.start(plan).wait(limit: .seconds(1_200))
        #expect(status == .exited(code: 0), "\(Child.tail(of: folder.path + "/output"))")
    }
}
