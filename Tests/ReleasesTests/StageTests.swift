import Faults
import Glibc
import JSON
import Ledger
import Processes
import Registry
import Routing
import Synchronization
import TestFolders
import Testing

@testable import HTTP
@testable import Releases

/// What stages do to real files and processes.
struct `A stage` {
    static func write(_ text: String, to path: String) throws {
        let file = unsafe fopen(path, "w")
        guard let file = unsafe file else { throw Fault(what: "no \(path)", why: "", fix: "") }
        unsafe fputs(text, file)
        unsafe fclose(file)
    }

    static func text(of path: String) -> String {
        String(decoding: (try? WorkFolder.read(path, bytesMax: 1 << 20)) ?? [], as: UTF8.self)
    }

    static func built(_ house: House, _ run: String, timeout: String = "5m") async throws -> JSONValue {
        try await house.apply(model: "model:\n  name: fraud-model\n  build: { run: '\(run)', timeout: \(timeout) }")
        _ = try await house.release("release_pipeline: { name: fraud-model-v12, stages: [build_artifact] }")
        return try await house.wait(for: "fraud-model-v12") { $0["stage"] == "done" }
    }

    // MARK: build_artifact

    @Test func `builds in a clean directory that has the model's files, and registers what was made`() async throws {
        let house = try await House.open()
        try Self.write("print the weights", to: house.directory + "/train.txt")
        #expect(unsafe mkdir(house.directory + "/data", 0o755) == 0)
        try Self.write("rows", to: house.directory + "/data/rows.txt")
        #expect(unsafe symlink("data", house.directory + "/same") == 0)
        let status = try await Self.built(
            house,
            "pwd > {artifact} && cat train.txt >> {artifact} && echo {version} {model} >> {artifact} && echo spoiled > train.txt && cat same/rows.txt && echo spoiled > data/rows.txt"
        )
        #expect(status["cause"] == "finished", "\(status.prettyText)")
        let version = try #require(await house.registry.version(VersionID(model: "fraud-model", version: "v12")))
        #expect(version.digest.hasPrefix("sha256:"))
        #expect(version.lineage.release == "fraud-model-v12")
        let folder = WorkFolder(path: house.directory + "/look")
        try await folder.empty()
        try await house.registry.artifacts.materialise(version.digest, at: folder.path)
        let text = Self.text(of: folder.path + "/artifact")
        #expect(text.hasSuffix("print the weightsv12 fraud-model\n"))
        #expect(!text.hasPrefix(house.directory + "\n"), "not in the model's own folder")
        #expect(Self.text(of: house.directory + "/train.txt") == "print the weights")
        #expect(Self.text(of: house.directory + "/data/rows.txt") == "rows")

        // A second release of the version verifies what the first one made.
        _ = try await house.release("release_pipeline: { name: fraud-model-v12, stages: [build_artifact] }")
        let again = try await house.wait(for: "fraud-model-v12") { $0["attempt"] == 2 && $0["stage"] == "done" }
        let note = again["stages"]?[0]?["note"]?.stringValue ?? ""
        #expect(note.hasPrefix("already built, verified"), "\(again.prettyText)")
        await house.close()
    }

    @Test(arguments: [
        ("echo no such column; exit 3", "5m", "ended with code 3", "no such column"),
        ("true", "5m", "left nothing at {artifact}", "printed nothing"),
        ("sleep 600", "1s", "its time limit", ""),
    ]) func `that fails to build says how, with the last words`(run: String, limit: String, how: String, words: String)
        async throws
    {
        let house = try await House.open()
        let status = try await Self.built(house, run, timeout: limit)
        #expect(status["state"] == "failed")
        #expect(status["trouble"]?["why"]?.stringValue?.contains(how) == true, "\(status.prettyText)")
        #expect(status["trouble"]?["why"]?.stringValue?.contains(words) == true)
        await house.close()
    }

    @Test func `that builds is stopped when its release is aborted`() async throws {
        let house = try await House.open()
        try await house.apply(model: "model:\n  name: fraud-model\n  build: { run: 'sleep 600', timeout: 10m }")
        _ = try await house.release("release_pipeline: { name: fraud-model-v12, stages: [build_artifact] }")
        let runs = await house.isSoon { !house.processes(of: "fraud-model-v12").isEmpty }
        #expect(runs)
        _ = try await house.releases.perform(.abort, on: "fraud-model-v12", by: "ann", reason: nil)
        let gone = await house.isSoon { house.processes(of: "fraud-model-v12").isEmpty }
        #expect(gone)
        _ = try await house.wait(for: "fraud-model-v12", "rolled_back")
        await house.close()
    }

