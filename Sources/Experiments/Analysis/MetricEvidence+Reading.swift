import Glibc
public import Statistics

extension MetricEvidence {
    /// The metric as it stands now. Looking again and again is allowed. `adaptive`: whether shares followed the outcomes, which
    /// changes what the method says, not what it does.
    public func reading(alpha: Double, adaptive: Bool = false) -> MetricReading {
        let shown = (0..<arms).map { arm -> ArmReading in
            var reading = ArmReading(
                arm: arm, units: Int(tallies[arm].units.rounded()), observations: Int(tallies[arm].observations.rounded()),
                mean: figure(of: arm))
            guard arm != control, reading.mean != nil, figure(of: control) != nil else { return reading }
            let comparison = comparison(of: arm, alpha: alpha)
            reading.difference = comparison.difference
            reading.relativeDifference = comparison.relativeDifference
            reading.interval = comparison.interval(alpha: alpha)
            reading.relativeInterval = comparison.relativeInterval(alpha: alpha)
            reading.pValue = comparison.pValue
            reading.varianceReduction = varianceReduction(of: arm)
            return reading
        }
        var reading = MetricReading(metric: metric, alpha: alpha, arms: shown, method: method(adaptive: adaptive))
        let known = shown.filter { $0.mean != nil }
        guard known.count > 1 else { return reading }
        // One unit does not say by how much it might have been another: then nobody is likely anything.
        let beliefs = known.compactMap { belief(of: $0) }
        guard beliefs.count == known.count else { return reading }
        for (arm, answer) in zip(known, Belief.compare(beliefs, isUp: metric.direction == .up)) {
            reading.arms[arm.arm].probabilityBest = answer.best
            reading.arms[arm.arm].expectedLoss = answer.loss
        }
        return reading
    }

    /// One variant beside control, ready to be asked about any claim.
    public func comparison(of arm: Int, alpha: Double) -> any Comparison {
        let pair = pairs[arm]
        switch metric.kind {
        case .binary where !hasCovariates: return rates(pair, alpha)
        case .binary, .count, .mean, .ratio: return means(pair, alpha)
        case .quantile: return quantiles(pair, alpha)
        }
    }

    /// Where one variant stands beside control, as its interval says: better and worse when no difference is left out of it,
    /// equivalent when it lies within the minimum effect. Three questions instead of an interval's hundred.
    public func standing(of arm: Int, alpha: Double) -> ExperimentVerdict.Outcome {
        guard figure(of: arm) != nil, figure(of: control) != nil else { return .undecided }
        let comparison = comparison(of: arm, alpha: alpha)
        let limit = -log(alpha)
        let gain = metric.direction == .up ? comparison.difference : -comparison.difference
        if comparison.logWealth(against: Line()) >= limit { return gain > 0 ? .better : .worse }
        guard let effect = metric.minimumEffect, effect > 0, abs(gain) < effect else { return .undecided }
        let isWithin = [-effect, effect].allSatisfy { comparison.logWealth(against: Line(offset: $0)) >= limit }
        return isWithin ? .equivalent : .undecided
    }

    private func rates(_ pair: PairEvidence, _ alpha: Double) -> RateComparison {
        let strata = pair.sortedStrata
        let (hits, total) = strata.reduce((0.0, 0.0)) { ($0.0 + $1.hits + $1.controlHits, $0.1 + $1.total) }
        let rate = (hits + 0.5) / (total + 1)
        let planned = metric.minimumEffect.map { Tightness.units(toSee: $0, variance: rate * (1 - rate)) }
        return RateComparison(
            strata: strata, designEffect: pair.designEffect(), plannedSamples: planned ?? Tightness.unitsUsual, alpha: alpha)
    }

    private func means(_ pair: PairEvidence, _ alpha: Double) -> MeanComparison {
        let adjustment = CovariateAdjustment.pooled([pair.treated, pair.control])
        let (own, other) = (pair.treated.moments(adjusted: adjustment), pair.control.moments(adjusted: adjustment))
        return MeanComparison(
            treated: own, control: other, plannedUnits: Tightness.units(metric.minimumEffect, own, other), alpha: alpha)
    }

    private func quantiles(_ pair: PairEvidence, _ alpha: Double) -> QuantileComparison {
        let effect = pair.designEffect()
        return QuantileComparison(
            metric.quantile ?? 0.5, treated: pair.treatedValues.distribution(designEffect: effect),
            control: pair.controlValues.distribution(designEffect: effect), alpha: alpha)
    }

    /// Of the difference with control, by what was known before.
    private func varianceReduction(of arm: Int) -> Double? {
        guard metric.kind != .quantile, let adjustment = CovariateAdjustment.pooled([pairs[arm].treated, pairs[arm].control]) else {
            return nil
        }
        func variance(_ adjustment: CovariateAdjustment?) -> Double {
            [pairs[arm].treated, pairs[arm].control].reduce(0) { sum, units in
                let moments = units.moments(adjusted: adjustment)
                return sum + moments.variance(about: moments.figure)
            }
        }
        let plain = variance(nil)
        return plain > 0 && plain.isFinite ? 1 - variance(adjustment) / plain : nil
    }

