import Statistics

/// The analysis of a whole experiment: every metric's evidence, the sample ratio, and the verdict. A pure fold over exposures and
/// outcomes, in memory that does not grow with them; reading it again and again is allowed.
public struct ExperimentAnalysis: Equatable, Sendable, Codable {
    public let metrics: ExperimentMetrics
    public let decision: Decision
    public let control: Int
    public private(set) var arms: [String]
    /// Retired variants are compared no more.
    public private(set) var retired: Set<Int> = []
    /// How many of the variants joined while it ran; nil while none did.
    private(set) var joined: Int?
    let isAdaptive: Bool
    /// In the order of `metrics.all`.
    private(set) var evidence: [MetricEvidence]
    private(set) var shareWatch: ShareWatch
    private var register = UnitRegister()
    /// The last known probability of each variant, in basis points.
    private var propensities: [Int]

    /// `shares`: basis points at the start; equal ones where none are given.
    public init(
        metrics: ExperimentMetrics, arms: [String], control: Int = 0, allocation: Allocation = Allocation(), decision: Decision,
        shares: [Int]? = nil
    ) {
        (self.metrics, self.arms, self.control, self.decision) = (metrics, arms, control, decision)
        isAdaptive = allocation.strategy.isAdaptive
        evidence = metrics.all.map { MetricEvidence($0, arms: arms.count, control: control, shares: shares) }
        shareWatch = ShareWatch(arms: arms.count)
        propensities = shares ?? Array(repeating: 10_000 / arms.count, count: arms.count)
    }

    /// A unit saw a variant, with the probability it had of that then (basis points; 0 was an override, and is left out). Every
    /// exposure may be told; a unit counts once for each variant it saw.
    public mutating func expose(unit: UInt64, arm: Int, propensity: Int, covariates: [String: Double] = [:]) {
        guard arms.indices.contains(arm), (1...10_000).contains(propensity) else { return }
        propensities[arm] = retired.contains(arm) ? 0 : propensity
        if arm == control { exposeBesideLater(unit, propensity, covariates) }
        guard let weight = register.insert(unit, arm: arm) else { return }
        if register.insert(unit) != nil { shareWatch.add(arm: arm, shares: shares(of: arm, propensity)) }
        for place in evidence.indices {
            let covariate = evidence[place].metric.covariate.flatMap { covariates[$0] }
            evidence[place].expose(
                unit: unit, arm: arm, propensity: propensity, weight: weight, covariate: covariate, begun: begun)
        }
    }

    private var begun: Int { arms.count - (joined ?? 0) }

    /// Beside a variant that joined later, control's units count from their first exposure since then.
    private mutating func exposeBesideLater(_ unit: UInt64, _ propensity: Int, _ covariates: [String: Double]) {
        for arm in begun..<arms.count {
            guard let weight = register.insert(unit, arm: Self.besideBase + arm) else { continue }
            for place in evidence.indices {
                let covariate = evidence[place].metric.covariate.flatMap { covariates[$0] }
                evidence[place].exposeControl(unit: unit, beside: arm..<(arm + 1), propensity, weight: weight, covariate: covariate)
            }
        }
    }

    /// Numbers that no variant has.
    private static let besideBase = 1 << 16

    /// All variants' shares when one of them had this one: the others' last known ones, filled up to the whole.
    private func shares(of arm: Int, _ propensity: Int) -> [Double] {
        let others = propensities.indices.reduce(0) { $0 + ($1 == arm ? 0 : propensities[$1]) }
        return propensities.indices.map { place in
            if place == arm { return Double(propensity) }
            guard others > 0 else { return 0 }
            return Double(10_000 - propensity) * Double(propensities[place]) / Double(others)
        }
    }

    /// A value of the metric of this name came in for an exposure. A `ratio` may be told in two events: a value with denominator 0,
    /// and a denominator with value 0. Unknown names are not of this experiment. `armsThen`: how many variants there were when
    /// the unit was exposed (nil: as many as now); beside one that joined later, what came of it says nothing.
    public mutating func observe(
        metric: String, unit: UInt64, arm: Int, propensity: Int, value: Double, denominator: Double? = nil, armsThen: Int? = nil
    ) {
        for place in evidence.indices where evidence[place].metric.name == metric {
            evidence[place].observe(
                unit: unit, arm: arm, propensity: propensity, value: value, denominator: denominator, armsThen: armsThen)
        }
    }

    /// A value that was observed is taken back: the same arguments.
    public mutating func retract(
        metric: String, unit: UInt64, arm: Int, propensity: Int, value: Double, denominator: Double? = nil, armsThen: Int? = nil
    ) {
        for place in evidence.indices where evidence[place].metric.name == metric {
            evidence[place].retract(
                unit: unit, arm: arm, propensity: propensity, value: value, denominator: denominator, armsThen: armsThen)
        }
    }

    /// A variant that joins a running experiment: it is compared with what control does from now on.
    public mutating func addArm(_ name: String) {
        arms.append(name)
        joined = (joined ?? 0) + 1
        for place in evidence.indices { evidence[place].addArm() }
        shareWatch.addArm()
        propensities.append(0)
    }

    /// A variant that is tried no more: its figures stay, no verdict names it.
    public mutating func retireArm(_ arm: Int) {
        guard arms.indices.contains(arm), arm != control else { return }
        retired.insert(arm)
        propensities[arm] = 0
    }

    /// Variants beside control that a verdict may name.
    var rivals: [Int] { arms.indices.filter { $0 != control && !retired.contains($0) } }
}
