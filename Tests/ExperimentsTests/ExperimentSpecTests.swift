import Experiments
import Faults
import JSON
import Routing
import Testing
import YAML

struct ExperimentSpecTests {
    static let example = """
        experiment:
          name: friendlier-support
          route: support
          unit: "header:X-User-Id"
          variants:
            control:    { prompt: support@v3, share: 50% }
            friendlier: { prompt: support@v4, share: 50% }
          allocation: { strategy: fixed }        # thompson | top_two | epsilon_greedy | linucb | lints, with floor, warm_up, reweight_every, discount
          metrics:
            primary: { name: resolved, type: binary, direction: up, minimum_effect: 0.02, window: 24h }
            guardrails:
              - { name: latency_ms, type: quantile, quantile: 0.95, max_increase: 10% }
              - { name: cost_usd, type: mean, max_increase: 5% }
          decision: { alpha: 0.05, power: 0.8, auto: promote, max_duration: 14d }
        """

    static func spec(_ text: String) throws -> ExperimentSpec {
        let documents = try YAMLNode.documents(in: text, file: "experiment.yaml")
        return try ExperimentSpec(try documents[0].mapping("a resource").required("experiment"))
    }

    static func fault(_ text: String) -> Fault? {
        do {
            _ = try spec(text)
            return nil
        } catch { return error as? Fault }
    }

    /// The example with one line changed.
    private func changed(_ part: String, _ other: String) -> String { Self.example.replacing(part, with: other) }

    @Test func `the example of the issue is read as it is meant`() throws {
        let spec = try Self.spec(Self.example)
        #expect(spec.name == "friendlier-support" && spec.route == "support" && spec.unit?.text == "header:X-User-Id")
        #expect(spec.variants.map(\.name) == ["control", "friendlier"])
        #expect(spec.variants.map(\.servingText) == ["prompt support@v3", "prompt support@v4"])
        #expect(spec.shares == ["control": 5_000, "friendlier": 5_000])
        #expect(spec.allocation.strategy == .fixed)
        #expect(spec.metrics.primary.kind == .binary && spec.metrics.primary.minimumEffect == 0.02)
        #expect(spec.metrics.primary.window == 86_400_000)
        #expect(spec.metrics.guardrails.map(\.maximumHarm) == [0.1, 0.05])
        #expect(spec.metrics.guardrails.map(\.metric.direction) == [.down, .down])
        #expect(spec.metrics.guardrails[0].metric.quantile == 0.95)
        #expect(spec.decision == Decision(alpha: 0.05, power: 0.8, auto: .promote, maxDuration: 14 * 86_400_000))
        #expect(spec.targeting == ExperimentSpec.Targeting())
    }

    @Test func `a covariate is what is known of units from before: no quantile has one, and no figure of models is one`() throws {
        let text = changed("minimum_effect: 0.02, window: 24h", "minimum_effect: 0.02, window: 24h, covariate: latency_ms")
        #expect(try Self.spec(text).metrics.primary.covariate == "latency_ms")
        let quantile = changed("quantile: 0.95, max_increase", "quantile: 0.95, covariate: latency_ms, max_increase")
        #expect(Self.fault(quantile)?.what.contains("a quantile has no covariate") == true)
        let model = changed("name: cost_usd, type: mean", "name: cost_usd, type: mean, covariate: cost_usd")
        #expect(Self.fault(model)?.what.contains("cost_usd cannot be a covariate") == true)
    }

