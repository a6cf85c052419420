import Experiments
import JSON
import Statistics
import Testing

/// Evidence as a pure fold, and what follows from it.
@Suite struct ExperimentAnalysisTests {
    private static func metric(
        _ kind: Metric.Kind, _ name: String = "resolved", up isUp: Bool = true, effect: Double? = nil
    ) -> Metric {
        Metric(
            name: name, kind: kind, direction: isUp ? .up : .down, minimumEffect: effect, quantile: kind == .quantile ? 0.9 : nil)
    }

    /// Units of two variants in turn, each with one value of every metric.
    private static func analysis(
        _ metrics: ExperimentMetrics, units: Int, seed: UInt64 = 7, value: (Int, inout SplitMix64) -> [String: Double]
    ) -> ExperimentAnalysis {
        var analysis = ExperimentAnalysis(metrics: metrics, arms: ["control", "other"], decision: Decision())
        var random = SplitMix64(seed: seed)
        for _ in 0..<units {
            let unit = random.next()
            let arm = random.unit() < 0.5 ? 1 : 0
            analysis.expose(unit: unit, arm: arm, propensity: 5_000)
            analysis.expose(unit: unit, arm: arm, propensity: 5_000)  // seen again: counts once
            for (name, value) in value(arm, &random) {
                analysis.observe(metric: name, unit: unit, arm: arm, propensity: 5_000, value: value)
            }
        }
        return analysis
    }

    @Test(arguments: Metric.Kind.allCases)
    func `what is taken back was never there, and what is written down is read again`(kind: Metric.Kind) throws {
        var evidence = MetricEvidence(Self.metric(kind), arms: 3)
        var random = SplitMix64(seed: 5)
        for unit in 0..<400 as Range<UInt64> {
            let arm = Int(unit % 3)
            evidence.expose(unit: unit % 150, arm: arm, propensity: 3_333)
            evidence.observe(unit: unit % 150, arm: arm, propensity: 3_333, value: Double(random.next() % 2), denominator: 2)
        }
        let before = evidence
        evidence.observe(unit: 9, arm: 1, propensity: 3_333, value: 1, denominator: 2)
        evidence.retract(unit: 9, arm: 1, propensity: 3_333, value: 1, denominator: 2)
        #expect(evidence == before)
        let read = try JSONValue(encoding: evidence).decoded(as: MetricEvidence.self)
        #expect(read == evidence && read.reading(alpha: 0.05) == evidence.reading(alpha: 0.05))
    }

    @Test func `a better variant wins, with its evidence`() {
        let analysis = Self.analysis(ExperimentMetrics(primary: Self.metric(.binary)), units: 4_000) { arm, random in
            ["resolved": random.unit() < (arm == 1 ? 0.4 : 0.3) ? 1 : 0]
        }
        let verdict = analysis.verdict()
        #expect(verdict.outcome == .better && verdict.winner == "other" && verdict.blockedBy == nil)
        let reading = verdict.readings[0].arms[1]
        #expect((reading.lower ?? 0) > 0 && (reading.pValue ?? 1) < 0.05 && (reading.probabilityBest ?? 0) > 0.99)
        #expect(reading.units + verdict.readings[0].arms[0].units == 4_000)
        #expect(verdict.json["outcome"] == "better" && verdict.json["metrics"]?[0]?["variants"]?[1]?["p_value"] != .null)
    }

    @Test func `no difference is undecided with what is needed, and equivalent once the interval is narrow`() {
        let metrics = ExperimentMetrics(primary: Self.metric(.mean, effect: 0.5))
        let few = Self.analysis(metrics, units: 60) { _, random in ["resolved": 10 * random.unit()] }.verdict()
        #expect(few.outcome == .undecided && (few.unitsNeeded ?? 0) > 100 && few.stillNeeded != nil)
        let many = Self.analysis(metrics, units: 12_000) { _, random in ["resolved": 10 * random.unit()] }.verdict()
        #expect(many.outcome == .equivalent && many.winner == nil)
    }

    @Test func `a guardrail that is hurt ends it, however good the primary metric is`() throws {
        let guardrail = Guardrail(metric: Self.metric(.mean, "cost_usd", up: false), maximumHarm: 0.05)
        let metrics = ExperimentMetrics(primary: Self.metric(.binary), guardrails: [guardrail])
        let verdict = Self.analysis(metrics, units: 3_000) { arm, random in
            ["resolved": random.unit() < (arm == 1 ? 0.6 : 0.3) ? 1 : 0, "cost_usd": (arm == 1 ? 1.5 : 1) + random.unit()]
        }.verdict()
        #expect(verdict.outcome == .worse && verdict.winner == "control")
        #expect(try #require(verdict.stoppedBy).hasPrefix("cost_usd of other is "))
    }

