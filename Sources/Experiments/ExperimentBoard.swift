import Faults
import JSON
import Ledger
import Outcomes
import Routing
import Telemetry

/// Everything an experiment has seen, folded: the same observations give the same board, and its size does not grow with them.
struct ExperimentBoard: Sendable {
    let plan: ExperimentPlan
    let layer: ExperimentLayer
    private var state: State
    /// Which arm a variant of the route is.
    private let arms: [VariantID: Int]
    /// The metrics that a feedback name bears on, and how.
    private let bearing: [String: [Bearing]]
    private let automatic: [(metric: AutomaticMetric, name: String)]
    private var hasRewardsToPublish = false

    /// What is written down.
    private struct State: Sendable, Codable {
        var analysis: ExperimentAnalysis
        var bandit: Bandit?
        var tallies: [ExperimentLook.Tally]
        var cursor: OutcomeStore.Cursor
        var firstExposure: Timestamp?
    }

    private struct Bearing: Sendable {
        /// Of the experiment's metric.
        var metric: String
        var window: Int64
        var isDenominator: Bool
        var isPrimary: Bool
    }

    init(_ plan: ExperimentPlan, _ layer: ExperimentLayer) {
        let spec = plan.spec
        let bandit =
            spec.allocation.strategy.isAdaptive
            ? Bandit(
                spec.allocation, arms: spec.variants.count, seed: UnitID(spec.targeting.seed ?? spec.name).hash,
                initial: spec.variants.map(\.basisPoints)) : nil
        self.init(
            plan, layer,
            State(
                analysis: ExperimentAnalysis(
                    metrics: spec.metrics, arms: spec.variants.map(\.name), control: 0, allocation: spec.allocation,
                    decision: spec.decision, shares: spec.variants.map(\.basisPoints)), bandit: bandit,
                tallies: Array(repeating: .init(), count: spec.variants.count), cursor: plan.cursor, firstExposure: nil))
    }

    /// As it was written down.
    init(_ plan: ExperimentPlan, _ layer: ExperimentLayer, evidence: [UInt8]) throws(Fault) {
        self.init(plan, layer, try JSONValue(parsing: evidence).decoded(as: State.self))
    }

    private init(_ plan: ExperimentPlan, _ layer: ExperimentLayer, _ state: State) {
        (self.plan, self.layer, self.state) = (plan, layer, state)
        arms = Dictionary(uniqueKeysWithValues: layer.arms.enumerated().map { ($0.element, $0.offset) })
        var bearing: [String: [Bearing]] = [:]
        var automatic: [(AutomaticMetric, String)] = []
        var seen: Set<String> = []
        for (index, metric) in plan.spec.metrics.all.enumerated() where seen.insert(metric.name).inserted {
            let isPrimary = index == 0
            bearing[metric.name, default: []].append(
                Bearing(metric: metric.name, window: metric.window, isDenominator: false, isPrimary: isPrimary))
            if let denominator = metric.denominator {
                bearing[denominator, default: []].append(
                    Bearing(metric: metric.name, window: metric.window, isDenominator: true, isPrimary: isPrimary))
            }
        }
        for name in bearing.keys.sorted() {
            if let metric = AutomaticMetric(rawValue: name) { automatic.append((metric, name)) }
        }
        (self.bearing, self.automatic) = (bearing, automatic)
    }

    var cursor: OutcomeStore.Cursor { state.cursor }
    var firstExposure: Timestamp? { state.firstExposure }

    /// One text per state: the same evidence has the same digest.
    var evidence: [UInt8] { Array(JSONValue(encoding: state).canonicalText.utf8) }

    // MARK: Folding

    mutating func fold(_ observations: [Observation], upTo cursor: OutcomeStore.Cursor, at now: Timestamp) {
        for observation in observations {
            switch observation {
            case .answered(let exposure): see(exposure)
            case .scored(let score): hear(score)
            case .used(let usage): count(usage)
            }
        }
        state.cursor = cursor
    }

    private mutating func see(_ exposure: Exposure) {
        // A tester's override has no chance of being something else: it is not analysed.
        guard let arm = arms[exposure.variant], exposure.propensity > 0 else { return }
        if state.firstExposure == nil { state.firstExposure = exposure.at }
        state.tallies[arm].requests += 1
        if exposure.kind.isError { state.tallies[arm].errors += 1 }
        state.analysis.expose(unit: exposure.unit, arm: arm, propensity: Int(exposure.propensity))
        for (metric, name) in automatic {
            guard let value = metric.value(of: exposure) else { continue }
            take(name, arm: arm, unit: exposure.unit, propensity: exposure.propensity, value: value, at: exposure.at, age: 0)
        }
    }

