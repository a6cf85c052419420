import Glibc

/// The textbook tests, for data that are looked at once: beside the always-valid ones, to compare with.
public struct FixedHorizon: Sendable, Equatable, Codable {
    public var test: String
    public var statistic: Double
    public var pValue: Double
    public var lower: Double
    public var upper: Double

    /// Welch's t. `variance` of the units, with n - 1.
    public static func welch(
        own: (mean: Double, variance: Double, count: Double), other: (mean: Double, variance: Double, count: Double), alpha: Double
    ) -> FixedHorizon? {
        guard own.count > 1, other.count > 1 else { return nil }
        let (first, second) = (own.variance / own.count, other.variance / other.count)
        guard first + second > 0 else { return nil }
        let degrees =
            (first + second) * (first + second)
            / (first * first / (own.count - 1) + second * second / (other.count - 1))
        let student = StudentDistribution(degrees: degrees)
        let (difference, error) = (own.mean - other.mean, (first + second).squareRoot())
        let half = student.critical(alpha) * error
        return FixedHorizon(
            test: "Welch's t", statistic: difference / error, pValue: student.twoSided(difference / error),
            lower: difference - half, upper: difference + half)
    }

    /// Two proportions: the p-value with the pooled rate, which the claim of equality implies; the interval with each one's own.
    public static func twoProportions(
        own: (hits: Double, count: Double), other: (hits: Double, count: Double), alpha: Double
    ) -> FixedHorizon? {
        guard own.count > 0, other.count > 0 else { return nil }
        let (first, second) = (own.hits / own.count, other.hits / other.count)
        let pooled = (own.hits + other.hits) / (own.count + other.count)
        let error = (pooled * (1 - pooled) * (1 / own.count + 1 / other.count)).squareRoot()
        guard error > 0 else { return nil }
        let half =
            NormalDistribution.quantile(1 - alpha / 2)
            * (first * (1 - first) / own.count + second * (1 - second) / other.count).squareRoot()
        let z = (first - second) / error
        return FixedHorizon(
            test: "two-proportion z", statistic: z, pValue: NormalDistribution.twoSided(z), lower: first - second - half,
            upper: first - second + half)
    }

    /// An estimate with a standard error: ratios by the delta method.
    public static func normal(_ test: String, difference: Double, error: Double, alpha: Double) -> FixedHorizon? {
        guard error > 0, error.isFinite else { return nil }
        let half = NormalDistribution.quantile(1 - alpha / 2) * error
        return FixedHorizon(
            test: test, statistic: difference / error, pValue: NormalDistribution.twoSided(difference / error),
            lower: difference - half, upper: difference + half)
    }

    /// The profile likelihood of two quantiles, read once.
    public static func quantiles(_ comparison: QuantileComparison, alpha: Double) -> FixedHorizon? {
        guard comparison.treated.effective > 1, comparison.control.effective > 1 else { return nil }
        let critical = NormalDistribution.quantile(1 - alpha / 2)
        let statistic = comparison.deviance(against: Line()).squareRoot()
        let once = OnceLooked(comparison: comparison, critical: critical * critical)
        let interval = once.interval(alpha: 0.5)
        return FixedHorizon(
            test: "profile likelihood of the quantiles", statistic: comparison.difference < 0 ? -statistic : statistic,
            pValue: NormalDistribution.twoSided(statistic), lower: interval.lower ?? -.infinity, upper: interval.upper ?? .infinity)
    }

    /// Lets the search for interval ends ask another question: is the deviance above the critical value?
    private struct OnceLooked: Comparison {
        let comparison: QuantileComparison
        let critical: Double
        var figure: Double { comparison.figure }
        var controlFigure: Double { comparison.controlFigure }
        var standardError: Double { comparison.standardError }
        func logWealth(against line: Line) -> Double { comparison.deviance(against: line) >= critical ? 1 : 0 }
    }
}