    @Test func `units that do not arrive block every verdict`() {
        var analysis = ExperimentAnalysis(
            metrics: ExperimentMetrics(primary: Self.metric(.binary)), arms: ["control", "other"], decision: Decision())
        for unit in 0..<3_000 as Range<UInt64> {
            let arm = unit % 5 < 2 ? 1 : 0
            analysis.expose(unit: unit &* 0x9e37_79b9_7f4a_7c15, arm: arm, propensity: 5_000)
            analysis.observe(metric: "resolved", unit: unit, arm: arm, propensity: 5_000, value: Double(arm))
        }
        let verdict = analysis.verdict()
        #expect(verdict.outcome == .undecided && verdict.winner == nil && verdict.blockedBy != nil)
        #expect((verdict.sampleRatioPValue ?? 1) < 0.001)
    }

    @Test func `an override is not analysed, and a new variant is compared from then on`() {
        var analysis = ExperimentAnalysis(
            metrics: ExperimentMetrics(primary: Self.metric(.count)), arms: ["control", "other"], decision: Decision())
        analysis.expose(unit: 1, arm: 1, propensity: 0)
        analysis.observe(metric: "resolved", unit: 1, arm: 1, propensity: 0, value: 3)
        #expect(analysis.verdict().readings[0].arms.allSatisfy { $0.units == 0 && $0.observations == 0 })
        analysis.addArm("third")
        analysis.expose(unit: 2, arm: 2, propensity: 3_000)
        analysis.retireArm(1)
        let verdict = analysis.verdict()
        #expect(verdict.variants == ["control", "other", "third"] && verdict.readings[0].arms[2].units == 1)
        #expect(verdict.outcome == .undecided)
    }

    @Test func `one heavy user is one user: the design effect of repeating units is seen`() {
        var (fresh, heavy) = (MetricEvidence(Self.metric(.binary), arms: 2), MetricEvidence(Self.metric(.binary), arms: 2))
        // 300 hits of 3 000 in the one variant, 180 in the other: of as many users, or of a dozen of them.
        for place in 0..<6_000 as Range<UInt64> {
            let arm = Int(place % 2)
            let isHit = place / 2 < (arm == 1 ? 300 : 180)
            let isHeavy = isHit || place / 2 < 400
            fresh.observe(unit: place &* 0x9e37_79b9_7f4a_7c15, arm: arm, propensity: 5_000, value: isHit ? 1 : 0)
            heavy.observe(
                unit: isHeavy ? place % 8 : place &* 0x9e37_79b9_7f4a_7c15, arm: arm, propensity: 5_000, value: isHit ? 1 : 0)
        }
        #expect(fresh.comparison(of: 1, alpha: 0.05).pValue < 0.001)
        #expect(heavy.comparison(of: 1, alpha: 0.05).pValue > 0.5)
        #expect(heavy.reading(alpha: 0.05).method.contains("units repeat"))
    }

    @Test func `what was known before makes the interval narrower and moves no truth`() throws {
        var (plain, adjusted) = (MetricEvidence(Self.metric(.mean), arms: 2), MetricEvidence(Self.metric(.mean), arms: 2))
        var random = SplitMix64(seed: 3)
        for unit in 0..<4_000 as Range<UInt64> {
            let past = random.unit() * 10
            let value = past + random.unit() + (unit % 2 == 1 ? 0.3 : 0)
            plain.expose(unit: unit, arm: Int(unit % 2), propensity: 5_000)
            adjusted.expose(unit: unit, arm: Int(unit % 2), propensity: 5_000, covariate: past)
            plain.observe(unit: unit, arm: Int(unit % 2), propensity: 5_000, value: value)
            adjusted.observe(unit: unit, arm: Int(unit % 2), propensity: 5_000, value: value)
        }
        func width(_ evidence: MetricEvidence) throws -> Double {
            let interval = try #require(evidence.reading(alpha: 0.05).arms[1].interval)
            #expect(interval.contains(0.3))
            return try #require(interval.upper) - #require(interval.lower)
        }
        #expect(try width(adjusted) < 0.25 * width(plain))
    }

    @Test func `a reading of a million exposures takes no longer than one of a thousand`() {
        let metrics = ExperimentMetrics(
            primary: Self.metric(.binary),
            guardrails: [Guardrail(metric: Self.metric(.quantile, "ms", up: false), maximumHarm: 0.1)])
        let few = Self.analysis(metrics, units: 2_000) { _, random in ["resolved": 1, "ms": 100 * random.unit()] }
        let many = Self.analysis(metrics, units: 30_000) { _, random in ["resolved": 1, "ms": 100 * random.unit()] }
        // Sufficient statistics: what is written down grows with the cells, not with the units; the register alone has a bit each.
        func size(_ analysis: ExperimentAnalysis) -> Int {
            analysis.evidenceText.utf8.count
        }
        #expect(size(many) < 3 * size(few))
        let clock = ContinuousClock()
        #expect(clock.measure { _ = many.verdict() } < .seconds(1))
    }
}

extension ExperimentAnalysis {
    fileprivate var evidenceText: String { JSONValue(encoding: self)["evidence"]?.canonicalText ?? "" }
}
