import Faults
import JSON
import Ledger
import Outcomes
import Routing
import Telemetry

/// Everything an experiment has seen, folded: the same observations give the same board, and its size does not grow with them.
struct ExperimentBoard: Sendable {
    let plan: ExperimentPlan
    /// Every variant the experiment has had, as far as it is known here.
    private(set) var arms: ExperimentArms
    private var state: State
    /// Which of them a variant of the route is.
    private var places: [VariantID: Int] = [:]
    /// The metrics that a feedback name bears on, and how.
    private let bearing: [String: [Bearing]]
    private let automatic: [(metric: AutomaticMetric, name: String)]
    private let features: [ScorerFeature]
    private var hasRewardsToPublish = true
    /// What units were worth before the experiment, by covariate. Not written down: it does not change.
    var pasts: [String: PastValues] = [:]
    /// Rows of the history that the gateway has not been given.
    private var rowsToPublish: Set<Int> = []

    /// What is written down.
    private struct State: Sendable, Codable {
        var analysis: ExperimentAnalysis
        var bandit: Bandit?
        var tallies: [ExperimentLook.Tally]
        var cursor: OutcomeStore.Cursor
        var firstExposure: Timestamp?
        /// What contextual choices looked at whose outcomes may still come.
        var contexts = ContextMemory()
        /// What units earned, where choices look back.
        var history: UnitHistory?
        /// When each variant that joined later answered first; nil while none did.
        var joined: [Timestamp]?
    }

    private struct Bearing: Sendable {
        /// Of the experiment's metric.
        var metric: String
        var window: Int64
        var isDenominator: Bool
        var isPrimary: Bool
    }

    init(_ plan: ExperimentPlan, _ arms: ExperimentArms) {
        let spec = plan.spec
        let begun = arms.all.prefix(arms.begun).map(\.variant)
        let bandit =
            spec.allocation.strategy.isAdaptive
            ? Bandit(
                spec.allocation, arms: begun.count, seed: UnitID(spec.targeting.seed ?? spec.name).hash,
                features: plan.scorerFeatures(of: arms.begun).reduce(0) { $0 + $1.width },
                initial: begun.map(\.basisPoints)) : nil
        self.init(
            plan, arms,
            State(
                analysis: ExperimentAnalysis(
                    metrics: spec.metrics, arms: begun.map(\.name), control: 0, allocation: spec.allocation,
                    decision: spec.decision, shares: begun.map(\.basisPoints)), bandit: bandit,
                tallies: Array(repeating: .init(), count: begun.count), cursor: plan.cursor, firstExposure: nil,
                history: spec.features.contains { $0.from == "history" } ? UnitHistory(arms: begun.count) : nil))
    }

    /// As it was written down.
    init(_ plan: ExperimentPlan, _ arms: ExperimentArms, evidence: [UInt8]) throws(Fault) {
        self.init(plan, arms, try JSONValue(parsing: evidence).decoded(as: State.self))
    }

    private init(_ plan: ExperimentPlan, _ arms: ExperimentArms, _ state: State) {
        (self.plan, self.arms, self.state) = (plan, arms, state)
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
        (self.bearing, self.automatic, features) = (bearing, automatic, plan.scorerFeatures(of: arms.begun))
        take(arms)
    }

    // MARK: Variants that join and leave

    /// Variants joined or were retired; the evidence goes on. True when there is something new in it.
    mutating func follow(_ now: ExperimentArms) -> Bool {
        guard arms != now else { return false }
        take(now)
        hasRewardsToPublish = true
        return true
    }

    private mutating func take(_ now: ExperimentArms) {
        arms = now
        places = [:]
        for (place, arm) in now.all.enumerated() {
            if let id = arm.id { places[id] = place }
            if place >= state.bandit?.arms.count ?? Int.max { state.bandit?.addArm(share: arm.variant.basisPoints) }
            if arm.isRetired { state.bandit?.retireArm(place) }
        }
        while state.tallies.count < now.count { state.tallies.append(.init()) }
    }

