import Glibc

/// The gamma function and its relatives, in logarithms.
public enum GammaFunction {
    private static let halfLogTwoPi = 0.918_938_533_204_672_741_78

    /// ln Gamma(x) for x > 0: Stirling's series, after lifting small arguments above 10 (Abramowitz and Stegun 6.1.40, 6.1.15).
    public static func log(_ x: Double) -> Double {
        precondition(x > 0, "ln Gamma is asked for outside x > 0")
        if x >= 10 { return (x - 0.5) * Glibc.log(x) - x + halfLogTwoPi + stirlingRemainder(x) }
        var (lifted, product) = (x, 1.0)
        while lifted < 10 {
            product *= lifted
            lifted += 1
        }
        return log(lifted) - Glibc.log(product)
    }

    /// ln Gamma(x) less Stirling's (x - 1/2) ln x - x + ln(2 pi)/2, for x >= 10: below 1e-17 relative after seven terms.
    static func stirlingRemainder(_ x: Double) -> Double {
        let y = 1 / (x * x)
        let series =
            1.0 / 12 - y
            * (1.0 / 360 - y * (1.0 / 1_260 - y * (1.0 / 1_680 - y * (1.0 / 1_188 - y * (691.0 / 360_360 - y / 156)))))
        return series / x
    }

    /// ln B(a, b) without the cancellation of three large ln Gammas (Didonato and Morris 1992, BRATIO's `betaln`).
    public static func logBeta(_ first: Double, _ second: Double) -> Double {
        let (a, b) = (min(first, second), max(first, second))
        precondition(a > 0, "ln B is asked for outside a, b > 0")
        let ratio = a / (a + b)
        if a >= 10 {
            let remainder = stirlingRemainder(a) + stirlingRemainder(b) - stirlingRemainder(a + b)
            return -0.5 * Glibc.log(b) + halfLogTwoPi + remainder + (a - 0.5) * Glibc.log(ratio) + b * log1p(-ratio)
        }
        if b >= 10 {
            let remainder = stirlingRemainder(b) - stirlingRemainder(a + b)
            return log(a) + remainder + a - a * Glibc.log(a + b) + (b - 0.5) * log1p(-ratio)
        }
        return log(a) + log(b) - log(a + b)
    }

    /// Q(a, x), the regularised upper incomplete gamma function: series below a + 1, Lentz's continued fraction above
    /// (Abramowitz and Stegun 6.5.29, 6.5.31). Nil when it does not settle.
    public static func upperTail(shape a: Double, _ x: Double) -> Double? {
        precondition(a > 0 && x >= 0, "Q(a, x) is asked for outside a > 0, x >= 0")
        if x == 0 { return 1 }
        let logFront = a * Glibc.log(x) - x - log(a)
        if x < a + 1 {
            var (term, sum, n) = (1 / a, 1 / a, a)
            for _ in 0..<100_000 {
                n += 1
                term *= x / n
                sum += term
                if term < sum * 1e-16 { return max(0, 1 - exp(logFront + Glibc.log(sum))) }
            }
            return nil
        }
        var fraction = ContinuedFraction(first: x + 1 - a)
        for i in 1..<100_000 {
            let n = Double(i)
            if fraction.step(numerator: -n * (n - a), denominator: x + 2 * n + 1 - a) {
                return exp(logFront - Glibc.log(fraction.value))
            }
        }
        return nil
    }
}

/// b0 + a1/(b1 + a2/(b2 + ...)), by the modified method of Lentz (Thompson and Barnett 1986).
struct ContinuedFraction {
    private static let tiny = 1e-300
    private(set) var value: Double
    private var c: Double
    private var d = 0.0

    init(first: Double) {
        value = first == 0 ? Self.tiny : first
        c = value
    }

    /// Takes one more level; true when it changed nothing any more.
    mutating func step(numerator: Double, denominator: Double) -> Bool {
        d = denominator + numerator * d
        if abs(d) < Self.tiny { d = Self.tiny }
        c = denominator + numerator / c
        if abs(c) < Self.tiny { c = Self.tiny }
        d = 1 / d
        let factor = c * d
        value *= factor
        return abs(factor - 1) < 4e-16
    }
}
