import Faults
import JSON
import Testing
import YAML

@Suite struct YAMLNodeTests {
    private func document(_ text: String) throws -> YAMLNode {
        try #require(try YAMLNode.documents(in: text, file: "release.yaml").first)
    }

    private func fault(_ text: String) throws -> Fault {
        try #require(throws: Fault.self) { try YAMLNode.documents(in: text, file: "release.yaml") }
    }

    @Test func `every value knows its line`() throws {
        let text = """
            # a comment
            release_pipeline:
              name: "fraud-model-v12"
              stages:
                - build_artifact
                - canary_deploy: { steps: [1%, 5%], hold: 20s }
              gates:
                max_error_rate: 0.5
            """
        let pipeline = try document(text).mapping("a file").required("release_pipeline").mapping("a pipeline")
        #expect(pipeline.node.line == 3)
        #expect(pipeline["name"]?.line == 3)
        let stages = try pipeline.required("stages").list()
        #expect(stages.map(\.line) == [5, 6])
        let canary = try stages[1].mapping("a stage").required("canary_deploy").mapping("a stage")
        #expect(try canary.required("steps").list().map { try $0.fraction() } == [0.01, 0.05])
        #expect(try canary.required("hold").duration() == .seconds(20))
        #expect(pipeline["gates"]?.line == 8)
    }

    @Test func `one file holds several documents, and empty ones are left out`() throws {
        let documents = try YAMLNode.documents(in: "---\na: 1\n---\n---\nb: 2\n---\n", file: "f.yaml")
        #expect(documents.map(\.json) == [["a": 1], ["b": 2]])
        #expect(documents.map(\.line) == [2, 5])
        #expect(try YAMLNode.documents(in: "", file: "f.yaml").isEmpty)
        #expect(try YAMLNode.documents(in: "# nothing\n", file: "f.yaml").isEmpty)
    }

    @Test(arguments: [
        ("a: [1, 2", "line 1"), ("a: 1\n b: 2", "line 2"), ("a: 1\na: 2", "line 2"), ("a: &x 1\nb: *x", "line 1"),
        ("b: *x", "line 1"),
        ("\n\na: !!binary aGk=", "line 3"), ("a: 1\n? [b]\n: 2", "line 2"), ("a:\n\t- b", "line 2"), ("a: \"x", "line 1"),
        ("a: {x: 1, x: 2}", "line 1"), ("k: 1\nb: \u{7}", "line 2"), ("<<: *x", "line 1"),
    ])
    func `what cannot be read plainly is refused with its line`(text: String, line: String) throws {
        let fault = try fault(text)
        #expect(fault.kind == .badConfiguration && fault.exitCode == 78)
        #expect(fault.why.hasPrefix("release.yaml \(line): "), "\(text): \(fault.why)")
    }

