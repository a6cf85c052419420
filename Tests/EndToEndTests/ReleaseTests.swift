import Faults
import Glibc
import HTTP
import JSON
import Processes
import Synchronization
import Testing

@Suite(.serialized)
struct ReleaseTests {
    private func files(_ workshop: Workshop, stable: String, candidates: [(String, String)]) -> [String] {
        let versions = (["v11: { url: \"\(stable)\" }"] + candidates.map { "\($0.0): { url: \"\($0.1)\" }" }).map { "    \($0)" }
        return [
            workshop.write(
                "model:\n  name: fraud-model\n  route: fraud\n  quality: { metric: correct }\n  versions:\n\(versions.joined(separator: "\n"))\n",
                as: "model.yaml"),
            workshop.write(
                """
                route:
                  name: fraud
                  match: { path: "/fraud" }
                  unit: "header:X-User-Id"
                  variants:
                    v11: { url: "\(stable)", share: 100% }
                """, as: "route.yaml"),
        ]
    }

    private func pipeline(_ workshop: Workshop, _ version: String, hold: String = "300ms") -> String {
        workshop.write(
            """
            release_pipeline:
              name: "fraud-model-\(version)"
              stages:
                - canary_deploy: { steps: [10%, 50%, 100%], min_samples: 20, hold: \(hold) }
                - monitor_metrics: { for: 500ms, deadline: 20m }
                - promote_or_rollback: { bake: 1s }
              gates: { max_p95_latency_ms: 20s, max_error_rate: 5%, min_quality_score: 0.8 }
            """, as: "release-\(version).yaml")
    }

    @Test func `a good version is promoted, a bad one is taken back, and the record proves it`() async throws {
        let workshop = Workshop()
        let stable = try await workshop.startModel("v11", accuracy: 0.93)
        let good = try await workshop.startModel("v12", accuracy: 0.96)
        let bad = try await workshop.startModel("v13", accuracy: 0.5)
        let openclaw = try await Installation.start(
            in: workshop, applying: files(workshop, stable: stable.url, candidates: [("v12", good.url), ("v13", bad.url)]))
        let users = Users()
        users.begin(at: { openclaw.gateway }, outbound: workshop.outbound)

        let promoted = try await workshop.openclaw("release", "apply", pipeline(workshop, "v12"), "--watch", limit: .seconds(400))
        #expect(promoted.code == 0, "\(promoted.output)")
        let rolledBack = try await workshop.openclaw("release", "apply", pipeline(workshop, "v13"), "--watch", limit: .seconds(400))
        #expect(rolledBack.code == 1, "\(rolledBack.output)")
        await users.end()

        #expect(users.seen.failed == [])
        #expect(users.seen.byVariant["v13"] ?? 0 > 0)
        let explained = try await workshop.openclaw("release", "explain", "fraud-model-v13")
        #expect(explained.output.contains("min_quality_score"), "\(explained.output)")
        let routes = try await workshop.openclaw("route", "show", "fraud", "--json")
        let shares = try JSONValue(parsing: routes.output)["variants"]?.arrayValue ?? []
        #expect(shares.first { $0["name"] == "v12" }?["share"]?.numberValue == 1)
        let verified = try await workshop.openclaw("audit", "verify")
        #expect(verified.code == 0, "\(verified.output)")
        await openclaw.process.stop()
        for model in [stable, good, bad] { await model.server.stop() }
    }

    @Test func `a daemon that is killed in the middle of a canary goes on where it was`() async throws {
        let workshop = Workshop()
        let stable = try await workshop.startModel("v11", accuracy: 0.93)
        let good = try await workshop.startModel("v12", accuracy: 0.96)
        let resources = files(workshop, stable: stable.url, candidates: [("v12", good.url)])
        let first = try await Installation.start(in: workshop, applying: resources)
        let gateway = Mutex(first.gateway)
        let users = Users()
        users.begin(at: { gateway.withLock(\.self) }, outbound: workshop.outbound)
        #expect(try await workshop.openclaw("release", "apply", pipeline(workshop, "v12", hold: "1500ms")).code == 0)
        try await workshop.until("the canary has traffic") {
            try await first.status("fraud-model-v12")["share"]?.numberValue ?? 0 > 0 ? true : nil
        }
        kill(first.process.processID, SIGKILL)
        _ = await first.process.wait()
        let second = try await Installation.start(in: workshop, applying: resources)
        gateway.withLock { $0 = second.gateway }
        let watched = try await workshop.openclaw("release", "status", "fraud-model-v12", "--watch", limit: .seconds(400))
        #expect(watched.code == 0, "\(watched.output)")
        await users.end()
        #expect(try await workshop.openclaw("audit", "verify").code == 0)
        await second.process.stop()
        for model in [stable, good] { await model.server.stop() }
    }

