import Statistics

/// Everything that is known about one metric of an experiment: a pure fold over what was observed, in sufficient statistics, so that
/// memory and the time of a reading do not grow with exposures. What was added can be taken back.
///
/// The figure of a `binary` or `mean` metric is over the observations that came (sum over count), of a `count` over all exposed
/// units, of a `ratio` the sum of values over the sum of denominators; variances are over units throughout. A pair of variants is
/// compared at the shares that were known when a unit was assigned, so shares may move, also by the outcomes themselves.
public struct MetricEvidence: Equatable, Sendable, Codable {
    /// Plain sums of one variant.
    struct Tally: Equatable, Sendable, Codable {
        var units = 0.0
        var observations = 0.0
        var sum = 0.0
        var size = 0.0
    }

    public let metric: Metric
    public let control: Int
    /// One for each variant beside control; control's own place stays empty.
    private(set) var pairs: [PairEvidence]
    private(set) var tallies: [Tally]
    /// The last known probability of each variant, in basis points: what the others had when one was chosen.
    private var propensities: [Int]
    private var covariateReference: Double?

    /// `shares`: basis points at the start; equal ones where none are given.
    public init(_ metric: Metric, arms: Int, control: Int = 0, shares: [Int]? = nil) {
        precondition(arms > 0 && (0..<arms).contains(control), "evidence needs variants, and control among them")
        (self.metric, self.control) = (metric, control)
        pairs = Array(repeating: PairEvidence(), count: arms)
        tallies = Array(repeating: Tally(), count: arms)
        propensities = shares ?? Array(repeating: 10_000 / arms, count: arms)
    }

    public var arms: Int { tallies.count }

    /// One variant more; it is compared from now on.
    public mutating func addArm() {
        pairs.append(PairEvidence())
        tallies.append(Tally())
        propensities.append(0)
    }

    /// A unit was exposed to `arm` for the first time, with the probability it had of it then (1...10 000 basis points).
    /// `weight`: for how many units it stands. `covariate`: from before the experiment, nil where unknown. `begun`: control's
    /// units count so beside the first variants; beside those that joined later they are told by `exposeControl`.
    public mutating func expose(
        unit: UInt64, arm: Int, propensity: Int, weight: Double = 1, covariate: Double? = nil,
        begun: Int? = nil
    ) {
        guard isLawful(arm, propensity) else { return }
        propensities[arm] = propensity
        tallies[arm].units += weight
        let beside = arm == control ? 0..<(begun ?? arms) : 0..<arms
        count(unit, arm, pairsOf(arm).filter(beside.contains), propensity, weight, covariate)
    }

    /// One of control's units was exposed for the first time since these variants joined.
    mutating func exposeControl(
        unit: UInt64, beside: Range<Int>, _ propensity: Int, weight: Double, covariate: Double?
    ) {
        guard isLawful(control, propensity) else { return }
        propensities[control] = propensity
        count(unit, control, Array(beside), propensity, weight, covariate)
    }

    private mutating func count(
        _ unit: UInt64, _ arm: Int, _ beside: [Int], _ propensity: Int, _ weight: Double, _ covariate: Double?
    ) {
        if metric.kind == .count {
            for pair in beside {
                pairs[pair].add(entry(unit, arm, pair: pair, propensity, size: weight, value: 0), to: metric, sign: 1)
            }
        }
        guard let covariate, covariate.isFinite else { return }
        let reference = covariateReference ?? covariate
        covariateReference = reference
        for pair in beside {
            pairs[pair].add(
                covariate: covariate - reference, of: entry(unit, arm, pair: pair, propensity, size: 1, value: 0))
        }
    }

    /// A value that was joined to an exposure of this unit and arm; `denominator` for a ratio.
    public mutating func observe(
        unit: UInt64, arm: Int, propensity: Int, value: Double, denominator: Double? = nil, armsThen: Int? = nil
    ) {
        take(unit: unit, arm: arm, propensity, value, denominator, armsThen ?? arms, sign: 1)
    }

    /// A value that was observed before is taken back: the same arguments.
    public mutating func retract(
        unit: UInt64, arm: Int, propensity: Int, value: Double, denominator: Double? = nil, armsThen: Int? = nil
    ) {
        take(unit: unit, arm: arm, propensity, value, denominator, armsThen ?? arms, sign: -1)
    }

    private mutating func take(
        unit: UInt64, arm: Int, _ propensity: Int, _ value: Double, _ denominator: Double?, _ armsThen: Int, sign: Double
    ) {
        guard isLawful(arm, propensity), value.isFinite, (denominator ?? 1).isFinite else { return }
        let value = metric.kind == .binary ? (value > 0.5 ? 1 : 0) : value
        let size: Double =
            switch metric.kind {
            case .binary, .mean, .quantile: 1
            case .count: 0
            case .ratio: denominator ?? 1
            }
        tallies[arm].observations += sign
        tallies[arm].sum += sign * value
        tallies[arm].size += sign * size
        for pair in pairsOf(arm) where arm != control || pair < armsThen {
            pairs[pair].add(entry(unit, arm, pair: pair, propensity, size: size, value: value), to: metric, sign: sign)
        }
    }

    /// An override (probability 0) is never analysed.
    private func isLawful(_ arm: Int, _ propensity: Int) -> Bool {
        tallies.indices.contains(arm) && (1...10_000).contains(propensity)
    }

    /// What one of control's units says is said beside every other variant.
    private func pairsOf(_ arm: Int) -> [Int] { arm == control ? pairs.indices.filter { $0 != control } : [arm] }

    private func entry(_ unit: UInt64, _ arm: Int, pair: Int, _ propensity: Int, size: Double, value: Double) -> PairEntry {
        let other = arm == control ? pair : control
        let otherPropensity = arms == 2 ? 10_000 - propensity : propensities[other]
        let share = Double(arm == control ? otherPropensity : propensity) / Double(propensity + otherPropensity)
        return PairEntry(unit: unit, isTreated: arm != control, share: share, size: size, value: value)
    }
}
