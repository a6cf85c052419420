import Faults
import Glibc
import HTTP
import JSON
import Processes
import Synchronization
import Testing

/// Experiments with the real binary, on a route that knows nothing but JSON over HTTP.
@Suite(.serialized)
struct ExperimentTests {
    private func route(_ workshop: Workshop, _ url: String) -> String {
        workshop.write(
            """
            route:
              name: fraud
              match: { path: "/fraud" }
              unit: "header:X-User-Id"
              variants:
                v11: { url: "\(url)", share: 100% }
            """, as: "route.yaml")
    }

    private func experiment(
        _ workshop: Workshop, _ name: String, _ control: String, _ other: String, allocation: String = "{ strategy: fixed }",
        auto: String = "promote"
    ) -> String {
        workshop.write(
            """
            experiment:
              name: \(name)
              route: fraud
              variants:
                control: { url: "\(control)", share: 50%, offline_score: 0.5 }
                bolder:  { url: "\(other)", share: 50%, offline_score: 0.8 }
              allocation: \(allocation)
              metrics:
                primary: { name: correct, type: binary, minimum_effect: 0.05, window: 1h }
                guardrails: [{ name: latency_ms, type: mean, max_increase: 100% }]
              decision: { auto: \(auto), max_duration: 1h }
            """, as: "\(name).yaml")
    }

    private func status(_ workshop: Workshop, _ name: String) async throws -> JSONValue {
        let (code, output) = try await workshop.openclaw("experiment", "status", name, "--json")
        guard code == 0 else { throw Workshop.Late(description: output) }
        return try JSONValue(parsing: output)
    }

    private func share(_ variant: String, _ status: JSONValue) -> Double {
        status["variants"]?.arrayValue?.first { $0["name"] == .string(variant) }?["share"]?.numberValue ?? -1
    }

    @Test func `an A/B test on live traffic finds the better variant and gives it to everybody`() async throws {
        let workshop = Workshop()
        let control = try await workshop.startModel("control", accuracy: 0.3)
        let bolder = try await workshop.startModel("bolder", accuracy: 0.9)
        let openclaw = try await Installation.start(in: workshop, applying: [route(workshop, control.url)])
        let users = Users()
        users.begin(at: { openclaw.gateway }, outbound: workshop.outbound)

        let file = experiment(workshop, "bolder-answers", control.url, bolder.url)
        let planned = try await workshop.openclaw("experiment", "plan", file)
        #expect(planned.code == 0 && planned.output.contains("correct"), "\(planned.output)")
        let watched = try await workshop.openclaw("experiment", "apply", file, "--watch", limit: .seconds(120))
        #expect(watched.code == 0 && watched.output.contains("bolder promoted"), "\(watched.output)")
        let decided = try await status(workshop, "bolder-answers")
        #expect(decided["state"] == "promoted" && decided["cause"] == "better", "\(decided.prettyText)")
        #expect(decided["seconds_to_first_user"]?.numberValue ?? 60 < 30)

        // From now on everybody gets it, as a variant of the route's own.
        let base = decided["base"]?.stringValue ?? ""
        try await workshop.until("everybody gets \(base)") {
            let shares = try JSONValue(parsing: try await workshop.openclaw("route", "show", "fraud", "--json").output)
            return shares["variants"]?.arrayValue?.first { $0["name"] == .string(base) }?["share"]?.numberValue == 1 ? true : nil
        }
        await users.end()
        #expect(users.seen.failed == [])
        #expect(users.seen.byVariant["bolder"] ?? 0 > 0 && users.seen.byVariant["control"] ?? 0 > 0)

        let explained = try await workshop.openclaw("experiment", "explain", "bolder-answers")
        #expect(explained.code == 0 && explained.output.contains("audit prove"), "\(explained.output)")
        let page = "\(workshop.folder)/report.html"
        #expect(try await workshop.openclaw("experiment", "report", "bolder-answers", "--html", page).code == 0)
        let html = workshop.read("report.html")
        #expect(html.contains("<svg") && html.contains("offline score") && !html.contains("http://"), "\(html.prefix(2_000))")
        let text = try await workshop.openclaw("experiment", "report", "bolder-answers")
        #expect(text.code == 0 && text.output.contains("bolder"), "\(text.output)")
        let csv = try await workshop.openclaw("experiment", "export", "bolder-answers")
        let lines = csv.output.split(separator: "\n")
        #expect(lines.first?.hasPrefix("kind,at,request,unit,variant") == true && lines.count > 20, "\(csv.output.prefix(400))")
        let again = try await workshop.openclaw("apply", "-f", file)
        #expect(again.code == 0 && again.output.contains("unchanged"), "\(again.output)")
        #expect(try await workshop.openclaw("audit", "verify").code == 0)
        await openclaw.process.stop()
        for model in [control, bolder] { await model.server.stop() }
    }

    @Test func `a bandit moves users to the better variant, goes on after a kill, and counts every feedback once`() async throws {
        let workshop = Workshop()
        let control = try await workshop.startModel("control", accuracy: 0.2)
        let bolder = try await workshop.startModel("bolder", accuracy: 0.9)
        let first = try await Installation.start(in: workshop, applying: [route(workshop, control.url)])
        let gateway = Mutex(first.gateway)
        let users = Users()
        users.begin(at: { gateway.withLock(\.self) }, outbound: workshop.outbound)
        let file = experiment(
            workshop, "learning", control.url, bolder.url,
            allocation: "{ strategy: thompson, floor: 10%, warm_up: 10, reweight_every: 500ms }", auto: "none")
        #expect(try await workshop.openclaw("experiment", "apply", file).code == 0)
        try await workshop.until("most users get the better one") {
            self.share("bolder", try await self.status(workshop, "learning")) > 0.7 ? true : nil
        }

        kill(first.process.processID, SIGKILL)
        _ = await first.process.wait(limit: .seconds(60))
        let second = try await Installation.start(in: workshop)
        gateway.withLock { $0 = second.gateway }
        let restarted = try await status(workshop, "learning")
        #expect(restarted["state"] == "running" && share("bolder", restarted) > 0.6, "\(restarted.prettyText)")
        await users.end()

        // What it counted is what was kept: every outcome once.
        let kept = try await workshop.openclaw("experiment", "export", "learning", "--format", "jsonl").output
        let outcomes = kept.split(separator: "\n").filter { $0.contains("\"kind\":\"outcome\"") }.count
        try await workshop.until("all of it is read") {
            let counted = (try await self.status(workshop, "learning")["variants"]?.arrayValue ?? []).compactMap {
                $0["outcomes"]?.integerValue
            }
            return counted.reduce(0, +) == Int64(outcomes) ? true : nil
        }
        let promoted = try await workshop.openclaw("experiment", "promote", "learning", "--reason", "enough", "--json")
        #expect(promoted.code == 0, "\(promoted.output)")
        #expect(try JSONValue(parsing: promoted.output)["state"] == "promoted")
        let refused = try await workshop.openclaw("experiment", "stop", "learning")
        #expect(refused.code == 1 && refused.output.contains("has ended"), "\(refused.output)")
        await second.process.stop()
        for model in [control, bolder] { await model.server.stop() }
    }
}
