import Faults
import JSON
import Registry
import Routing
import Testing
import YAML

@testable import Releases

struct `A release pipeline` {
    static let designs = """
        release_pipeline:
          name: "fraud-model-v12"
          stages:
            - build_artifact
            - smoke_test
            - canary_deploy
            - monitor_metrics
            - promote_or_rollback
          gates:
            max_p95_latency_ms: 250
            max_error_rate: 0.5
            min_quality_score: 0.92
          rollback:
            strategy: "immediate"
            previous_version: "v11"
        """

    static let section6 = """
        release_pipeline:
          name: "fraud-model-v12"
          stages:
            - smoke_test
            - canary_deploy: { steps: [1%, 5%, 25%, 50%, 100%], min_samples: 50, hold: 20s }
            - monitor_metrics: { for: 1m, deadline: 30m, on_undecided: rollback }      # extend | rollback | ask
            - promote_or_rollback: { bake: 10m }
          gates: { max_p95_latency_ms: 250, max_error_rate: 1%, min_quality_score: 0.85, max_error_rate_increase: 2x }
          rollback: { strategy: immediate, previous_version: v11 }
        """

    static func spec(_ yaml: String) throws -> ReleaseSpec { try ReleaseSpec(try House.node(yaml, key: "release_pipeline")) }

    /// A registry with fraud-model, and a route on which v11 has everything.
    static func surroundings(_ change: (inout Surroundings) throws -> Void = { _ in }) throws -> Surroundings {
        var here = Surroundings()
        here.model = Fixture.model()
        here.modelNames = ["fraud-model"]
        here.versionNames = ["v11"]
        here.route = try JSONValue.object([
            "id": 1, "name": "fraud", "match": ["path": "/fraud"], "unit": "client",
            "variants": [["id": 0, "name": "v11", "url": "http://127.0.0.1:9001/"]],
            "timeouts": JSONValue(encoding: RouteTimeouts()),
            "split": JSONValue(encoding: TrafficSplit(route: "fraud", shares: [VariantID(0): 10_000])),
        ]).decoded()
        try change(&here)
        return here
    }

    static func plan(_ yaml: String, _ change: (inout Surroundings) throws -> Void = { _ in }) throws -> ReleasePlan {
        try ReleasePlan(try spec(yaml), file: "test.yaml", seeing: try surroundings(change))
    }

    @Test func `of the design reads as it stands, with the documented defaults`() throws {
        let plan = try Self.plan(Self.designs)
        #expect(plan.version == VersionID(model: "fraud-model", version: "v12"))
        #expect(plan.steps.map(\.share) == [100, 500, 2_500, 5_000, 10_000])
        #expect(plan.steps.allSatisfy { $0.samplesMin == 50 && $0.hold == 30_000 })
        #expect(plan.previous == "v11")
        let gates = plan.json["gates"]?.arrayValue ?? []
        #expect(gates.map { $0["name"] } == ["max_p95_latency_ms", "max_error_rate", "min_quality_score"])
        #expect(gates[1]["limit"]?.numberValue == 0.005)
        #expect(gates[1]["unit"] == "fraction")
        #expect(gates[1]["reads"] == "at most 0.5 %")
        #expect(plan.work.allSatisfy { !$0.idle })
    }

    @Test func `of section 6 reads its options`() throws {
        let plan = try Self.plan(Self.section6)
        #expect(plan.steps.allSatisfy { $0.hold == 20_000 })
        #expect(plan.spec.monitor.lookFor == 60_000)
        #expect(plan.spec.monitor.deadline == 1_800_000)
        #expect(plan.spec.promote.bake == 600_000)
        #expect(plan.json["gates"]?[1]?["limit"]?.numberValue == 0.01)
        #expect(plan.json["gates"]?[3]?["unit"] == "ratio")
    }

    @Test func `says when its holds leave no time before the deadline`() throws {
        func notes(_ monitor: String) throws -> [String] {
            try Self.plan(
                """
                release_pipeline:
                  name: fraud-model-v12
                  stages:
                    - canary_deploy: { steps: [1%, 10%, 100%], hold: 20m }
                    - monitor_metrics: { \(monitor) }
                    - promote_or_rollback
                  gates: { max_error_rate: 1% }
                """
            ).notes
        }
        #expect(try notes("for: 1m, deadline: 1h").contains { $0.contains("never be promoted by its gates") })
        #expect(try notes("for: 1m, deadline: 62m").isEmpty)
        #expect(try notes("for: 1m, deadline: 1h, on_undecided: extend").isEmpty)
    }

