import Glibc

/// Means, counts per unit and ratios of two variants: a normal mixture over the studentised difference (the asymptotic
/// confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021), made honest where it would not yet be:
///
/// - the variance is taken about the *claim*, not about the observed means, so that a difference inflates its own variance: the
///   statistic is self-normalised, bounded by the number of units, and for equal shares sub-Gaussian under "no difference" whatever
///   the tails (given the values, who got which variant was a coin);
/// - while the smaller variant has few units, its variance is not believed to be less than what the other one shows;
/// - with unequal shares and skewed values the estimate itself is skewed: the deviation is discounted as a sub-gamma one.
public struct MeanComparison: Comparison, Sendable {
    /// How many units, divided by the kurtosis of both variants, a variant's own variance needs to be believed half: of values
    /// that few units have, a small variant has seen none, or all, and knows nothing of it.
    static let unitsToBelieve = 30.0

    public let treated: UnitMoments
    public let control: UnitMoments
    public let mixture: NormalMixture

    /// `plannedUnits`: of both together, where the interval shall be tightest.
    public init(treated: UnitMoments, control: UnitMoments, plannedUnits: Double = Tightness.unitsUsual, alpha: Double) {
        (self.treated, self.control) = (treated, control)
        mixture = NormalMixture(tightestAt: plannedUnits, alpha: alpha)
    }

    public var figure: Double { treated.figure }
    public var controlFigure: Double { control.figure }

    public var standardError: Double {
        (treated.variance(about: figure) + control.variance(about: controlFigure)).squareRoot()
    }

    /// Units in equal halves that would say as much.
    public var information: Double { Tightness.information(treated.effective, control.effective) }

    public func logWealth(against line: Line) -> Double {
        let (own, other) = (treated.effective, control.effective)
        guard own > 1, other > 1 else { return 0 }
        let (offset, slope) = (line.offset, line.slope)
        // Where both would stand if the claim were true.
        let base = (own * slope * (figure - offset) + other * controlFigure) / (own * slope * slope + other)
        let ownVariance = treated.variance(about: offset + slope * base)
        let otherVariance = slope * slope * control.variance(about: base)
        let swapped = ownVariance * own / other + otherVariance * other / own
        let plain = ownVariance + otherVariance
        let doubt = Self.unitsToBelieve / (Self.unitsToBelieve + min(own, other) / kurtosis(own, other))
        let variance = plain + max(0, swapped - plain) * doubt
        let off = figure - offset - slope * controlFigure
        guard variance > 0 else { return 0 }  // no unit differs from another, and none from the claim
        let skewness = self.skewness(own, other, slope) / (variance * variance.squareRoot())
        let z = off / variance.squareRoot()
        let square = z * z / (1 + max(0, skewness * z) / 3)
        return mixture.logWealth(sum: (square * information).squareRoot(), variance: information)
    }

    /// Of the values of both variants' units, never below a coin's.
    private func kurtosis(_ own: Double, _ other: Double) -> Double {
        let second = (own * treated.secondMoment + other * control.secondMoment) / (own + other)
        let fourth = (own * treated.fourthMoment + other * control.fourthMoment) / (own + other)
        return second > 0 ? max(1, fourth / (second * second)) : 1
    }

    /// The third cumulant of the estimate, if both variants' units were of one kind.
    private func skewness(_ own: Double, _ other: Double, _ slope: Double) -> Double {
        let third = (own * treated.thirdMoment + other * control.thirdMoment) / (own + other)
        return third * (1 / (own * own) - slope * slope * slope / (other * other))
    }
}

/// Where an always-valid interval is tightest: a mixture has to be tuned to some sample size, and is within a fifth of its best
/// from a tenth to a hundred times of it.
public enum Tightness {
    /// Units of both variants together, where nothing is planned.
    public static let unitsUsual = 5_000.0

    /// The units that tell an effect of this size from none at about four standard errors, half for each variant.
    public static func units(toSee effect: Double, variance: Double) -> Double {
        guard effect > 0, variance > 0, effect.isFinite, variance.isFinite else { return unitsUsual }
        return min(max(50 * variance / (effect * effect), 200), 1e8)
    }

    /// Units in equal halves that say as much as these.
    public static func information(_ one: Double, _ other: Double) -> Double {
        one > 0 && other > 0 ? 4 * one * other / (one + other) : 0
    }
}
