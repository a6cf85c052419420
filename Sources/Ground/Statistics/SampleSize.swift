import Glibc

/// How many units a decision takes.
public enum SampleSize {
    /// Units of each variant that a test looked at once needs to find an effect with this power; variances are of one unit.
    public static func fixed(effect: Double, variances: (Double, Double), alpha: Double, power: Double) -> Double {
        let z = NormalDistribution.quantile(1 - alpha / 2) + NormalDistribution.quantile(power)
        return (variances.0 + variances.1) * z * z / (effect * effect)
    }

    /// Units of both variants together after which an always-valid test has found the effect with at least this power; `share` is
    /// the treated variant's part of them. Nil beyond 10^12.
    public static func sequential(
        effect: Double, variances: (treated: Double, control: Double), share: Double = 0.5, plannedUnits: Double? = nil,
        alpha: Double, power: Double
    ) -> Double? {
        precondition(share > 0 && share < 1 && effect != 0, "a sample size needs a share within 0 and 1, and an effect")
        let perUnit = variances.treated / share + variances.control / (1 - share)
        let planned = plannedUnits ?? Tightness.units(toSee: abs(effect), variance: perUnit / 4)
        let mixture = NormalMixture(tightestAt: planned, alpha: alpha)
        let z = NormalDistribution.quantile(power)
        func isEnough(_ units: Double) -> Bool {
            let information = 4 * share * (1 - share) * units
            let bound = mixture.bound(variance: information, alpha: alpha) / information.squareRoot()
            return abs(effect) / (perUnit / units).squareRoot() >= bound + z
        }
        var high = 16.0
        while !isEnough(high) {
            high *= 2
            guard high < 1e12 else { return nil }
        }
        return Bisection.edge(from: high / 2, to: high, isEnough)
    }
}