    @Test(arguments: [
        ("steps: [1%, 10%]", "min_canary_coverage: 20%", "at most 10 % of the requests"),
        ("steps: [1%, 10%]", "min_canary_coverage: 5%", nil),
        ("steps: [100%]", "max_error_rate_increase: 2x", "no traffic to compare with"),
        ("steps: [50%, 100%]", "max_p95_increase: 2x", nil), ("steps: [100%]", "max_error_rate: 1%", nil),
    ])
    func `says when no traffic of its steps can make a gate pass`(steps: String, gate: String, says: String?) throws {
        let notes = try Self.plan(
            """
            release_pipeline:
              name: fraud-model-v12
              stages:
                - canary_deploy: { \(steps) }
                - monitor_metrics
                - promote_or_rollback
              gates: { \(gate) }
            """
        ).notes
        #expect(notes.count == (says == nil ? 0 : 1))
        if let says { #expect(notes.first?.contains(says) == true, "\(notes)") }
    }

    @Test func `takes one value for every step, or one for each`() throws {
        let yaml = """
            release_pipeline:
              name: fraud-model-v12
              stages:
                - canary_deploy: { steps: [1%, 10%], min_samples: [5, 20], hold: 2s }
            """
        let steps = try Self.spec(yaml).canary.steps
        #expect(steps.map(\.samplesMin) == [5, 20])
        #expect(steps.map(\.hold) == [2_000, 2_000])
    }

    @Test(arguments: [
        ("name: fraudmodel\n  stages: [smoke_test]", "does not name a version", "fraud-model-v12"),
        ("name: a-v1\n  stages: [smoke_tests]", "smoke_tests is not a stage", "did you mean smoke_test?"),
        ("name: a-v1\n  stages: [smoke_test, build_artifact]", "cannot follow", "move it before smoke_test"),
        ("name: a-v1\n  stages: [smoke_test, smoke_test]", "cannot follow", "name it once"),
        ("name: a-v1\n  stages: []", "names no stage", "name at least one"),
        ("name: a-v1\n  stage: [smoke_test]", "stage", "stages"),
        ("name: a-v1\n  stages: [canary_deploy: { step: [1%] }]", "step", "steps"),
        ("name: a-v1\n  stages: [canary_deploy: { steps: [1, 5] }]", "1 is not a share", "5%"),
        ("name: a-v1\n  stages: [canary_deploy: { steps: [5%, 1%] }]", "do not rise", "rising order"),
        ("name: a-v1\n  stages: [canary_deploy: { steps: [0%] }]", "0% is not a share", "5%"),
        ("name: a-v1\n  stages: [canary_deploy: { steps: [1%, 5%], hold: [1s] }]", "1 values for 2 steps", "2 values"),
        ("name: a-v1\n  stages: [canary_deploy: { hold: 20 }]", "20", ""),
        ("name: a-v1\n  stages: [monitor_metrics: { on_undecided: rolback }]", "rolback is not", "did you mean rollback?"),
        ("name: a-v1\n  stages: [monitor_metrics: { for: 1h, deadline: 1m }]", "deadline comes before", "deadline"),
        ("name: a-v1\n  stages: [smoke_test]\n  rollback: { strategy: slow }", "slow is not", "immediate"),
    ]) func `with a mistake is refused with its file and line`(yaml: String, what: String, fix: String) throws {
        let fault = #expect(throws: Fault.self) { _ = try Self.spec("release_pipeline:\n  " + yaml) }
        #expect(fault?.kind == .badConfiguration)
        #expect(fault?.what.contains(what) == true, "\(fault?.what ?? "")")
        #expect(fault?.fix.contains(fix) == true, "\(fault?.fix ?? "")")
        #expect(fault?.why.contains("test.yaml line") == true, "\(fault?.why ?? "")")
    }

    @Test func `of an unknown model says how to apply one`() {
        let fault = #expect(throws: Fault.self) { _ = try Self.plan(Self.designs) { $0.model = nil } }
        #expect(fault?.what == "there is no model fraud-model")
        #expect(fault?.fix.contains("fraud-model-v12") == true || fault?.fix.contains("model apply") == true)
    }

    @Test func `says of each stage whose part is missing that it does nothing`() throws {
        let plan = try Self.plan("release_pipeline: { name: fraud-model-v12, stages: [build_artifact, smoke_test, canary_deploy] }")
        {
            $0.model = Fixture.model(extra: ["build": .null, "smoke": .null, "serve": .null])
        }
        #expect(plan.work.map(\.idle) == [true, true, true])
        #expect(plan.work[0].does == "nothing: model fraud-model declares no build")
        #expect(plan.work[1].does == "nothing: model fraud-model declares no smoke requests")
        #expect(plan.work[2].does.hasPrefix("nothing: model fraud-model declares no serve"))
    }

    @Test func `of a version that is served elsewhere builds and starts nothing`() throws {
        let plan = try Self.plan(Self.designs) { $0.model?.servedVersions = ["v12": "http://127.0.0.1:9002/"] }
        #expect(plan.serving == .at(url: "http://127.0.0.1:9002/"))
        #expect(plan.work[0].does == "nothing: v12 is already served at http://127.0.0.1:9002/")
        #expect(plan.work[2].does.hasPrefix("uses http://127.0.0.1:9002/"))
    }

    @Test func `whose model has no route moves no traffic, and says so`() throws {
        let yaml = "release_pipeline: { name: fraud-model-v12, stages: [build_artifact, canary_deploy, promote_or_rollback] }"
        let plan = try Self.plan(yaml) { here in
            here.model = Fixture.model(route: nil)
            here.route = nil
        }
        #expect(plan.route == nil)
        #expect(plan.work[1].does == "nothing: model fraud-model names no route")
        #expect(plan.work[2].does == "marks v12 as the stable version; no traffic moves")
    }

    @Test func `with a gate that nothing measures is refused`() throws {
        let noMetric = #expect(throws: Fault.self) {
            _ = try Self.plan(Self.designs) { $0.model = Fixture.model(extra: ["qualityMetric": .null]) }
        }
        #expect(noMetric?.what == "gate min_quality_score has nothing to measure")
        #expect(noMetric?.why.contains("test.yaml line") == true)
        let noCanary = #expect(throws: Fault.self) {
            _ = try Self.plan(
                "release_pipeline: { name: fraud-model-v12, stages: [build_artifact, promote_or_rollback], gates: { max_error_rate: 1% } }"
            )
        }
        #expect(noCanary?.fix == "add canary_deploy, or remove the gates")
        let noRoute = #expect(throws: Fault.self) {
            _ = try Self.plan(Self.designs) { here in
                here.model = Fixture.model(route: nil)
                here.route = nil
            }
        }
        #expect(noRoute?.why.contains("names no route") == true)
    }

    @Test func `goes back to the stable version unless it names one that can take the traffic`() throws {
        let named = Self.designs.split(separator: "v11").joined(separator: "v10")
        let unknown = #expect(throws: Fault.self) { _ = try Self.plan(named) }
        #expect(unknown?.what == "previous_version v10 is neither stable nor healthy")
        #expect(unknown?.fix.contains("leave previous_version out (the stable v11 is used)") == true)
        let ill = #expect(throws: Fault.self) {
            _ = try Self.plan(named) { here in
                here.versionNames.append("v10")
                here.previousTrouble = "http://127.0.0.1:1/ does not answer"
            }
        }
        #expect(ill?.why.contains("does not answer") == true)
        let healthy = try Self.plan(named) { $0.versionNames.append("v10") }
        #expect(healthy.previous == "v10")
    }

    @Test func `of the version that is stable already is refused`() throws {
        let fault = #expect(throws: Fault.self) { _ = try Self.plan(Self.designs.split(separator: "v12").joined(separator: "v11")) }
        #expect(fault?.kind == .conflict)
    }

    @Test func `that serves an artifact nobody builds is refused`() throws {
        let yaml = "release_pipeline: { name: fraud-model-v12, stages: [canary_deploy] }"
        let fault = #expect(throws: Fault.self) {
            _ = try Self.plan(yaml) { here in
                here.model = Fixture.model(
                    extra: [
                        "serve": ["run": "serve {artifact} {port}", "ready": "/r", "path": "/p", "readyTimeoutMilliseconds": 1_000]
                    ])
            }
        }
        #expect(fault?.fix == "add build_artifact as the first stage")
    }
}

