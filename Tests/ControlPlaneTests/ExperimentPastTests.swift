import JSON
import Outcomes
import Routing
import Telemetry
import Testing

@testable import ControlPlane

/// What a route saw before an experiment: how long the experiment takes, and how much of the noise is already known.
struct ExperimentPastTests {
    private static func experiment(_ primary: String, _ decision: String = "auto: none, max_duration: 14d", more: String = "")
        -> String
    {
        """
        experiment:
          name: better-fraud
          route: fraud
          variants:
            control: { url: "http://127.0.0.1:9001/infer", share: 50% }
            other:   { url: "http://127.0.0.1:9002/infer", share: 50% }
        \(more)  metrics:
            primary: { \(primary) }
          decision: { \(decision) }
        """
    }

    private static func answers(
        _ count: UInt64, from first: UInt64, variant: VariantID = VariantID(0), propensity: UInt16 = 5_000, at: Timestamp
    ) -> [Exposure] {
        (first..<first + count).map { unit in
            Exposure(
                request: RequestID(instance: 9, loop: 0, sequence: unit, nonce: unit), route: RouteID(1), variant: variant,
                kind: .success, status: 200, propensity: propensity, unit: UnitID("user-\(unit % 4_000)").hash, tablePosition: 1,
                at: at,
                latencyMicroseconds: UInt32(1_000 + unit * 7_919 % 9_000), bytesIn: 1, bytesOut: 1)
        }
    }

    /// From 0 to 10, and the same whenever the unit comes.
    private static func worth(_ exposure: Exposure) -> Double { Double((exposure.unit >> 8) % 1_000) / 100 }

    /// 4 000 answers in three hours, each with feedback: about 30 000 units a day.
    private static func house() async throws -> (DaemonHouse, OutcomeStore) {
        let house = try await DaemonHouse()
        #expect(try await house.apply(DaemonHouse.route).status == 200)
        let outcomes = try house.daemon.services().outcomes
        let now = Timestamp.now()
        let past = answers(4_000, from: 0, at: Timestamp(milliseconds: now.milliseconds - 3 * 3_600_000))
        try await outcomes.record(past)
        var events: [OutcomeStore.Feedback] = []
        for exposure in past {
            let worth = Self.worth(exposure)
            events.append(.init(target: .request(exposure.request), metric: "worth", value: worth, idempotencyKey: nil))
            events.append(.init(target: .request(exposure.request), metric: "cost", value: 1 + worth, idempotencyKey: nil))
        }
        _ = try await outcomes.feed(events, at: Timestamp(milliseconds: now.milliseconds - 3 * 3_600_000 + 1))
        return (house, outcomes)
    }

    private static func plan(
        _ house: DaemonHouse, _ text: String, _ assume: JSONValue? = nil
    ) async throws -> (status: Int, json: JSONValue) {
        let file: JSONValue = ["name": "test.yaml", "directory": "/tmp", "text": .string(text)]
        var body: [String: JSONValue] = ["files": [file]]
        body["assume"] = assume
        return try await house.call("POST", "/api/v1/experiments/plan", .object(body))
    }

    @Test func `every kind of metric is counted, and what would never finish is refused by plan and apply with ways out`()
        async throws
    {
        let (house, _) = try await Self.house()
        for primary in [
            "name: worth, type: mean, minimum_effect: 1", "name: worth, type: count, minimum_effect: 1",
            "name: worth, type: ratio, denominator: cost, minimum_effect: 0.05",
            "name: worth, type: quantile, quantile: 0.9, minimum_effect: 0.5",
            "name: latency_ms, type: quantile, quantile: 0.95, minimum_effect: 1", "name: error, minimum_effect: 0.01",
        ] {
            let plan = try await Self.plan(house, Self.experiment(primary)).json
            let expected = plan["plans"]?[0]?["expectation"]
            let units = try #require(expected?["units_per_variant"]?.numberValue, "\(primary): \(plan.canonicalText)")
            let once = try #require(expected?["units_per_variant_looked_once"]?.numberValue)
            #expect(once > 10 && units > once && units < 3 * once, "\(primary): \(units), looked at once \(once)")
            #expect(try #require(expected?["expected_seconds"]?.numberValue) > 0)
        }
        // A mean of uniform values from 0 to 10: 2 * variance * (z + z)^2 / effect^2.
        let mean = try await Self.plan(house, Self.experiment("name: worth, type: mean, minimum_effect: 0.5")).json
        let once = mean["plans"]?[0]?["expectation"]?["units_per_variant_looked_once"]?.numberValue
        let byHand = 2 * 8.333 * 7.849 / 0.25
        #expect(abs(try #require(once) / byHand - 1) < 0.05)

        let endless = Self.experiment("name: worth, type: mean, minimum_effect: 0.001", "auto: none, max_duration: 1d")
        let refused = try await Self.plan(house, endless)
        #expect(refused.status == 409 && refused.json["error"]?["what"] == "better-fraud would not finish.")
        let fix = try #require(refused.json["error"]?["fix"]?.stringValue)
        #expect(fix.contains("minimum_effect: 0.") && fix.contains("variants"), "\(fix)")
        let applied = try await house.apply(endless)
        #expect(applied.status == 409 && applied.json["error"]?["fix"]?.stringValue?.contains("minimum_effect") == true)
        // What it advises is enough.
        let advised = try #require(fix.split(separator: "`").first { $0.hasPrefix("minimum_effect") })
        let smaller = Self.experiment("name: worth, type: mean, \(advised)", "auto: none, max_duration: 1d")
        #expect(try await Self.plan(house, smaller).status == 200)
        await house.daemon.drain()
    }