    @Test func `fills a command with words that the shell cannot take apart`() {
        #expect(
            CommandLineTemplate.fill("run {a} '{a}' {b}", ["a": "/srv/x/v12", "b": "it's; rm -rf"])
                == "run /srv/x/v12 '/srv/x/v12' 'it'\\''s; rm -rf'")
        #expect(CommandLineTemplate.fill("{unknown} {a}", ["a": "1"]) == "{unknown} 1")
    }

    // MARK: smoke_test

    /// A house with one served candidate and one stable version that answer as told.
    static func smoked(
        candidate: @escaping @Sendable (JSONValue) -> HTTPResponse, stable: @escaping @Sendable (JSONValue) -> HTTPResponse,
        smoke: String,
        requests: String = "", cases: String = ""
    ) async throws -> JSONValue {
        let house = try await House.open()
        func standIn(_ answer: @escaping @Sendable (JSONValue) -> HTTPResponse) throws -> StandIn {
            try StandIn { request in answer((try? JSONValue(parsing: request.body)) ?? .null) }
        }
        let (new, old) = (try standIn(candidate), try standIn(stable))
        try write(requests, to: house.directory + "/smoke.jsonl")
        try write(cases, to: house.directory + "/cases.jsonl")
        try await house.apply(
            model: """
                model:
                  name: fraud-model
                  route: fraud
                  smoke: \(smoke)
                  versions: { v11: { url: "\(old.url)/" }, v12: { url: "\(new.url)/" } }
                """)
        try await house.apply(
            route:
                "route: { name: fraud, match: { path: /fraud }, unit: client, variants: { v11: { url: \"\(old.url)/\", share: 100% } } }"
        )
        _ = try await house.release("release_pipeline: { name: fraud-model-v12, stages: [smoke_test] }")
        let status = try await house.wait(for: "fraud-model-v12") { $0["stage"] == "done" }
        let explained = try await house.releases.explain("fraud-model-v12")
        await house.close()
        await new.stop()
        await old.stop()
        return .object((status.objectValue ?? [:]).merging(["explained": explained]) { $1 })
    }

    static func answer(_ value: JSONValue, status: Int = 200) -> HTTPResponse {
        HTTPResponse(status: status, body: .bytes(Array(value.canonicalText.utf8)))
    }

    @Test func `sends the model's requests and checks status, answer and latency`() async throws {
        let requests = """
            {"x": 1}
            {"body": {"x": 2}, "expect": {"status": 200, "json": {"/outputs/0/data/0": 4}}}

            """
        let smoke = "{ requests: smoke.jsonl, max_latency_ms: 60000 }"
        let twice: @Sendable (JSONValue) -> HTTPResponse = { body in
            Self.answer(["outputs": [["data": [.integer(2 * (body["x"]?.integerValue ?? 0))]]], "model": "m"])
        }
        let good = try await Self.smoked(candidate: twice, stable: twice, smoke: smoke, requests: requests)
        #expect(good["cause"] == "finished", "\(good.prettyText)")
        let wrong = try await Self.smoked(
            candidate: { _ in Self.answer(["outputs": [["data": [5]]]]) }, stable: twice, smoke: smoke, requests: requests)
        #expect(wrong["state"] == "failed")
        #expect(wrong["trouble"]?["why"] == "line 2: 5 at /outputs/0/data/0, expected 4")
        let broken = try await Self.smoked(
            candidate: { _ in Self.answer(.null, status: 500) }, stable: twice, smoke: smoke, requests: requests)
        #expect(broken["trouble"]?["what"] == "2 of 2 smoke requests failed")
    }

    @Test(arguments: ["[1]", #"{"staus": 200}"#, #"{"status": "200"}"#, #"{"json": {"outputs": 1}}"#, #"{"json": 1}"#])
    func `whose requests expect something that cannot be read fails, and says on which line`(expect: String) async throws {
        let fine: @Sendable (JSONValue) -> HTTPResponse = { _ in Self.answer([:]) }
        let status = try await Self.smoked(
            candidate: fine, stable: fine, smoke: "{ requests: smoke.jsonl }", requests: #"{"body": {}, "expect": \#(expect)}"#)
        #expect(status["state"] == "failed")
        #expect(status["trouble"]?["what"]?.stringValue?.contains("Line 1") == true, "\(status.prettyText)")
    }

    @Test func `takes expectations at their pointers, in requests and in cases`() throws {
        let wanted = #"{"body": {}, "expect": {"/a/0": 1, "/b": "x"}}"#
        let request = try SmokeRequest(JSONLine(value: try JSONValue(parsing: wanted), number: 1))
        let regression = try RegressionCase(JSONLine(value: try JSONValue(parsing: wanted), number: 1))
        for (text, isRight) in [(#"{"a": [1], "b": "x"}"#, true), (#"{"a": [1], "b": "y"}"#, false), (#"{"b": "x"}"#, false)] {
            let answer = Outbound.Answer(status: 200, headers: .init(), body: Array(text.utf8), elapsed: .zero)
            #expect((request.mismatch(answer) == nil) == isRight && regression.isRight(answer) == isRight, "\(text)")
        }
        #expect(throws: Fault.self) { try RegressionCase(JSONLine(value: ["body": [:], "expect": ["a": 1]], number: 1)) }
    }

    @Test func `names what used to be right and is wrong now`() async throws {
        let cases = (0..<10).map { #"{"name": "case \#($0)", "body": {"x": \#($0)}, "expected": \#($0), "pointer": "/y"}"# }
        let same: @Sendable (JSONValue) -> HTTPResponse = { body in Self.answer(["y": body["x"] ?? .null]) }
        let oneWorse: @Sendable (JSONValue) -> HTTPResponse = { body in Self.answer(["y": body["x"] == 3 ? 99 : body["x"] ?? .null])
        }
        let strict = try await Self.smoked(
            candidate: oneWorse, stable: same, smoke: "{ regression: cases.jsonl, max_regressions: 5% }",
            cases: cases.joined(separator: "\n"))
        #expect(strict["state"] == "failed")
        #expect(strict["trouble"]?["why"]?.stringValue?.contains("case 3") == true, "\(strict.prettyText)")
        // Whoever asks why is told the names too.
        #expect(strict["explained"]?["trouble"]?["why"]?.stringValue?.contains("case 3") == true)
        #expect(strict["explained"]?["regressions"] == ["case 3"])
        let tolerant = try await Self.smoked(
            candidate: oneWorse, stable: same, smoke: "{ regression: cases.jsonl, max_regressions: 10% }",
            cases: cases.joined(separator: "\n"))
        #expect(tolerant["cause"] == "finished", "\(tolerant.prettyText)")
        // What the stable version gets wrong as well is no regression.
        let both = try await Self.smoked(
            candidate: oneWorse, stable: oneWorse, smoke: "{ regression: cases.jsonl, max_regressions: 0% }",
            cases: cases.joined(separator: "\n"))
        #expect(both["cause"] == "finished")
    }

    // MARK: Servers

    static let hasPython = unsafe access("/usr/bin/python3", X_OK) == 0

    static let server = """
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        from sys import argv
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
            do_POST = do_GET
            def log_message(self, *a): pass
        print("serving", argv[1:], flush=True)
        ThreadingHTTPServer(("127.0.0.1", int(argv[1])), Handler).serve_forever()
        """

    static func serving() async throws -> (House, StandIn) {
        let house = try await House.open()
        let standIn = try StandIn()
        try write(server, to: house.directory + "/serve.py")
        try await house.apply(
            model: """
                model:
                  name: fraud-model
                  route: fraud
                  build: { run: "echo weights > {artifact}", timeout: 5m }
                  serve: { run: "exec python3 serve.py {port} {artifact}", ready: "/ready", path: "/infer" }
                  versions: { v11: { url: "\(standIn.url)/v11" } }
                """)
        try await house.apply(
            route:
                "route: { name: fraud, match: { path: /fraud }, unit: client, variants: { v11: { url: \"\(standIn.url)/v11\", share: 100% } } }"
        )
        house.sendTraffic(on: "fraud")
        return (house, standIn)
    }

    static let pipeline = """
        release_pipeline:
          name: fraud-model-v12
          stages:
            - build_artifact
            - canary_deploy: { steps: [50%, 100%], min_samples: 5, hold: 100ms }
            - promote_or_rollback: { bake: 0s, scale_down_delay: 50ms }
        """

    @Test(.enabled(if: hasPython, "python3 is not installed")) func `starts the model's server, and the next life takes it up`()
        async throws
    {
        let (house, standIn) = try await Self.serving()
        _ = try await house.release(Self.pipeline)
        let status = try await house.wait(for: "fraud-model-v12", "promoted")
        #expect(status["state"] == "promoted", "\(status.prettyText)")
        let url = try #require(await house.routes.route("fraud")?.variant(named: "v12")?.url)
        #expect(try await Outbound().send(.init("GET", url)).status == 200)
        let before = house.processes(of: "fraud-model-v12")
        #expect(before.count == 1)
        await house.close()

        let next = try await House.open(after: house)
        #expect(await next.releases.url(serving: VersionID(model: "fraud-model", version: "v12")) == url)
        #expect(next.processes(of: "fraud-model-v12") == before)
        // It is the stable version's server: killed, it is started again, where it was.
        kill(before[0], SIGKILL)
        let restarted = await next.isSoon {
            let now = next.processes(of: "fraud-model-v12")
            return now.count == 1 && now != before
        }
        #expect(restarted)
        let answers = await next.isSoon { (try? await Outbound().send(.init("GET", url)).status) == 200 }
        #expect(answers, "on the same port")
        _ = try await next.releases.perform(.rollback, on: "fraud-model-v12", by: "ann", reason: nil)
        let gone = await next.isSoon { next.processes(of: "fraud-model-v12").isEmpty }
        #expect(gone, "a server that answers nothing any more is stopped")
        let isOff = await next.isSoon { await next.routes.route("fraud")?.variant(named: "v12") == nil }
        #expect(isOff)
        await next.close(stopServers: true)
        await standIn.stop()
    }

    @Test(.enabled(if: hasPython, "python3 is not installed")) func `leaves a server up that another route still answers with`()
        async throws
    {
        let (house, standIn) = try await Self.serving()
        _ = try await house.release(Self.pipeline)
        _ = try await house.wait(for: "fraud-model-v12", "promoted")
        let server = house.processes(of: "fraud-model-v12")
        #expect(server.count == 1)
        try await house.apply(
            route:
                "route: { name: other, match: { path: /other }, unit: client, variants: { now: { version: fraud-model@v12, share: 100% } } }"
        )
        _ = try await house.release(Self.pipeline.split(separator: "fraud-model-v12").joined(separator: "fraud-model-v13"))
        _ = try await house.wait(for: "fraud-model-v13", "promoted")
        let isLookedAt = await house.isSoon {
            let entries = try? await house.ledger.reader.entries(kind: "release", name: "fraud-model-v13")
            return entries?.contains { $0.kind == "release.previous_retired" } ?? false
        }
        #expect(isLookedAt)
        #expect(house.processes(of: "fraud-model-v12") == server)
        await house.close(stopServers: true)
        await standIn.stop()
    }

    @Test(.enabled(if: hasPython, "python3 is not installed")) func `whose candidate's server ends in the canary goes back`()
        async throws
    {
        let (house, standIn) = try await Self.serving()
        _ = try await house.release(Self.pipeline.split(separator: "hold: 100ms").joined(separator: "hold: 1h"))
        _ = try await house.wait(for: "fraud-model-v12") { $0["share"]?.numberValue == 0.5 }
        for process in house.processes(of: "fraud-model-v12") { kill(process, SIGKILL) }
        let status = try await house.wait(for: "fraud-model-v12", "rolled_back")
        #expect(status["cause"] == "server_died", "\(status.prettyText)")
        #expect(await house.routes.route("fraud")?.sharesByName["v11"] == 10_000)
        await house.close(stopServers: true)
        await standIn.stop()
    }

    @Test func `whose server never gets ready fails, with its last words`() async throws {
        let house = try await House.open()
        let standIn = try StandIn()
        try await house.apply(
            model: """
                model:
                  name: fraud-model
                  route: fraud
                  serve: { run: "echo no such file >&2; exit 7", ready: "/ready", path: "/infer" }
                """)
        try await house.apply(
            route:
                "route: { name: fraud, match: { path: /fraud }, unit: client, variants: { v11: { url: \"\(standIn.url)/v11\", share: 100% } } }"
        )
        _ = try await house.release("release_pipeline: { name: fraud-model-v12, stages: [canary_deploy] }")
        let status = try await house.wait(for: "fraud-model-v12", "failed")
        #expect(status["trouble"]?["why"]?.stringValue?.contains("no such file") == true, "\(status.prettyText)")
        let isFree = await house.isSoon { await house.routes.owner(of: "fraud") == nil }
        #expect(isFree)
        await house.close()
        await standIn.stop()
    }
}
