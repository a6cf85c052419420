import Glibc

/// Beta(a, b), whose tails are asked for in logarithms: a tail too small for a `Double` still has a finite logarithm.
public struct BetaDistribution: Sendable, Equatable {
    public let a: Double
    public let b: Double

    public init(a: Double, b: Double) {
        precondition(a > 0 && b > 0 && a.isFinite && b.isFinite, "a beta distribution needs finite a, b > 0")
        (self.a, self.b) = (a, b)
    }

    public var mean: Double { a / (a + b) }

    /// ln P(X <= x). Minus infinity at 0; nil when the continued fraction does not settle, which callers treat as no evidence.
    public func logLowerTail(_ x: Double) -> Double? { logTail(x, 1 - x, a, b) }

    /// ln P(X > x).
    public func logUpperTail(_ x: Double) -> Double? { logTail(1 - x, x, b, a) }

    /// ln I_x(a, b), with y = 1 - x given apart so that neither loses digits. The fraction converges fast on the side of the
    /// smaller tail; the greater tail is 1 minus it, exact because the smaller one is below about a half.
    private func logTail(_ x: Double, _ y: Double, _ a: Double, _ b: Double) -> Double? {
        if x <= 0 { return -.infinity }
        if y <= 0 { return 0 }
        let logFront = a * Self.log(x, else: y) + b * Self.log(y, else: x) - GammaFunction.logBeta(a, b)
        if x < (a + 1) / (a + b + 2) {
            guard let fraction = Self.fraction(x, a, b) else { return nil }
            return min(0, logFront - Glibc.log(fraction) - Glibc.log(a))
        }
        guard let fraction = Self.fraction(y, b, a) else { return nil }
        let logOther = logFront - Glibc.log(fraction) - Glibc.log(b)
        return logOther >= 0 ? -.infinity : log1p(-exp(logOther))
    }

    /// ln x, through 1 - x where x is near 1.
    private static func log(_ x: Double, else y: Double) -> Double { y < 0.5 ? log1p(-y) : Glibc.log(x) }

    /// The continued fraction of Abramowitz and Stegun 26.5.8, inverted: I_x = x^a (1-x)^b / (a B(a,b)) / fraction.
    /// It takes about sqrt(max(a, b)) levels near the mean.
    private static func fraction(_ x: Double, _ a: Double, _ b: Double) -> Double? {
        var fraction = ContinuedFraction(first: 1)
        let levelsMax = 1_000 + Int(20 * max(a, b).squareRoot())
        for level in 1...levelsMax {
            let m = Double(level / 2)
            let numerator =
                level.isMultiple(of: 2)
                ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
                : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
            if fraction.step(numerator: numerator, denominator: 1) { return fraction.value }
        }
        return nil
    }
}
