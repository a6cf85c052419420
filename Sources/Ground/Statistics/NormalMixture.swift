import Glibc

/// The two-sided normal mixture for a martingale S with variance process V (Robbins 1970; Howard et al. 2021).
public struct NormalMixture: Sendable, Equatable {
    public let rho: Double

    public init(rho: Double) {
        precondition(rho > 0, "a normal mixture needs rho > 0")
        self.rho = rho
    }

    /// The rho for which the bound is about narrowest at this V.
    public init(tightestAt variance: Double, alpha: Double) {
        let twice = -2 * log(alpha)
        self.init(rho: variance / (twice + log(1 + twice)))
    }

    /// ln m = 1/2 ln(rho/(V + rho)) + S^2 / (2 (V + rho)).
    public func logWealth(sum: Double, variance: Double) -> Double {
        0.5 * log(rho / (variance + rho)) + sum * sum / (2 * (variance + rho))
    }

    /// |S| stays below it for ever with probability 1 - alpha.
    public func bound(variance: Double, alpha: Double) -> Double {
        ((variance + rho) * (log1p(variance / rho) - 2 * log(alpha))).squareRoot()
    }
}

/// An asymptotic confidence sequence for a mean (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, arXiv 2103.06476).
public enum AsymptoticSequence {
    /// Half the width at `count` samples with sample standard deviation `deviation`: the published
    /// s sqrt(2 (n rho^2 + 1) / (n^2 rho^2) ln(sqrt(n rho^2 + 1) / alpha)).
    public static func halfWidth(count: Double, deviation: Double, rho: Double, alpha: Double) -> Double {
        precondition(count > 0 && rho > 0, "an asymptotic sequence needs samples and rho > 0")
        let scaled = count * rho * rho
        return deviation * (2 * (scaled + 1) / (count * scaled) * log((scaled + 1).squareRoot() / alpha)).squareRoot()
    }
}