    /// A variant is compared from its first answer on: the same answers give the same evidence, whenever it was heard of.
    private mutating func meet(_ place: Int, at: Timestamp) {
        while state.analysis.arms.count <= place {
            state.analysis.addArm(arms.names[state.analysis.arms.count])
            state.joined = (state.joined ?? []) + [at]
        }
    }

    /// How many variants there were at a moment.
    private func armsThen(_ moment: Timestamp) -> Int { arms.begun + (state.joined?.count { $0 <= moment } ?? 0) }

    /// Tables without a share of theirs answer: the others' shares are the whole now.
    private mutating func noticeGone(by table: Int64) {
        for (place, arm) in arms.all.enumerated() {
            guard let gone = arm.goneAt, table >= gone, !state.analysis.retired.contains(place) else { continue }
            state.analysis.retireArm(place)
        }
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
            case .context(let context):
                if places[context.variant] != nil, !features.isEmpty {
                    state.contexts.remember(context.request, context.features)
                }
            }
        }
        state.cursor = cursor
    }

    private mutating func see(_ exposure: Exposure) {
        // A tester's override has no chance of being something else: it is not analysed.
        guard let arm = places[exposure.variant], exposure.propensity > 0 else { return }
        noticeGone(by: exposure.tablePosition)
        meet(arm, at: exposure.at)
        if state.firstExposure == nil { state.firstExposure = exposure.at }
        state.tallies[arm].requests += 1
        if exposure.kind.isError { state.tallies[arm].errors += 1 }
        state.analysis.expose(
            unit: exposure.unit, arm: arm, propensity: Int(exposure.propensity),
            covariates: pasts.isEmpty ? [:] : pasts.compactMapValues { $0[exposure.unit] })
        for (metric, name) in automatic {
            guard let value = metric.value(of: exposure) else { continue }
            take(
                name, arm: arm, unit: exposure.unit, propensity: exposure.propensity, value: value, at: exposure.at, age: 0,
                request: exposure.request)
        }
    }

    private mutating func count(_ usage: Usage) {
        guard let arm = places[usage.variant], usage.propensity > 0 else { return }
        meet(arm, at: usage.at)
        for (metric, name) in automatic {
            guard let value = metric.value(of: usage) else { continue }
            take(
                name, arm: arm, unit: usage.unit, propensity: usage.propensity, value: value, at: usage.at, age: 0,
                request: usage.request)
        }
    }

    private mutating func hear(_ score: Score) {
        guard let arm = places[score.variant], score.propensity > 0, AutomaticMetric(rawValue: score.metric) == nil else { return }
        meet(arm, at: score.exposedAt)
        let age = score.at.milliseconds - score.exposedAt.milliseconds
        for (value, sign) in [(score.previous, -1), (score.value, 1)] {
            guard let value else { continue }
            take(
                score.metric, arm: arm, unit: score.unit, propensity: score.propensity, value: value, at: score.at, age: age,
                request: score.request, sign: sign)
        }
    }

    private mutating func take(
        _ name: String, arm: Int, unit: UInt64, propensity: UInt16, value: Double, at: Timestamp, age: Int64,
        request: RequestID?, sign: Int = 1
    ) {
        for one in bearing[name] ?? [] where age <= one.window {
            let (numerator, denominator) = one.isDenominator ? (0, value) : (value, nil as Double?)
            let armsThen = armsThen(at + .milliseconds(-age))
            if sign > 0 {
                state.analysis.observe(
                    metric: one.metric, unit: unit, arm: arm, propensity: Int(propensity), value: numerator,
                    denominator: denominator, armsThen: armsThen)
            } else {
                state.analysis.retract(
                    metric: one.metric, unit: unit, arm: arm, propensity: Int(propensity), value: numerator,
                    denominator: denominator, armsThen: armsThen)
            }
            guard one.isPrimary, !one.isDenominator else { continue }
            state.tallies[arm].outcomes += Int64(sign)
            let reward = plan.spec.metrics.primary.reward(value)
            if let row = state.history?.add(unit: unit, arm: arm, reward: reward, sign: sign) { rowsToPublish.insert(row) }
            learn(reward, arm: arm, of: request, at: at, sign: sign)
        }
    }

    /// A contextual bandit learns nothing from an outcome whose context nobody remembers.
    private mutating func learn(_ reward: Double, arm: Int, of request: RequestID?, at: Timestamp, sign: Int) {
        var description: [Double] = []
        if !features.isEmpty {
            guard let known = request.flatMap({ state.contexts.features(of: $0) }) else { return }
            description = known.map(Double.init)
        }
        if sign > 0 {
            state.bandit?.reward(arm: arm, value: reward, features: description, at: at.milliseconds)
        } else {
            state.bandit?.retract(arm: arm, value: reward, features: description, at: at.milliseconds)
        }
        hasRewardsToPublish = true
    }

    // MARK: What follows

    /// What the shares should be by what was earned; nil where they stay as the file says.
    func allocation(at now: Timestamp, besides standing: [Int]) -> (shares: [Int], scorer: JSONValue?, isNews: Bool)? {
        guard let bandit = state.bandit else { return nil }
        guard !features.isEmpty else { return (bandit.shares(at: now.milliseconds), nil, false) }
        // The split is for requests that say nothing of themselves: it stays.
        guard hasRewardsToPublish, let scorer = bandit.scorer(features: features, at: now.milliseconds) else { return nil }
        return (standing, JSONValue(encoding: scorer), true)
    }

    /// What the gateway should know of units by now and does not; `all` after a restart. Nil where there is nothing.
    mutating func historyToPublish(all: Bool = false) -> (rows: [UnitHistory.Row], means: [Float])? {
        guard let history = state.history, all || !rowsToPublish.isEmpty else { return nil }
        defer { rowsToPublish = [] }
        return (all ? history.allRows : history.rows(rowsToPublish.sorted()), history.means)
    }

    mutating func wasPublished() { hasRewardsToPublish = false }

    func look() -> ExperimentLook {
        var analysis = state.analysis
        for place in arms.all.indices where arms.all[place].isRetired { analysis.retireArm(place) }
        let verdict = analysis.verdict()
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
        let named = rivals.first { arm in arms.all.indices.contains(arm.arm) && arms.names[arm.arm] == winner }
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

extension ExperimentPlan {
    /// What a contextual allocation looks at, as the gateway reads it: fixed when it begins, with as many variants.
    func scorerFeatures(of begun: Int) -> [ScorerFeature] {
        spec.features.map { feature in
            let kind: ScorerFeature.Kind =
                if feature.from == "history" {
                    .history(arms: begun)
                } else if feature.categories.isEmpty {
                    .number(center: 0, scale: feature.scale)
                } else {
                    .category(feature.categories)
                }
            return ScorerFeature(name: feature.name, source: AttributeSource(feature.from), kind: kind)
        }
    }
}

/// What the newest requests looked like to a contextual choice, until their outcomes come.
struct ContextMemory: Sendable, Equatable, Codable {
    static let requestsMax = 8_192

    private var features: [String: [Float]] = [:]
    /// The oldest first; one that is overwritten keeps its place.
    private var order: [String] = []

    mutating func remember(_ request: RequestID, _ numbers: [Float]) {
        let name = request.description
        if features.updateValue(numbers, forKey: name) == nil { order.append(name) }
        guard order.count >= 2 * ContextMemory.requestsMax else { return }
        for old in order.prefix(order.count - ContextMemory.requestsMax) { features[old] = nil }
        order.removeFirst(order.count - ContextMemory.requestsMax)
    }

    func features(of request: RequestID) -> [Float]? { features[request.description] }
}