    @Test func `a version is built, tried out, served and promoted, and its server outlives the daemon`() async throws {
        let workshop = Workshop()
        let stable = try await workshop.startModel("v11", accuracy: 0.93)
        workshop.write("{\"accuracy\": 0.97}", as: "trained.json")
        workshop.write((0..<20).map { "{\"number\": \($0)}" }.joined(separator: "\n") + "\n", as: "smoke.jsonl")
        let route = files(workshop, stable: stable.url, candidates: [])[1]
        let model = workshop.write(
            """
            model:
              name: fraud-model
              route: fraud
              build: { run: "cp trained.json {artifact}", timeout: 1m }
              serve: { run: "exec python3 \(Workshop.modelServer) --port {port} --behaviour {artifact}", ready: "/ready", path: "/infer" }
              smoke: { requests: smoke.jsonl, max_latency_ms: 60000 }
              quality: { metric: correct }
              versions:
                v11: { url: "\(stable.url)" }
            """, as: "model.yaml")
        let first = try await Installation.start(in: workshop, applying: [model, route])
        let users = Users()
        users.begin(at: { first.gateway }, outbound: workshop.outbound)
        let release = workshop.write(
            """
            release_pipeline:
              name: "fraud-model-v12"
              stages:
                - build_artifact
                - smoke_test
                - canary_deploy: { steps: [20%, 100%], min_samples: 20, hold: 300ms }
                - monitor_metrics: { for: 300ms, deadline: 20m }
                - promote_or_rollback: { bake: 10m }
              gates: { max_error_rate: 5%, min_quality_score: 0.8 }
            """, as: "release.yaml")
        let promoted = try await workshop.openclaw("release", "apply", release, "--watch", limit: .seconds(400))
        #expect(promoted.code == 0, "\(promoted.output)")
        await users.end()
        #expect(users.seen.failed == [])

        // The daemon stops in the bake; the server it started does not, and the next life takes it up. A rollback that is
        // asked for in between waits for the daemon.
        kill(first.process.processID, SIGTERM)
        #expect(await first.process.wait(limit: .seconds(120)) == .exited(code: 0))
        let rollback = Task { try await workshop.openclaw("release", "rollback", "fraud-model-v12") }
        let second = try await Installation.start(in: workshop, applying: [model, route], options: ["--stop-servers"])
        let undone = try await rollback.value
        #expect(undone.code == 0, "\(undone.output)")
        try await workshop.until("v11 has all traffic again") {
            let shown = try JSONValue(parsing: try await workshop.openclaw("route", "show", "fraud", "--json").output)
            return shown["variants"]?.arrayValue?.first { $0["name"] == "v11" }?["share"]?.numberValue == 1 ? true : nil
        }
        let answer = try await workshop.outbound.send(
            .init("POST", second.gateway + "/fraud", headers: [("X-User-Id", "u")], body: Array("{\"number\": 1}".utf8)))
        #expect(answer.status == 200 && answer.headers["X-OpenClaw-Variant"] == "v11")
        kill(second.process.processID, SIGTERM)
        #expect(await second.process.wait(limit: .seconds(120)) == .exited(code: 0))
        await stable.server.stop()
    }

    @Test func `requests in flight are answered when the daemon is asked to stop`() async throws {
        let workshop = Workshop()
        let stable = try await workshop.startModel("v11", accuracy: 1)
        let openclaw = try await Installation.start(in: workshop, applying: files(workshop, stable: stable.url, candidates: []))
        let slow = (0..<8).map { number in
            Task {
                try await workshop.outbound.send(
                    .init(
                        "POST", openclaw.gateway + "/fraud", headers: [("X-User-Id", "user-\(number)")],
                        body: Array("{\"number\": \(number), \"seconds\": 4.0}".utf8))
                ).status
            }
        }
        try await workshop.until("all are in flight") {
            let page = try await workshop.outbound.send(.init("GET", openclaw.control + "/metrics")).body
            let lines = String(decoding: page, as: UTF8.self).split(separator: "\n").filter { $0.contains("in_flight{") }
            return lines.contains { $0.hasSuffix(" 8") } ? true : nil
        }
        kill(openclaw.process.processID, SIGTERM)
        for request in slow { #expect(try await request.value == 200) }
        #expect(await openclaw.process.wait(limit: .seconds(120)) == .exited(code: 0))
        await stable.server.stop()
    }

    @Test func `bad input is refused with what, why and fix, and changes nothing`() async throws {
        let workshop = Workshop()
        let stable = try await workshop.startModel("v11", accuracy: 1)
        let openclaw = try await Installation.start(in: workshop, applying: files(workshop, stable: stable.url, candidates: []))
        let before = try JSONValue(parsing: try await workshop.openclaw("status", "--json").output)["ledger_entries"]
        let typo = workshop.write(
            "release_pipeline:\n  name: fraud-model-v12\n  stages: [canary_deploy]\n  gates:\n    max_eror_rate: 1%\n",
            as: "bad.yaml")
        let refused = try await workshop.openclaw("release", "apply", typo)
        #expect(refused.code == 78, "\(refused.output)")
        #expect(refused.output.contains("bad.yaml line 5") && refused.output.contains("max_error_rate"), "\(refused.output)")
        #expect(try await workshop.openclaw("apply", "-f", "nowhere.yaml").code == 78)
        #expect(try await workshop.openclaw("route", "set", "fraud", "v11=50%").code != 0)
        #expect(try await workshop.openclaw("route", "set", "fraud", "v11").code == 2)
        #expect(try await workshop.openclaw("release", "promote", "nothing-v1").code == 1)
        #expect(try await workshop.openclaw("relase").code == 2)
        let second = try await workshop.clawdbot("relase")
        #expect(second.code == 2 && second.output.contains("clawdbot release"), "\(second.output)")
        #expect(try JSONValue(parsing: try await workshop.openclaw("status", "--json").output)["ledger_entries"] == before)
        await openclaw.process.stop()
        #expect(try await workshop.openclaw("status").code == 3)
        await stable.server.stop()
    }
}