struct `A route's shares during a release` {
    @Test func `leave the others in proportion, and come back as they were`() {
        let baseline = Baseline(shares: ["a": 6_000, "b": 3_000, "c": 1_000], candidate: "c", stable: "a", previous: "a")
        #expect(baseline.shares(candidateAt: 100) == ["a": 6_600, "b": 3_300, "c": 100])
        #expect(baseline.shares(candidateAt: 10_000) == ["a": 0, "b": 0, "c": 10_000])
        #expect(baseline.restored == ["a": 7_000, "b": 3_000, "c": 0])
    }

    @Test(arguments: Array(stride(from: 0, through: 10_000, by: 37))) func `sum to all of the traffic`(share: Int) {
        let baseline = Baseline(shares: ["a": 3_333, "b": 3_333, "d": 3_334], candidate: "c", stable: "a", previous: "a")
        let shares = baseline.shares(candidateAt: share)
        #expect(shares.values.reduce(0, +) == 10_000)
        #expect(shares["c"] == share)
    }

    @Test func `go to another previous version when the pipeline names one`() {
        let baseline = Baseline(shares: ["v11": 10_000], candidate: "v12", stable: "v11", previous: "v10")
        #expect(baseline.restored == ["v11": 0, "v12": 0, "v10": 10_000])
    }
}