    @Test func `depth and size have limits`() throws {
        #expect(try fault(String(repeating: "[", count: 65) + String(repeating: "]", count: 65)).why.contains("64 levels"))
        #expect(
            try YAMLNode.documents(in: String(repeating: "[", count: 64) + String(repeating: "]", count: 64), file: "f").count == 1)
        #expect(try fault("a: " + String(repeating: "x", count: 1 << 20)).why.contains("1048579 bytes"))
        #expect(throws: Fault.self) { try YAMLNode.documents(in: String(repeating: "{a: ", count: 100_000), file: "f") }
    }

    @Test func `plain scalars follow the core schema of YAML 1_2`() throws {
        let text = """
            [yes, no, on, off, 010, 0o10, 0x1F, 12, -7, +3, .5, 5., 1e3, -1.5E-2, true, False, null, ~, "12", 'true',
             2026-11-21, 1:30, .inf, 9223372036854775808, 1_000, -, 0x, e5, v11, 08]
            """
        let expected: JSONValue = [
            "yes", "no", "on", "off", 10, 8, 31, 12, -7, 3, 0.5, 5.0, 1000.0, -0.015, true, false, nil, nil, "12", "true",
            "2026-11-21", "1:30", ".inf", .number(9_223_372_036_854_775_808), "1_000", "-", "0x", "e5", "v11", 8,
        ]
        #expect(try document(text).json == expected)
    }

    @Test func `a typed reader says what it wanted and where`() throws {
        let map = try document("a: yes\nb: 70000\nc: 20\nd: \"5\"\ne:\nf: [1]\ng: {x: 1}\nh: 150%\ni: nan\nj: 1.5").mapping(
            "a thing")
        func why(_ key: String, _ read: (YAMLNode) throws -> Void) throws -> String {
            let node = try map.required(key)
            return try #require(throws: Fault.self) { try read(node) }.why
        }
        #expect(try why("a") { _ = try $0.bool() }.hasPrefix("release.yaml line 1: words such as yes"))
        #expect(
            try why("b") { _ = try $0.integer(in: 0...65_535) }.hasPrefix("release.yaml line 2: a whole number from 0 to 65535"))
        #expect(try why("c") { _ = try $0.duration() }.contains("line 3: a bare number does not say its unit"))
        #expect(try why("d") { _ = try $0.integer(in: 0...9) }.contains("line 4: quotes make it one"))
        #expect(try why("e") { _ = try $0.string() }.contains("this is nothing"))
        #expect(try why("f") { _ = try $0.mapping("a gate") }.contains("line 6: this is a list"))
        #expect(try why("g") { _ = try $0.list() }.contains("line 7: this is a mapping"))
        #expect(try why("h") { _ = try $0.fraction() }.contains("line 8: a percentage from 0% to 100%"))
        #expect(try why("i") { _ = try $0.double() }.contains("line 9: a finite number"))
        #expect(try why("j") { _ = try $0.integer(in: 0...9) }.contains("line 10"))
        #expect(try map.required("j").double() == 1.5 && map.required("c").integer(in: 0...20) == 20)
        #expect(try map.required("b").string() == "70000")
    }

    @Test func `an unknown key is refused with its line and the nearest known one`() throws {
        let map = try document("name: x\ngates:\n  max_eror_rate: 1").mapping("a pipeline")
        try map.refuseUnknown(known: ["name", "gates"])
        let fault = try #require(throws: Fault.self) {
            try map.required("gates").mapping("gates").refuseUnknown(known: ["max_error_rate", "max_p95_latency_ms"])
        }
        #expect(fault.what == "`max_eror_rate` is not known here.")
        #expect(fault.why.hasPrefix("release.yaml line 3: "))
        #expect(fault.fix.hasPrefix("Did you mean `max_error_rate`?"))
        let missing = try #require(throws: Fault.self) { try map.required("stages") }
        #expect(missing.why.hasPrefix("release.yaml line 1: ") && missing.what.contains("`stages:`"))
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `damaged files are refused with a line or read, never a crash`(seed: UInt64) {
        var random = SeededRandom(state: seed)
        let text =
            "model:\n  name: m\n  build: { run: \"a {b}\", timeout: 10m }\n  list:\n    - 1\n    - [x, 'y']\n---\nroute: |\n  text\n"
        let marks = Array("{}[]:,-#&*!|>'\"%@` \n\t\u{0}\u{7f}é".utf8)
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            bytes[Int.random(in: bytes.indices, using: &random)] = marks[Int.random(in: marks.indices, using: &random)]
        }
        do {
            for node in try YAMLNode.documents(in: String(decoding: bytes, as: UTF8.self), file: "f") {
                _ = node.json.canonicalText
            }
        } catch {
            #expect(error.why.hasPrefix("f line ") && error.kind == .badConfiguration, "\(error)")
        }
    }

    @Test func `block texts keep their lines`() throws {
        #expect(try document("run: |\n  a\n  b\n")["run"] == "a\nb\n")
        #expect(try document("run: >-\n  true\n")["run"] == "true")
    }
}

extension YAMLNode {
    fileprivate subscript(_ key: String) -> JSONValue? { json[key] }
}

struct SeededRandom: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