    @Test func `without traffic a plan counts with what is said, else with the worst, and says which`() async throws {
        let house = try await DaemonHouse()
        #expect(try await house.apply(DaemonHouse.route).status == 200)
        func expectation(_ primary: String, _ assume: JSONValue? = nil) async throws -> JSONValue {
            let plan = try await Self.plan(house, Self.experiment(primary), assume).json
            return plan["plans"]?[0]?["expectation"] ?? .null
        }
        let binary = "name: solved, type: binary, minimum_effect: 0.02"
        let worst = try await expectation(binary)
        // Looked at once: 2 * 0.25 * (z + z)^2 / 0.02^2.
        let once = try #require(worst["units_per_variant_looked_once"]?.numberValue)
        #expect(abs(once / 9_811 - 1) < 0.01 && worst["baseline"] == .null && worst["expected_seconds"] == .null)
        #expect(worst["assumed"]?.stringValue?.contains("one half") == true)
        let said = try await expectation(binary, ["baseline": 0.1, "units_per_day": 20_000])
        #expect(abs(try #require(said["units_per_variant_looked_once"]?.numberValue) / (once * 0.36) - 1) < 0.01)
        let seconds = try #require(said["expected_seconds"]?.numberValue)
        let units = try #require(said["units_per_variant"]?.numberValue)
        #expect(abs(seconds / (2 * units / 20_000 * 86_400) - 1) < 0.01)
        for primary in ["type: mean", "type: count", "type: ratio, denominator: cost", "type: quantile, quantile: 0.9"] {
            let guessed = try await expectation("name: worth, \(primary), minimum_effect: 0.5")
            #expect(guessed["units_per_variant"]?.numberValue ?? 0 > 100, "\(primary): \(guessed.canonicalText)")
            #expect(guessed["assumed"]?.stringValue?.contains("--deviation") == true)
        }
        // Said traffic that can never be enough is refused; a guess refuses nothing.
        let endless = Self.experiment("name: worth, type: mean, minimum_effect: 0.001", "auto: none, max_duration: 1h")
        #expect(try await Self.plan(house, endless).status == 200)
        #expect(try await Self.plan(house, endless, ["deviation": 1, "units_per_day": 1_000]).status == 409)
        await house.daemon.drain()
    }

    @Test func `what units were worth before narrows what is seen of them now`() async throws {
        let (house, outcomes) = try await Self.house()
        let primary = "name: spent, type: mean, minimum_effect: 0.1, window: 1h, covariate: worth"
        #expect(try await house.apply(Self.experiment(primary)).status == 200)
        let experiment = try #require(await house.daemon.services().routes.route("fraud")?.experiments.first)
        let now = Timestamp.now()
        for arm in 0..<2 as Range<UInt64> {
            // Each unit twice: its past still counts once.
            for turn in 0..<2 as Range<UInt64> {
                let exposures = Self.answers(
                    4_000, from: 10_000 * (1 + arm + 2 * turn), variant: experiment.variants[Int(arm)], at: now
                ).filter { ($0.unit >> 20) % 2 == arm }
                try await outcomes.record(exposures)
                let events = exposures.map { exposure -> OutcomeStore.Feedback in
                    let noise = Double(exposure.latencyMicroseconds) / 10_000
                    let spent = Self.worth(exposure) + noise + (arm == 1 ? 0.2 : 0)
                    return .init(target: .request(exposure.request), metric: "spent", value: spent, idempotencyKey: nil)
                }
                _ = try await outcomes.feed(events, at: now + .milliseconds(1))
            }
        }
        let deadline = ContinuousClock.now + .seconds(60)
        var arm = JSONValue.null
        repeat {
            let status = try await house.call("GET", "/api/v1/experiments/better-fraud").json
            arm = status["evidence"]?["metrics"]?[0]?["variants"]?[1] ?? .null
            if arm["observations"]?.integerValue ?? 0 > 3_500 { break }
            try await Task.sleep(for: .milliseconds(20))
        } while ContinuousClock.now < deadline
        #expect(try #require(arm["variance_reduction"]?.numberValue) > 0.9)
        #expect(abs(try #require(arm["difference"]?.numberValue) - 0.2) < 0.03, "\(arm.canonicalText)")
        #expect(try #require(arm["interval"]?[0]?.numberValue) > 0)
        await house.daemon.drain()
    }
}
