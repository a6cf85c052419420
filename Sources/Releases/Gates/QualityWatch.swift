import Outcomes
import Statistics

/// Watches the mean of a feedback metric.
struct QualityWatch: Sendable, Codable {
    let place: Int
    private(set) var bet: MeanBet
    private(set) var units: ClusteredMean
    private(set) var interval = EmpiricalBernstein(alpha: 0.025)
    /// Values outside 0...1 and non-numbers: counted, never judged.
    private(set) var refused: Int64 = 0

    init?(_ gate: Gate, at place: Int) {
        guard gate.measure == .quality else { return nil }
        self.place = place
        bet = MeanBet(limit: gate.limit)
        units = ClusteredMean(limit: gate.limit)
    }

    /// Takes one label of the candidate; true when the mean is now proven below the limit.
    mutating func observe(_ score: Score, failAt threshold: Double) -> Bool {
        guard score.value >= 0, score.value <= 1 else {
            refused += 1
            return false
        }
        bet.add(score.value)
        units.add(unit: score.unit, score.value)
        interval.add(score.value)
        return score.value < bet.limit && logWealthAgainstGood >= threshold
    }

    /// A capital that was won on labels of the same units is worth its design-effect-th root: the log wealth of a bet is a sum
    /// over labels, and this is the sum over as many independent ones.
    var logWealthAgainstGood: Double { bet.logWealthBelow / units.designEffect }
    var logWealthAgainstBad: Double { bet.logWealthAbove / units.cautiousDesignEffect }
}