    @Test func `targeting, overrides, a ramp and a bandit's options are read`() throws {
        let text =
            changed(
                "allocation: { strategy: fixed }",
                "allocation: { strategy: top_two, floor: 2%, warm_up: 20, reweight_every: 2s, discount: 1h, sticky: user }"
            ) + """

                  targeting:
                    namespace: { name: chat, range: [0%, 50%] }
                    ramp: [{ coverage: 1%, hold: 10m }, { coverage: 100% }]
                    attributes: { country: "header:X-Country", plan: "json:/user/plan", tenant: "token:tenant" }
                    condition: { country: { $in: [DE, AT] } }
                    overrides: { tester-1: friendlier }
                    hashing: growthbook_v2
                    seed: winter
                """
        let spec = try Self.spec(text)
        #expect(
            spec.allocation
                == Allocation(
                    strategy: .topTwo, floor: 200, warmUp: 20, reweightEvery: 2_000, discount: 3_600_000, stickiness: .user))
        #expect(spec.targeting.namespace == ExperimentSpec.Targeting.Namespace(name: "chat", lower: 0, upper: 5_000))
        #expect(spec.targeting.ramp.map(\.coverage) == [100, 10_000] && spec.targeting.ramp[0].hold == 600_000)
        #expect(spec.targeting.overrides == ["tester-1": "friendlier"] && spec.targeting.hashing == .growthBook2)
        #expect(spec.targeting.condition?["country"]?["$in"] == ["DE", "AT"])
    }

    @Test func `variants without shares get equal ones, and the control stands first`() throws {
        let text = changed(", share: 50%", "")
            .replacing("friendlier: {", with: "blunt: { url: \"http://127.0.0.1:9001/\" }\n    friendlier: {")
            .replacing("  allocation:", with: "  control: blunt\n  allocation:")
        let spec = try Self.spec(text)
        #expect(spec.variants.map(\.name) == ["blunt", "control", "friendlier"])
        #expect(spec.variants.map(\.basisPoints).reduce(0, +) == 10_000)
        #expect(spec.control.name == "blunt")
    }

    @Test(arguments: [
        ("primary:", "primry:", "primary", 10),
        ("type: binary", "type: binry", "binary", 10),
        ("strategy: fixed", "strategy: thomson", "thompson", 8),
        ("strategy: fixed", "strategy: fixed, floor: 1%", "remove it", 8),
        ("minimum_effect: 0.02", "minimum_effect: 2%", "0.02", 10),
        ("direction: up, minimum_effect: 0.02, ", "", "minimum_effect", 10),
        ("share: 50% }\n    friendlier", "share: 60% }\n    friendlier", "100 %", 6),
        ("prompt: support@v4", "prompt: support", "support@v4", 7),
        ("prompt: support@v4", "prompt: support@v4, url: \"http://h:1/\"", "url", 7),
        ("max_increase: 5%", "max_incrase: 5%", "max_increase", 13),
        ("max_increase: 5%", "max_increase: 0%", "5%", 13),
        ("auto: promote", "auto: promot", "promote", 14),
        ("max_duration: 14d", "max_duration: 14", "14", 14),
        ("alpha: 0.05", "alpha: 0.9", "0.05", 14),
        ("strategy: fixed", "strategy: linucb", "features", 8),
        ("type: quantile, quantile: 0.95", "type: binary", "quantile", 12),
    ])
    func `a mistake is refused at its line, with the way to mend it`(part: String, other: String, fix: String, line: Int) throws {
        let fault = try #require(Self.fault(changed(part, other)), "\(other) was taken")
        #expect(fault.kind == .badConfiguration)
        #expect(fault.why.contains("experiment.yaml line \(line):"), "\(fault)")
        #expect("\(fault.what) \(fault.why) \(fault.fix)".contains(fix), "\(fault)")
    }

    @Test func `a metric that is named twice in the same way is refused`() throws {
        let text = changed(
            "    guardrails:", "    secondary:\n      - { name: cost_usd, type: mean, direction: down }\n    guardrails:")
        #expect(Self.fault(text)?.fix == "name it once")
    }

    @Test func `where a file's lines stand changes nothing`() throws {
        let spec = try Self.spec(Self.example)
        let moved = try Self.spec("\n\n" + Self.example)
        #expect(spec != moved && spec.isSame(as: moved))
    }
}