    private mutating func count(_ usage: Usage) {
        guard let arm = arms[usage.variant], usage.propensity > 0 else { return }
        for (metric, name) in automatic {
            guard let value = metric.value(of: usage) else { continue }
            take(name, arm: arm, unit: usage.unit, propensity: usage.propensity, value: value, at: usage.at, age: 0)
        }
    }

    private mutating func hear(_ score: Score) {
        guard let arm = arms[score.variant], score.propensity > 0, AutomaticMetric(rawValue: score.metric) == nil else { return }
        let age = score.at.milliseconds - score.exposedAt.milliseconds
        if let previous = score.previous {
            take(
                score.metric, arm: arm, unit: score.unit, propensity: score.propensity, value: previous, at: score.at, age: age,
                sign: -1)
        }
        take(score.metric, arm: arm, unit: score.unit, propensity: score.propensity, value: score.value, at: score.at, age: age)
    }

    private mutating func take(
        _ name: String, arm: Int, unit: UInt64, propensity: UInt16, value: Double, at: Timestamp, age: Int64, sign: Int = 1
    ) {
        for one in bearing[name] ?? [] where age <= one.window {
            let (numerator, denominator) = one.isDenominator ? (0, value) : (value, nil as Double?)
            if sign > 0 {
                state.analysis.observe(
                    metric: one.metric, unit: unit, arm: arm, propensity: Int(propensity), value: numerator,
                    denominator: denominator)
            } else {
                state.analysis.retract(
                    metric: one.metric, unit: unit, arm: arm, propensity: Int(propensity), value: numerator,
                    denominator: denominator)
            }
            guard one.isPrimary, !one.isDenominator else { continue }
            state.tallies[arm].outcomes += Int64(sign)
            let reward = plan.spec.metrics.primary.reward(value)
            if sign > 0 {
                state.bandit?.reward(arm: arm, value: reward, at: at.milliseconds)
            } else {
                state.bandit?.retract(arm: arm, value: reward, at: at.milliseconds)
            }
            hasRewardsToPublish = true
        }
    }

    // MARK: What follows

    /// What the shares should be by what was earned; nil where they stay as the file says.
    func allocation(at now: Timestamp) -> (shares: [Int], scorer: JSONValue?, isNews: Bool)? {
        guard let bandit = state.bandit else { return nil }
        return (bandit.shares(at: now.milliseconds), nil, false)
    }

    mutating func wasPublished() { hasRewardsToPublish = false }

    func look() -> ExperimentLook {
        let verdict = state.analysis.verdict()
        let outcome: ExperimentLook.Outcome =
            switch verdict.outcome {
            case .better: .better
            case .worse: .worse
            case .equivalent: .equivalent
            case .undecided: .undecided
            }
        var look = ExperimentLook(outcome: outcome, reason: verdict.reason, tallies: state.tallies, evidence: verdict.json)
        look.winner = verdict.outcome == .better ? verdict.winner : nil
        (look.blockedBy, look.stoppedBy, look.stillNeeded) = (verdict.blockedBy, verdict.stoppedBy, verdict.stillNeeded)
        look.firstExposure = state.firstExposure
        guard let primary = verdict.readings.first else { return look }
        look.units = Int64(primary.arms.reduce(0) { $0 + $1.units })
        if let told = told(of: primary, winner: verdict.winner) {
            (look.difference, look.lower, look.upper) = (told.difference, told.lower, told.upper)
        }
        return look
    }

    /// The variant a difference is told of: the winner, else the one that is most likely best.
    private func told(of reading: MetricReading, winner: String?) -> ArmReading? {
        let rivals = reading.arms.filter { $0.arm != 0 }
        let named = rivals.first { arm in plan.spec.variants.indices.contains(arm.arm) && plan.spec.variants[arm.arm].name == winner
        }
        return named ?? rivals.max { ($0.probabilityBest ?? 0, $1.arm) < ($1.probabilityBest ?? 0, $0.arm) }
    }
}

extension Metric {
    /// What a bandit earns by a value: more is better, whichever way the metric goes.
    func reward(_ value: Double) -> Double {
        switch (direction, kind) {
        case (.up, _): value
        case (.down, .binary): 1 - value
        case (.down, _): -value
        }
    }
}
