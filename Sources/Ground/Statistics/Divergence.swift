import Glibc

/// How far apart two histograms over the same bins are. Counts need not sum to the same total; natural logarithms.
public enum Divergence {
    /// Population stability index: sum (p - q) ln(p/q).
    public static func populationStability(_ current: [Double], reference: [Double]) -> Double {
        pairs(current, reference).reduce(0) { $0 + ($1.p - $1.q) * log($1.p / $1.q) }
    }

    /// Kullback-Leibler: sum p ln(p/q).
    public static func kullbackLeibler(_ current: [Double], reference: [Double]) -> Double {
        pairs(current, reference).reduce(0) { $0 + kernel($1.p, $1.q) }
    }

    /// The Jensen-Shannon distance: the root of the mean divergence of both from their middle.
    public static func jensenShannon(_ current: [Double], reference: [Double]) -> Double {
        let divergence = pairs(current, reference).reduce(0.0) { sum, pair in
            let middle = (pair.p + pair.q) / 2
            return sum + (kernel(pair.p, middle) + kernel(pair.q, middle)) / 2
        }
        return max(0, divergence).squareRoot()
    }

    private static func kernel(_ p: Double, _ q: Double) -> Double { p > 0 ? p * log(p / q) : 0 }

    private static func pairs(_ current: [Double], _ reference: [Double]) -> [(p: Double, q: Double)] {
        precondition(current.count == reference.count, "both histograms have the same bins")
        let (currentTotal, referenceTotal) = (current.reduce(0, +), reference.reduce(0, +))
        return zip(current, reference).map { ($0 / currentTotal, $1 / referenceTotal) }
    }
}
