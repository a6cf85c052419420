import Conducting
import Faults
import JSON
import Outcomes
import Registry
import Routing
import Statistics
import Telemetry
import YAML

@testable import Releases

/// Plans and answers that tests are written with.
enum Fixture {
    static func model(_ name: String = "fraud-model", route: String? = "fraud", extra: [String: JSONValue] = [:]) -> Model {
        var value: [String: JSONValue] = [
            "name": .string(name), "directory": "/nowhere", "servedVersions": [:], "qualityMetric": "correct",
            "build": ["run": "true", "timeoutMilliseconds": 1_000],
            "serve": ["run": "serve {port}", "ready": "/ready", "path": "/infer", "readyTimeoutMilliseconds": 1_000],
            "smoke": ["requests": "smoke.jsonl", "maxRegressions": 0.05],
        ]
        if let route { value["route"] = .string(route) }
        value.merge(extra) { $1 }
        value = value.filter { $0.value != .null }
        do { return try JSONValue.object(value).decoded() } catch { preconditionFailure("\(error)") }
    }

    static let gate = Gate(.errorRate, limit: 0.01, line: 9)

    /// A plan with every stage at work; `stages` leaves some out.
    static func plan(
        version: String = "v12", steps: [Int] = [100, 2_500, 10_000], samples: Int64 = 10, hold: Int64 = 1_000,
        lookFor: Int64 = 2_000,
        deadline: Int64 = 60_000, onUndecided: MonitorOptions.OnUndecided = .rollback, bake: Int64 = 5_000,
        scaleDownDelay: Int64 = 3_000, gates: [Gate] = [gate], route: String? = "fraud",
        leaving out: Set<ReleaseSpec.StageName> = []
    ) -> ReleasePlan {
        var canary = CanaryOptions()
        canary.steps = steps.map { .init(share: $0, samplesMin: samples, hold: hold) }
        var monitor = MonitorOptions()
        (monitor.lookFor, monitor.deadline, monitor.onUndecided) = (lookFor, deadline, onUndecided)
        var promote = PromoteOptions()
        (promote.bake, promote.scaleDownDelay) = (bake, scaleDownDelay)
        let stages: [ReleaseSpec.Stage] = [
            .buildArtifact, .smokeTest, .canaryDeploy(options: canary), .monitorMetrics(options: monitor),
            .promoteOrRollback(options: promote),
        ]
        let spec = ReleaseSpec(
            name: "fraud-model-\(version)", version: VersionID(model: "fraud-model", version: version),
            stages: stages.filter { !out.contains($0.name) }, gates: gates, rollback: .init())
        return ReleasePlan(
            spec: spec, model: model(route: route), route: route, serving: .started, previous: "v11",
            work: spec.stages.map { .init(stage: $0.name, does: "its work", idle: false) }, notes: [])
    }

    static let baseline = Baseline(shares: ["v11": 10_000], candidate: "v12", stable: "v11", previous: "v11")
    static let watch = Watch(
        route: RouteID(1), candidate: VariantID(1), stable: VariantID(0), cursor: .init(exposureSequence: 0, feedbackSequence: 0),
        since: Timestamp(milliseconds: 0))

    static func look(_ outcome: VerdictOutcome, table: Int64, requests: Int64) -> Look {
        let evidence = Evidence(
            seen: 0.5, lower: 0.4, upper: 0.6, samples: requests, logWealthAgainstGood: 0, logWealthAgainstBad: 0, statistics: [:])
        let verdict = Verdict(
            gate: gate.name, limit: gate.limit, unit: "fraction", outcome: outcome, evidence: evidence, reason: "as told")
        return Look(
            verdicts: [verdict], candidate: Tally(), stable: Tally(), table: table, stepRequests: requests, firstRequest: nil)
    }
}

/// Drives a machine by hand: answers its intents as a world that works would, and keeps what it was asked to do.
struct Driver {
    var machine: ReleaseMachine
    var now = Timestamp(milliseconds: 1_000_000)
    var table: Int64 = 1
    /// Every effect asked for, in order.
    var asked: [ReleaseMachine.Effect] = []

    init(_ plan: ReleasePlan = Fixture.plan()) { machine = ReleaseMachine(plan, attempt: 1) }

    mutating func tell(_ event: ReleaseMachine.Event, answering: Int? = nil) {
        let decided = machine.handle(.init(event, at: now, answering: answering))
        asked += decided.map(\.effect)
    }

    /// What a world that works answers.
    mutating func answer(_ effect: ReleaseMachine.Effect) -> ReleaseMachine.Event {
        switch effect {
        case .claim: return .claimed(baseline: Fixture.baseline)
        case .build: return .built(report: BuildReport(digest: "sha256:0", reused: false, milliseconds: 1))
        case .start:
            return .serving(deployment: Deployment(url: "http://127.0.0.1:1", process: .init(id: 7, startTime: 1, port: 1)))
        case .smoke:
            return .smoked(
                report: SmokeReport(
                    requests: 1, cases: 0, regressions: [], improvements: 0, slowestMilliseconds: 1, trouble: nil))
        case .watch: return .watching(watch: Fixture.watch)
        case .route(let share):
            table += 1
            return .routed(share: share, table: table)
        case .crown: return .crowned
        case .uncrown: return .uncrowned
        case .leave: return .left
        case .stop: return .stopped
        case .retirePrevious: return .previousRetired
        case .revivePrevious: return .previousUp
        }
    }

    /// Answers all that is due, and what follows from it.
    mutating func settle() {
        while let intent = machine.intents.first(where: { $0.due <= now }) { tell(answer(intent.effect), answering: intent.id) }
    }

    mutating func begin() {
        tell(.applied)
        settle()
    }

    /// Time passes, with the gates saying `outcome` over enough requests.
    mutating func pass(_ outcome: VerdictOutcome = .pass, requests: Int64 = 100, milliseconds: Int64 = 1_000) {
        now.milliseconds += milliseconds
        tell(.judged(look: Fixture.look(outcome, table: table, requests: requests)))
        settle()
    }

    mutating func wait(milliseconds: Int64) {
        now.milliseconds += milliseconds
        tell(.timePassed)
        settle()
    }

    var shares: [Int] { asked.compactMap { if case .route(let share) = $0 { share } else { nil } } }
}
