import Outcomes
import Statistics

/// Watches the mean of a feedback metric.
struct QualityWatch: Sendable, Codable {
    /// Labels that were counted.
    struct Sample: Sendable, Codable {
        var bet: MeanBet
        var units: ClusteredMean
        var interval = EmpiricalBernstein(alpha: 0.025)

        init(limit: Double) { (bet, units) = (MeanBet(limit: limit), ClusteredMean(limit: limit)) }

        mutating func add(_ score: Score) {
            bet.add(score.value)
            units.add(unit: score.unit, score.value)
            interval.add(score.value)
        }

        mutating func replace(_ old: Double, by score: Score) {
            bet.replace(old, by: score.value)
            units.replace(unit: score.unit, old, by: score.value)
            interval.replace(old, by: score.value)
        }

        /// A capital that was won on labels of the same units is worth its design-effect-th root: the log wealth of a bet is a
        /// sum over labels, and this is the sum over as many independent ones.
        var logWealthAgainstGood: Double { bet.logWealthBelow / units.designEffect }
        var logWealthAgainstBad: Double { bet.logWealthAbove / units.cautiousDesignEffect }
    }

    let place: Int
    private(set) var all: Sample
    /// The crowd's labels; nil while nobody was left out, when it is `all`.
    private(set) var crowd: Sample?
    /// A bet on the labels of those who were left out.
    private(set) var few: MeanBet
    /// Values outside 0...1 and non-numbers: counted, never judged.
    private(set) var refused: Int64 = 0
    private(set) var corrected: Int64 = 0

    init?(_ gate: Gate, at place: Int) {
        guard gate.measure == .quality else { return nil }
        self.place = place
        all = Sample(limit: gate.limit)
        few = MeanBet(limit: gate.limit)
    }

    /// Takes one label of the candidate; true when the mean is now proven below the limit.
    mutating func observe(_ score: Score, failAt threshold: Double) -> Bool {
        guard score.value >= 0, score.value <= 1 else {
            refused += 1
            return false
        }
        if let previous = score.previous, previous >= 0, previous <= 1, all.units.samples(of: score.unit) > 0 {
            replace(previous, by: score)
            return score.value < previous && logWealthAgainstGood >= threshold
        }
        let isLeftOut = Crowd.leavesOut(unitWith: all.units.samples(of: score.unit), of: all.units.samples)
        if isLeftOut, crowd == nil { crowd = all }
        all.add(score)
        if isLeftOut { few.add(score.value) } else { crowd?.add(score) }
        return score.value < all.bet.limit && logWealthAgainstGood >= threshold
    }

    /// A correction takes the place of its label. Where that was counted is not kept: where most of its unit's are.
    private mutating func replace(_ previous: Double, by score: Score) {
        corrected += 1
        all.replace(previous, by: score)
        let inCrowd = crowd?.units.samples(of: score.unit) ?? 0
        if 2 * inCrowd >= all.units.samples(of: score.unit) {
            crowd?.replace(previous, by: score)
        } else if few.count > 0 {
            few.replace(previous, by: score.value)
        }
    }

    var logWealthAgainstGood: Double {
        guard let crowd else { return all.logWealthAgainstGood }
        return LogWealth.mean(all.logWealthAgainstGood, crowd.logWealthAgainstGood)
    }

    /// As for rates: against the whole, or against each of its parts.
    var logWealthAgainstBad: Double {
        guard let crowd else { return all.logWealthAgainstBad }
        return LogWealth.mean(all.logWealthAgainstBad, min(crowd.logWealthAgainstBad, few.logWealthAbove))
    }

    /// Whose figures a verdict shows: the crowd's, where it is they that break the limit.
    func shown(failAt threshold: Double) -> Sample {
        guard let crowd, logWealthAgainstGood >= threshold, crowd.logWealthAgainstGood > all.logWealthAgainstGood else {
            return all
        }
        return crowd
    }
}
