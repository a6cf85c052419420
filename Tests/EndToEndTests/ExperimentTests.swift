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

    private func variants(_ lines: String, of file: String, as name: String, in workshop: Workshop) -> String {
        let kept = workshop.read(file).split(separator: "\n", omittingEmptySubsequences: false).filter {
            !$0.contains("share:")
        }
        let text = kept.joined(separator: "\n").replacing("variants:", with: "variants: {\(lines)}")
        return workshop.write(text, as: name)
    }

    @Test func `a variant joins a running experiment and another is retired, and what is counted by stays as it is`() async throws {
        let workshop = Workshop()
        let model = try await workshop.startModel("model", accuracy: 0.5)
        let openclaw = try await Installation.start(in: workshop, applying: [route(workshop, model.url)])
        let first = experiment(workshop, "changing", model.url, model.url, auto: "none")
        #expect(try await workshop.openclaw("experiment", "apply", first).code == 0)
        let users = Users()
        users.begin(at: { openclaw.gateway }, outbound: workshop.outbound, workers: 2)

        func variant(_ name: String, _ share: Int) -> String { "\(name): {url: \"\(model.url)\", share: \(share)%}" }
        let three = variants(
            "\(variant("control", 40)), \(variant("bolder", 40)), \(variant("third", 20))", of: "changing.yaml", as: "three.yaml",
            in: workshop)
        let planned = try await workshop.openclaw("experiment", "plan", three)
        #expect(planned.code == 0 && planned.output.contains("adds third"), "\(planned.output)")
        #expect(try await workshop.openclaw("experiment", "apply", three).code == 0)
        try await workshop.until("the third is seen") { users.seen.byVariant["third"] ?? 0 > 20 ? true : nil }
        let joined = try await status(workshop, "changing")
        #expect(share("third", joined) == 0.2 && joined["attempt"] == 1, "\(joined.prettyText)")

        let two = variants(
            "\(variant("control", 50)), \(variant("third", 50))", of: "changing.yaml", as: "two.yaml", in: workshop)
        let applied = try await workshop.openclaw("apply", "-f", two)
        #expect(applied.code == 0 && applied.output.contains("changed"), "\(applied.output)")
        #expect(try await workshop.openclaw("apply", "-f", two).output.contains("unchanged"))
        let retired = try await status(workshop, "changing")
        #expect(share("bolder", retired) == 0 && share("third", retired) == 0.5, "\(retired.prettyText)")
        #expect(retired["variants"]?[1]?["retired"] == true)
        let before = users.seen.byVariant["bolder"] ?? 0
        try await workshop.until("the others are seen") { users.seen.byVariant["third"] ?? 0 > 60 ? true : nil }
        #expect(users.seen.byVariant["bolder"] ?? 0 <= before + 4, "requests that were under way")
        await users.end()
        #expect(users.seen.failed == [])

        let text = workshop.read("two.yaml").replacing("minimum_effect: 0.05", with: "minimum_effect: 0.06")
        let refused = try await workshop.openclaw("experiment", "apply", workshop.write(text, as: "other.yaml"))
        #expect(refused.code == 1 && refused.output.contains("cannot change metrics"), "\(refused.output)")
        let told = try await workshop.openclaw("experiment", "explain", "changing")
        #expect(told.output.contains("adds third") && told.output.contains("retires bolder"), "\(told.output)")
        let rival = experiment(workshop, "rival", model.url, model.url)
        let overlapping = try await workshop.openclaw("experiment", "plan", rival)
        #expect(overlapping.code == 1 && overlapping.output.contains("cannot share route"), "\(overlapping.output)")
        await openclaw.process.stop()
        await model.server.stop()
    }

    /// The experiment asks for a release, which is promoted or refused by its own gates; the experiment ends accordingly.
    @Test(arguments: [true, false])
    func `a winner that has passed no gates goes through a release`(isGood: Bool) async throws {
        let workshop = Workshop()
        let old = try await workshop.startModel("old", accuracy: 0.5)
        let new = try await workshop.startModel("new", accuracy: 0.5, errors: isGood ? 0 : 1)
        let model = workshop.write(
            """
            model:
              name: fraud-model
              route: fraud
              versions: { v11: { url: "\(old.url)" }, v12: { url: "\(new.url)" } }
            """, as: "model.yaml")
        let openclaw = try await Installation.start(in: workshop, applying: [route(workshop, old.url), model])
        let file = workshop.write(
            """
            experiment:
              name: newer
              route: fraud
              variants: { control: { version: fraud-model@v11 }, newer: { version: fraud-model@v12 } }
              metrics: { primary: { name: correct, type: binary, minimum_effect: 0.05, window: 1h } }
              decision:
                auto: none
                max_duration: 1h
                release:
                  stages:
                    - canary_deploy: { steps: [50%], hold: 100ms, min_samples: 5 }
                    - monitor_metrics: { for: 100ms }
                    - promote_or_rollback: { bake: 0s }
                  gates: { max_error_rate: 50 }
            """, as: "newer.yaml")
        #expect(try await workshop.openclaw("experiment", "apply", file).code == 0)
        let promoted = try await workshop.openclaw("experiment", "promote", "newer", "newer", "--json")
        #expect(promoted.code == 0, "\(promoted.output)")
        let users = Users()
        users.begin(at: { openclaw.gateway }, outbound: workshop.outbound)
        let end = try await workshop.until("its release is decided") { () -> JSONValue? in
            let status = try await self.status(workshop, "newer")
            return status["release"]?["promoted"]?.boolValue == nil ? JSONValue?.none : status
        }
        await users.end()
        #expect(end["state"] == .string(isGood ? "promoted" : "stopped") && end["winner"] == "newer", "\(end.prettyText)")
        #expect(end["release"]?["promoted"] == .bool(isGood) && end["release"]?["name"] == "fraud-model-v12")
        let release = try JSONValue(parsing: try await workshop.openclaw("release", "status", "fraud-model-v12", "--json").output)
        #expect(release["state"] == .string(isGood ? "promoted" : "rolled_back"), "\(release.prettyText)")
        let shown = try JSONValue(parsing: try await workshop.openclaw("route", "show", "fraud", "--json").output)
        let answers = shown["variants"]?.arrayValue?.first { $0["share"]?.numberValue == 1 }?["name"]
        #expect(answers == (isGood ? "v12" : "v11"), "\(shown.prettyText)")
        await openclaw.process.stop()
        for model in [old, new] { await model.server.stop() }
    }

    @Test func `a release waits for an experiment on its route, says so, and goes on when that has ended`() async throws {
        let workshop = Workshop()
        let old = try await workshop.startModel("old", accuracy: 0.5)
        let new = try await workshop.startModel("new", accuracy: 0.5)
        let model = workshop.write(
            """
            model:
              name: fraud-model
              route: fraud
              versions: { v11: { url: "\(old.url)" }, v12: { url: "\(new.url)" } }
            """, as: "model.yaml")
        let release = workshop.write(
            """
            release_pipeline:
              name: fraud-model-v12
              stages:
                - canary_deploy: { steps: [50%], hold: 100ms, min_samples: 5 }
                - monitor_metrics: { for: 100ms }
                - promote_or_rollback: { bake: 0s }
              gates: { max_error_rate: 50 }
              rollback: { previous_version: v11 }
            """, as: "release.yaml")
        let openclaw = try await Installation.start(in: workshop, applying: [route(workshop, old.url), model])
        let file = experiment(workshop, "first-come", old.url, old.url, auto: "none")
        #expect(try await workshop.openclaw("experiment", "apply", file).code == 0)
        #expect(try await workshop.openclaw("release", "apply", release).code == 0)
        func state() async throws -> JSONValue {
            try JSONValue(parsing: try await workshop.openclaw("release", "status", "fraud-model-v12", "--json").output)
        }
        let waiting = try await workshop.until("it waits") { () -> JSONValue? in
            let status = try await state()
            return status["state"] == "waiting" ? status : JSONValue?.none
        }
        #expect(waiting.prettyText.contains("first-come"), "\(waiting.prettyText)")
        let users = Users()
        users.begin(at: { openclaw.gateway }, outbound: workshop.outbound)
        try await workshop.until("users are answered") { users.seen.byVariant.values.reduce(0, +) > 50 ? true : nil }
        #expect(try await state()["state"] == "waiting")
        #expect(users.seen.byVariant["v12"] == nil)
        #expect(try await workshop.openclaw("experiment", "stop", "first-come").code == 0)
        try await workshop.until("the release is decided") { try await state()["state"] == "promoted" ? true : nil }
        await users.end()
        #expect(users.seen.failed == [])
        await openclaw.process.stop()
        for model in [old, new] { await model.server.stop() }
    }
}