    private var hasCovariates: Bool { pairs.contains { CovariateAdjustment.pooled([$0.treated, $0.control]) != nil } }

    /// The variant's own figure, as people count it.
    func figure(of arm: Int) -> Double? {
        let tally = tallies[arm]
        switch metric.kind {
        case .binary, .mean: return tally.observations > 0.5 ? tally.sum / tally.observations : nil
        case .count: return tally.units > 0 ? tally.sum / tally.units : nil
        case .ratio: return tally.size > 0 ? tally.sum / tally.size : nil
        case .quantile:
            guard let values = values(of: arm) else { return nil }
            return values.distribution().quantile(metric.quantile ?? 0.5)
        }
    }

    private func values(of arm: Int) -> ValueHistogram? {
        let pair = arm == control ? pairs.indices.first { $0 != control && pairs[$0].controlValues.weight > 0 } : arm
        guard let pair else { return nil }
        let values = arm == control ? pairs[pair].controlValues : pairs[pair].treatedValues
        return values.weight > 0 ? values : nil
    }

    /// About what the comparison with control says: adjusted and weighted as that is.
    private func belief(of reading: ArmReading) -> Belief? {
        let arm = reading.arm
        let pair = arm == control ? pairs[pairs.indices.first { $0 != control } ?? control] : pairs[arm]
        let isTreated = arm != control
        let mean = (figure(of: control) ?? 0) + (reading.difference ?? 0)
        switch metric.kind {
        case .binary where !hasCovariates:
            let effect = pair.designEffect()
            return Belief.ofRate(hits: tallies[arm].sum / effect, of: tallies[arm].observations / effect)
        case .binary, .count, .mean, .ratio:
            let adjustment = CovariateAdjustment.pooled([pair.treated, pair.control])
            let moments = (isTreated ? pair.treated : pair.control).moments(adjusted: adjustment)
            let variance = moments.variance(about: moments.figure)
            guard moments.effective > 1.5, variance.isFinite else { return nil }
            return .normal(mean: mean, deviation: variance.squareRoot())
        case .quantile:
            let values = isTreated ? pair.treatedValues : pair.controlValues
            let distribution = values.distribution(designEffect: pair.designEffect())
            let spread = distribution.standardError(of: metric.quantile ?? 0.5)
            guard distribution.effective > 1.5 else { return nil }
            return .normal(mean: mean, deviation: spread)
        }
    }

    private func method(adaptive: Bool) -> String {
        let moved = adaptive ? "; shares moved, every unit counts at the share it was assigned with" : ""
        let effect = pairs.indices.filter { $0 != control }.map { pairs[$0].designEffect() }.max() ?? 1
        let clustered = effect > 1.15 ? "; units repeat, which counts as \(tenths(effect)) times the variance" : ""
        switch metric.kind {
        case .binary where !hasCovariates:
            return "always-valid likelihood ratio of variants given outcomes at the known shares" + clustered + moved
        case .binary, .count, .mean, .ratio:
            let ratio = metric.kind == .ratio ? ", delta method" : ""
            let past = hasCovariates ? ", CUPED with what was known before" : ""
            return "asymptotic confidence sequence over units, variance about the claim\(ratio)\(past)" + moved
        case .quantile:
            return "always-valid profile likelihood of the shares below two quantiles, values within 1 %" + clustered + moved
        }
    }

    private func tenths(_ value: Double) -> String {
        let scaled = Int((value * 10).rounded())
        return "\(scaled / 10).\(scaled % 10)"
    }
}

extension Tightness {
    /// For means: where an effect of this size is told from none; the usual size where none is named.
    static func units(_ effect: Double?, _ own: UnitMoments, _ other: UnitMoments) -> Double {
        guard let effect, own.effective > 1, other.effective > 1 else { return unitsUsual }
        let variance = own.variance(about: own.figure) + other.variance(about: other.figure)
        return units(toSee: effect, variance: variance * information(own.effective, other.effective) / 4)
    }
}

extension MetricEvidence {
    /// The textbook test of one variant beside control, for data that are looked at once.
    public func fixed(of arm: Int, alpha: Double) -> FixedHorizon? {
        let (own, other) = (tallies[arm], tallies[control])
        switch comparison(of: arm, alpha: alpha) {
        case is RateComparison where pairs[arm].designEffect() == 1:
            return FixedHorizon.twoProportions(
                own: (own.sum, own.observations), other: (other.sum, other.observations), alpha: alpha)
        case let quantiles as QuantileComparison: return FixedHorizon.quantiles(quantiles, alpha: alpha)
        case let comparison:
            return FixedHorizon.normal(
                "z over units", difference: comparison.difference, error: comparison.standardError, alpha: alpha)
        }
    }
}
