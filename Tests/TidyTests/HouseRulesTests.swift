import Testing

/// Each rule on small inputs that break it, so that a rule that can no longer fail is noticed.
@Suite struct HouseRulesTests {
    private static let package = """
        func ground(_ name: String) -> Target { .target(name: name, path: "Sources/Ground/\\(name)") }
        let targets = [
            door("CDisk"), .target(name: "CFast", path: "Sources/C/CFast", linkerSettings: [.linkedLibrary("fast")]),
            ground("Faults"), ground("Disk", ["CDisk", "Faults"]),
            module(
                "Ledger",
                ["Faults", "Disk"]
            ),
            .executableTarget(name: "claw", dependencies: ["Ledger"], swiftSettings: settings),
            .executableTarget(name: "validate", dependencies: ["Disk"], path: "Benchmarks/Validate"),
            tests("DiskTests", ["Disk"]),
        ]
        """
    private let map = ImportMap(package: package)

    private func file(_ path: String, _ text: String) -> House.File { House.File(path: path, text: text) }

    @Test func `the map is read from its declarations`() {
        #expect(map.doors == ["CDisk", "CFast"])
        #expect(
            map.targets == [
                .init(name: "Faults", folder: "Sources/Ground/Faults/", dependencies: []),
                .init(name: "Disk", folder: "Sources/Ground/Disk/", dependencies: ["CDisk", "Faults"]),
                .init(name: "Ledger", folder: "Sources/Ledger/", dependencies: ["Faults", "Disk"]),
                .init(name: "DiskTests", folder: "Tests/DiskTests/", dependencies: ["Disk"]),
                .init(name: "claw", folder: "Sources/claw/", dependencies: ["Ledger"]),
                .init(name: "validate", folder: "Benchmarks/Validate/", dependencies: ["Disk"]),
            ])
    }

    @Test(arguments: [
        ("Sources/Ledger/A.swift", "import Disk\npublic import Faults\nimport Glibc", [] as [String]),
        (
            "Sources/Ledger/A.swift", "\n  public import struct JSON.JSONValue",
            ["Sources/Ledger/A.swift:2 imports JSON, which is not declared for Ledger"]
        ),
        (
            "Sources/Ledger/A.swift", "internal import CDisk",
            ["Sources/Ledger/A.swift:1 comes through the door CDisk, which is not declared for Ledger"]
        ),
        ("Sources/Ground/Disk/A.swift", "internal import CDisk\nimport Faults", []),
        (
            "Sources/Ground/Disk/A.swift", "public import CDisk",
            ["Sources/Ground/Disk/A.swift:1 shows CDisk to those who import Disk: write `internal import`"]
        ),
        (
            "Sources/Ledger/A.swift", "import Foundation",
            ["Sources/Ledger/A.swift:1 imports Foundation, which is not declared for Ledger"]
        ),
        (
            "Sources/Ledger/A.swift", "import FoundationEssentials",
            ["Sources/Ledger/A.swift:1 imports FoundationEssentials, which is not declared for Ledger"]
        ),
        ("Tests/DiskTests/A.swift", "@testable import Disk\nimport Testing", []),
        (
            "Tests/DiskTests/A.swift", "@testable import Ledger",
            ["Tests/DiskTests/A.swift:1 imports Ledger, which is not declared for DiskTests"]
        ),
        ("Sources/Lost/A.swift", "", ["Sources/Lost/A.swift belongs to no target of Package.swift"]),
        (
            "Benchmarks/Validate/A.swift", "import Ledger",
            ["Benchmarks/Validate/A.swift:1 imports Ledger, which is not declared for validate"]
        ),
    ])
    func `an import outside the map is found`(path: String, text: String, complaints: [String]) {
        #expect(map.complaints(about: [file(path, text)]) == complaints)
    }

    @Test func `a dependency that is never imported is found`() {
        let files = [
            file("Sources/Ground/Disk/A.swift", "internal import CDisk"),
            file("Sources/Ledger/A.swift", "import Disk\nimport Faults"),
        ]
        #expect(
            map.unused(in: files + [file("Sources/claw/main.swift", "import Ledger")]) == [
                "Disk declares Faults and never imports it"
            ])
    }

    @Test func `a file that nothing uses is found`() {
        let used = file("Sources/A/Used.swift", "public struct Used { let x = 1 }")
        let user = file("Sources/A/User.swift", "struct User { let used: Used }\n// Dead\n/* Dead2 /* Dead3 */ Dead2 */")
        let dead = file("Sources/A/Dead.swift", "@safe public final class Dead {}\nstruct Dead2 {}\n  let inner = Dead()")
        let part = file("Sources/A/User+Part.swift", "extension User {\n    static func part() {}\n}")
        let main = file("Sources/A/main.swift", "let all = [User()]\n_ = \"// \\(all)\"; User.part()")
        let test = file("Tests/ATests/T.swift", "let x = Used()")
        #expect(
            DeadFiles([used, user, dead, part, main, test]).dead(alive: []) == ["Sources/A/Dead.swift is used nowhere: Dead, Dead2"]
        )
        #expect(DeadFiles([used, user, dead, part, main, test]).dead(alive: ["Sources/A/Dead.swift"]) == [])
        #expect(DeadFiles([user, part]).dead(alive: []).count == 1)
        #expect(DeadFiles([file("Sources/A/X.swift", "extension User: Codable {}")]).dead(alive: []) == [])
    }

    @Test(arguments: [
        "// TO" + "DO: later", "let x = 1 // FIX" + "ME", "XX" + "X", "precondition" + "Failure(\"contract\"" + ")",
        "not " + "implemented yet",
    ])
    func `an unfinished mark is found`(line: String) {
        #expect(Marks.unfinished(in: file("docs/a.md", "fine\n\(line)\n")).count == 1)
    }

    @Test(arguments: ["mkdtemp(\"XXXXXX\")", "todos", "a method", "implemented"])
    func `a word that only looks like a mark is not`(line: String) {
        #expect(Marks.unfinished(in: file("Sources/A/A.swift", line)) == [])
    }

    @Test func `a path of one machine is found`() {
        for path in ["/" + "work/main", "\"/" + "home/me/x\"", "cd /" + "root/x", "/" + "Users/me"] {
            #expect(Marks.machinePaths(in: file("scripts/a.sh", path)).count == 1)
        }
        for path in ["~/x", "/usr/bin", "$ROOT/work/x", "a/home/b", "/home/", "https://h.org/home/x"] {
            #expect(Marks.machinePaths(in: file("scripts/a.sh", path)) == [], "\(path)")
        }
    }

    @Test func `a long file is found`() {
        let line = "x\n"
        #expect(Marks.length(of: file("a.swift", String(repeating: line, count: 400))) == nil)
        #expect(
            Marks.length(of: file("a.swift", String(repeating: line, count: 401))) == "a.swift has 401 lines, and 400 are enough")
        #expect(Marks.length(of: file("a.md", String(repeating: line, count: 401))) == nil)
    }

    @Test func `a name that says nothing is found`() {
        #expect(Marks.names(in: file("Sources/A/StringUtils.swift", ""), module: "A").count == 1)
        #expect(Marks.names(in: file("Sources/A/B.swift", "public final class SessionManager {"), module: "A").count == 1)
        #expect(Marks.names(in: file("Sources/A/B.swift", "enum Core {}\nstruct CoreEngine {}"), module: "A").count == 2)
        #expect(Marks.names(in: file("Sources/A/B.swift", "struct A {}"), module: "A").count == 1)
        #expect(
            Marks.names(in: file("Sources/A/B.swift", "struct Score {}\nstruct Corella {}\n    struct A {}"), module: "A") == [])
    }
}
