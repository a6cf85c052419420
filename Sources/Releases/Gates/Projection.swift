import Glibc
import Statistics

/// How many more samples a verdict takes if what comes is like what came.
enum Projection {
    /// Beyond this many times what was seen, a guess is worth nothing: the truth is too close to the limit.
    static let scaleMax = 4_096.0

    /// More samples until either wealth reaches its threshold; `wealth(scale, isHarm)` is that of `scale` times the counts.
    static func more(samples: Double, _ budget: ErrorBudget, wealth: (Double, Bool) -> Double) -> Double? {
        func isDecided(_ scale: Double) -> Bool {
            wealth(scale, true) >= budget.failLogWealth || wealth(scale, false) >= budget.passLogWealth
        }
        guard !isDecided(1) else { return nil }
        var scale = 2.0
        while !isDecided(scale) {
            scale *= 2
            if scale > scaleMax { return nil }
        }
        return samples * (Bisection.edge(from: scale / 2, to: scale, isDecided) - 1)
    }

    /// The same for bets: a capital grows by a constant factor a label.
    static func moreLabels(_ watch: QualityWatch, _ budget: ErrorBudget) -> Double? {
        let bet = watch.all.bet
        guard let mean = bet.mean, bet.count >= 2 else { return nil }
        let edge = mean - bet.limit
        let square = bet.squaresAboutLimit / Double(bet.count)
        let cap = MeanBet.truncation / (edge > 0 ? bet.limit : 1 - bet.limit)
        let fraction = min(abs(edge) / max(square, 1e-9), cap)
        let effect = edge > 0 ? watch.all.units.cautiousDesignEffect : watch.all.units.designEffect
        let growth = (fraction * abs(edge) - fraction * fraction * square / 2) / effect
        let missing =
            edge > 0 ? budget.passLogWealth - watch.logWealthAgainstBad : budget.failLogWealth - watch.logWealthAgainstGood
        guard missing > 0, growth > 0, missing / growth < scaleMax * Double(bet.count) else { return nil }
        return missing / growth
    }
}
