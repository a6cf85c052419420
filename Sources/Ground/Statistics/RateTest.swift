import Glibc

/// Is a rate above or below a limit? Looked at as often as one likes: beta-binomial mixtures as wealth processes (Robbins 1970;
/// Howard, Ramdas, McAuliffe and Sekhon 2021), one for each side, each a mixture restricted to its own side of the limit.
///
/// Under "the rate is the limit or on the other side" each wealth exceeds 1/alpha at any time with probability at most alpha.
/// Counts may be fractional: they are effective counts where units repeat (`ClusteredRate`).
public struct RateTest: Sendable, Equatable {
    public let limit: Double
    private let above: BetaDistribution
    private let logMassAbove: Double
    private let logMassBelow: Double

    /// Below the limit: Jeffreys' prior, a compromise between a rate of nearly zero and one of half the limit.
    private static let below = BetaDistribution(a: 0.5, b: 0.5)

    public init(limit: Double) {
        precondition(limit > 0 && limit < 1, "a rate's limit lies within 0 and 1")
        self.limit = limit
        // Above the limit: mean at the limit and total weight 1, which for a small limit is nearly uniform in ln p, so that
        // twice the limit and a hundred times are found about equally well.
        above = BetaDistribution(a: limit, b: 1 - limit)
        logMassAbove = above.logUpperTail(limit) ?? 0
        logMassBelow = Self.below.logLowerTail(limit) ?? 0
    }

    /// ln of the wealth against "at most the limit". Minus infinity (no evidence) where it cannot be computed.
    public func logWealthAbove(hits: Double, of total: Double) -> Double {
        logWealth(hits, total, prior: above, logMass: logMassAbove) { $0.logUpperTail(limit) }
    }

    /// ln of the wealth against "at least the limit".
    public func logWealthBelow(hits: Double, of total: Double) -> Double {
        logWealth(hits, total, prior: Self.below, logMass: logMassBelow) { $0.logLowerTail(limit) }
    }

    private func logWealth(
        _ hits: Double, _ total: Double, prior: BetaDistribution, logMass: Double, tail: (BetaDistribution) -> Double?
    ) -> Double {
        precondition(hits >= 0 && total >= hits, "more hits than samples")
        if total == 0 { return 0 }
        let misses = max(0, total - hits)
        let posterior = BetaDistribution(a: prior.a + hits, b: prior.b + misses)
        guard let logTail = tail(posterior) else { return -.infinity }
        let wealth =
            GammaFunction.logBeta(posterior.a, posterior.b) - GammaFunction.logBeta(prior.a, prior.b) + logTail - logMass
            - hits * log(limit) - misses * log1p(-limit)
        return wealth.isNaN ? -.infinity : wealth
    }
}

extension RateTest: Codable {
    public init(from decoder: any Decoder) throws {
        let limit = try decoder.singleValueContainer().decode(Double.self)
        guard limit > 0, limit < 1 else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not a rate's limit"))
        }
        self.init(limit: limit)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(limit)
    }
}

/// The ends of the always-valid interval of a rate: all rates that `RateTest` does not reject yet. An end passes a limit
/// exactly when the test at that limit decides.
public enum RateInterval {
    /// The truth ever lies below it with probability at most `alpha`.
    public static func lower(hits: Double, of total: Double, alpha: Double) -> Double {
        guard total > 0, hits > 0 else { return 0 }
        return Bisection.edge(from: 1e-12, to: min(hits / total, 1 - 1e-12)) {
            RateTest(limit: $0).logWealthAbove(hits: hits, of: total) < -log(alpha)
        }
    }

    /// The truth ever lies above it with probability at most `alpha`.
    public static func upper(hits: Double, of total: Double, alpha: Double) -> Double {
        guard total > 0, hits < total else { return 1 }
        let end = Bisection.edge(from: max(hits / total, 1e-12), to: 1 - 1e-12) {
            RateTest(limit: $0).logWealthBelow(hits: hits, of: total) >= -log(alpha)
        }
        return end < 1 - 1e-12 ? end : 1
    }
}

/// Where a condition that is false at one end becomes true.
public enum Bisection {
    /// The place in (from, to] where `holds` turns true, to a relative 1e-6; `to` when it never does.
    public static func edge(from: Double, to: Double, _ holds: (Double) -> Bool) -> Double {
        var (low, high) = (from, to)
        guard low < high else { return to }
        for _ in 0..<60 where high - low > 1e-6 * high {
            // Halve the ratio while the ends are far apart: the edge may lie at 1e-9.
            let middle = low > 0 && high > 4 * low ? (low * high).squareRoot() : (low + high) / 2
            if holds(middle) { high = middle } else { low = middle }
        }
        return high
    }
}
