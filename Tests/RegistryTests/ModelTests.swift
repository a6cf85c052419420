import Faults
import JSON
import Testing
import YAML

@testable import Registry

/// The resource under its one top-level key.
func resource(_ text: String) throws -> YAMLNode {
    let document = try #require(try YAMLNode.documents(in: text, file: "model.yaml").first)
    return try #require(try document.mapping("a file").entries.first).value
}

@Suite struct ModelTests {
    /// Word for word from the issue.
    static let fraud = """
        model:
          name: fraud-model
          route: fraud
          build: { run: "python train.py --version {version} --out {artifact}", timeout: 10m }
          serve: { run: "serve.sh {artifact} {port}", ready: "/v2/models/fraud-model/ready", path: "/v2/models/fraud-model/infer" }
          smoke: { requests: smoke.jsonl, max_latency_ms: 500, regression: cases.jsonl, max_regressions: 5% }
          quality: { metric: correct }
          versions:
            v11: { url: "http://127.0.0.1:9001/v2/models/fraud-model/infer" }   # already served somewhere: build and serve are no-ops
        """

    @Test func `a model is read word for word`() throws {
        let model = try Model(resource(Self.fraud), directory: "/models/fraud")
        #expect(model.name == "fraud-model" && model.route == "fraud" && model.qualityMetric == "correct")
        #expect(model.build == .init(run: "python train.py --version {version} --out {artifact}", timeoutMilliseconds: 600_000))
        #expect(model.serve?.run == "serve.sh {artifact} {port}" && model.serve?.ready == "/v2/models/fraud-model/ready")
        #expect(model.serve?.path == "/v2/models/fraud-model/infer" && model.serve?.readyTimeoutMilliseconds == 60_000)
        #expect(model.smoke?.requests == "/models/fraud/smoke.jsonl" && model.smoke?.regression == "/models/fraud/cases.jsonl")
        #expect(model.smoke?.maxLatencyMilliseconds == 500 && model.smoke?.maxRegressions == 0.05)
        #expect(model.servedVersions == ["v11": "http://127.0.0.1:9001/v2/models/fraud-model/infer"])
        #expect(try JSONValue(parsing: JSONValue(encoding: model).canonicalText).decoded(as: Model.self) == model)
    }

    @Test func `every part but the name is optional`() throws {
        let model = try Model(resource("model: { name: m }"), directory: "/d")
        #expect(model.build == nil && model.serve == nil && model.smoke == nil && model.qualityMetric == nil)
        #expect(model.route == nil && model.servedVersions.isEmpty)
        let smoke = try Model(resource("model: { name: m, smoke: { requests: /abs/r.jsonl } }"), directory: "/d").smoke
        #expect(smoke?.requests == "/abs/r.jsonl" && smoke?.regression == nil && smoke?.maxRegressions == 0)
    }

    @Test(arguments: [
        ("model: {}", 1, "`name:`"), ("model:\n  name: a/b", 2, "a/b"), ("model:\n  name: -x", 2, "-x"),
        ("model: []", 1, "a model"),
        ("model:\n  name: m\n  biuld: {}", 3, "`biuld`"), ("model:\n  name: m\n  build: { run: \"\" }", 3, "command"),
        ("model:\n  name: m\n  build: { run: x, timeout: 10 }", 3, "'10'"),
        ("model:\n  name: m\n  build: { run: x, timeout: 0s }", 3, "time limit"),
        ("model:\n  name: m\n  serve: { run: x }", 3, "`ready:`"),
        ("model:\n  name: m\n  serve: { run: x, ready: r, path: /p }", 3, "'r'"),
        ("model:\n  name: m\n  smoke: {}", 3, "nothing to send"),
        ("model:\n  name: m\n  smoke: { requests: a, max_latency_ms: 0 }", 3, "0.0"),
        ("model:\n  name: m\n  smoke: { requests: a, max_regressions: 150% }", 3, "150%"),
        ("model:\n  name: m\n  quality: {}", 3, "`metric:`"),
        ("model:\n  name: m\n  versions:\n    v-1: { url: \"http://h\" }", 4, "'v-1'"),
        ("model:\n  name: m\n  versions:\n    v1: { url: \"ftp://h\" }", 4, "ftp://h"),
        ("model:\n  name: m\n  versions:\n    v1: { url: \"http:///p\" }", 4, "URL"),
        ("model:\n  name: m\n  versions:\n    v1: {}", 4, "`url:`"),
        ("model:\n  name: m\n  versions:\n    v1: \"http://h\"", 4, "already served"),
    ])
    func `what cannot be meant is refused with its line`(text: String, line: Int, what: String) throws {
        let fault = try #require(throws: Fault.self) { try Model(resource(text), directory: "/d") }
        #expect(fault.kind == .badConfiguration)
        #expect(fault.why.hasPrefix("model.yaml line \(line): "), "\(fault)")
        #expect(fault.what.contains(what), "\(fault)")
    }

    @Test func `a version's name reads back`() {
        #expect(VersionID("fraud-model@v12") == VersionID(model: "fraud-model", version: "v12"))
        #expect(VersionID("fraud-model@v12")?.description == "fraud-model@v12")
        for text in ["", "a", "a@", "@v", "a@b@c", "a/b@v", "a@v-1", "a@v 1"] { #expect(VersionID(text) == nil) }
    }
}

@Suite struct PromptTests {
    @Test func `a prompt is read with its versions`() throws {
        let prompt = try Prompt(
            resource("prompt:\n  name: support\n  versions:\n    v1: { system: S, user: \"{q}\" }\n    v2: { user: U }"))
        #expect(prompt.versions == ["v1": .init(system: "S", user: "{q}"), "v2": .init(system: nil, user: "U")])
    }

    @Test(arguments: [
        ("prompt: { name: p }", "`versions:`"), ("prompt: { name: p, versions: {} }", "says nothing"),
        ("prompt: { name: p, versions: { v1: {} } }", "says nothing"),
        ("prompt: { name: p, versions: { v1: { sytem: x } } }", "`sytem`"),
    ])
    func `a prompt that says nothing is refused`(text: String, what: String) throws {
        #expect(try #require(throws: Fault.self) { try Prompt(resource(text)) }.what.contains(what))
    }
}
