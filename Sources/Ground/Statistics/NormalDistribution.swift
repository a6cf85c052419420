import Glibc

/// The standard normal distribution.
public enum NormalDistribution {
    public static func density(_ z: Double) -> Double { exp(-z * z / 2) / (2 * Double.pi).squareRoot() }

    /// P(Z <= z).
    public static func lowerTail(_ z: Double) -> Double { 0.5 * erfc(-z / 2.0.squareRoot()) }

    /// P(|Z| > |z|).
    public static func twoSided(_ z: Double) -> Double { erfc(abs(z) / 2.0.squareRoot()) }

    /// The z with P(Z <= z) = p. Bisection to a start and Newton's steps on the tail that is the smaller one, so that it keeps its
    /// digits far out.
    public static func quantile(_ p: Double) -> Double {
        precondition(p > 0 && p < 1, "a normal quantile is asked for outside 0...1")
        if p > 0.5 { return -quantile(1 - p) }
        var (low, high) = (-40.0, 0.0)
        for _ in 0..<30 {
            let middle = (low + high) / 2
            if lowerTail(middle) < p { low = middle } else { high = middle }
        }
        var z = (low + high) / 2
        for _ in 0..<3 {
            let density = exp(-z * z / 2) / (2 * Double.pi).squareRoot()
            guard density > 0 else { break }
            z -= (lowerTail(z) - p) / density
        }
        return z
    }
}

/// Student's t.
public struct StudentDistribution: Sendable, Equatable {
    public let degrees: Double

    public init(degrees: Double) {
        precondition(degrees > 0, "Student's t needs degrees of freedom")
        self.degrees = degrees
    }

    /// P(|T| > |t|) = I_{v/(v+t^2)}(v/2, 1/2).
    public func twoSided(_ t: Double) -> Double {
        guard t.isFinite else { return 0 }
        guard degrees < 1e9 else { return NormalDistribution.twoSided(t) }
        let beta = BetaDistribution(a: degrees / 2, b: 0.5)
        // The smaller of the two arguments is the exact one: near t = 0 the tail is asked from the other side.
        let square = t * t
        if square < degrees {
            let swapped = BetaDistribution(a: 0.5, b: degrees / 2)
            return swapped.logUpperTail(square / (degrees + square)).map { exp($0) } ?? NormalDistribution.twoSided(t)
        }
        return beta.logLowerTail(degrees / (degrees + square)).map { exp($0) } ?? NormalDistribution.twoSided(t)
    }

    /// The t with P(|T| > t) = alpha.
    public func critical(_ alpha: Double) -> Double {
        precondition(alpha > 0 && alpha < 1, "a critical value is asked for outside 0...1")
        var high = 2.0
        while twoSided(high) > alpha, high < 1e12 { high *= 2 }
        var low = 0.0
        for _ in 0..<100 where high - low > 1e-14 * high {
            let middle = (low + high) / 2
            if twoSided(middle) > alpha { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }
}
