import Glibc

/// Hits of a candidate and of the stable version while the split stood still.
public struct RatioStratum: Sendable, Equatable, Codable {
    public var candidateSamples: Int64 = 0
    public var candidateHits: Int64 = 0
    public var stableSamples: Int64 = 0
    public var stableHits: Int64 = 0

    public init() {}

    public var hits: Double { Double(candidateHits + stableHits) }
    /// The candidate's share of the samples.
    public var share: Double { Double(candidateSamples) / Double(max(1, candidateSamples + stableSamples)) }

    public mutating func merge(_ other: RatioStratum) {
        candidateSamples += other.candidateSamples
        candidateHits += other.candidateHits
        stableSamples += other.stableSamples
        stableHits += other.stableHits
    }
}

/// Does the candidate hit more than `limit` times as often as the stable version on the same traffic?
///
/// Of the N hits of both, each is the candidate's with probability q(r) = w r / (w r + 1 - w), where w is its share of the
/// samples of that stratum and r the ratio of the rates. One mixture over r lies on a fixed grid and the log-likelihood of each
/// grid point is summed over strata, so that a share that moves costs nothing (one mixture a stratum would multiply their
/// prices). Given a stratum's samples and hits, the candidate's hits are hypergeometric, which is less spread than the binomial
/// the wealth is made of (Hoeffding 1963, theorem 4): the wealth is at most 1 in the mean under "equally often".
public struct RateRatioTest: Sendable, Equatable, Codable {
    public let limit: Double

    /// Nearly uniform in ln r up to a hundredfold.
    private static let steps: [Double] = (0..<48).map { exp((Double($0) + 0.5) / 48 * log(100)) }

    public init(limit: Double) {
        precondition(limit > 0 && limit.isFinite, "a ratio's limit is a positive number")
        self.limit = limit
    }

    /// ln of the wealth against "at most `limit` times as often". Exponents are divided by the design effect.
    public func logWealthAbove(_ strata: [RatioStratum], designEffect: Double = 1) -> Double {
        mixture(strata, designEffect) { limit * $0 }
    }

    /// ln of the wealth against "at least `limit` times as often".
    public func logWealthBelow(_ strata: [RatioStratum], designEffect: Double = 1) -> Double {
        mixture(strata, designEffect) { limit / $0 }
    }

    private func mixture(_ strata: [RatioStratum], _ designEffect: Double, _ ratio: (Double) -> Double) -> Double {
        let logs = Self.steps.map { step in
            strata.reduce(0.0) { $0 + logLikelihood(of: ratio(step), $1) } / designEffect
        }
        let greatest = logs.max() ?? 0
        guard greatest.isFinite else { return -.infinity }
        return greatest + log(logs.reduce(0) { $0 + exp($1 - greatest) } / Double(logs.count))
    }

    /// ln of the likelihood of r over that of the limit.
    private func logLikelihood(of ratio: Double, _ stratum: RatioStratum) -> Double {
        let share = stratum.share
        guard share > 0, share < 1 else { return 0 }  // only one of them was there: nothing to compare
        // q(r)/q(limit) = (r/limit) d, (1-q(r))/(1-q(limit)) = d, with d = (w limit + 1 - w) / (w r + 1 - w).
        let common = log((share * limit + 1 - share) / (share * ratio + 1 - share))
        return Double(stratum.candidateHits) * log(ratio / limit) + stratum.hits * common
    }

    /// The ratio seen: pooled over strata by Mantel and Haenszel. Nil when the stable version had no hit.
    public static func seen(_ strata: [RatioStratum]) -> Double? {
        var (over, under) = (0.0, 0.0)
        for stratum in strata {
            let total = Double(max(1, stratum.candidateSamples + stratum.stableSamples))
            over += Double(stratum.candidateHits) * Double(stratum.stableSamples) / total
            under += Double(stratum.stableHits) * Double(stratum.candidateSamples) / total
        }
        return under > 0 ? over / under : nil
    }

    /// The design effect of a comparison at this limit, from the units of both sides: residuals about the rates that the limit
    /// implies, weighted as the score weighs them. Never below 1.
    public func designEffect(_ strata: [RatioStratum], candidate: ClusteredRate, stable: ClusteredRate) -> Double {
        var (hits, weight, expected) = (0.0, 0.0, 0.0)
        for stratum in strata where stratum.share > 0 && stratum.share < 1 {
            let share = stratum.share
            hits += stratum.hits
            weight += limit * Double(stratum.candidateSamples) + Double(stratum.stableSamples)
            expected += stratum.hits * limit * share / (limit * share + 1 - share)
        }
        guard hits > 0, weight > 0 else { return 1 }
        let (rate, share) = (hits / weight, expected / hits)
        let (ours, theirs) = ((1 - share) * (1 - share), share * share)
        let independent =
            ours * candidate.squaresOfRequests(about: limit * rate) + theirs * stable.squaresOfRequests(about: rate)
        let clustered = ours * candidate.squares(about: limit * rate) + theirs * stable.squares(about: rate)
        return independent > 0 ? max(1, clustered / independent) : 1
    }
}

/// All ratios that are not yet rejected.
public struct RatioInterval: Sendable, Equatable {
    public let lower: Double
    /// Nil while no ratio is too great to be believed.
    public let upper: Double?

    public init(_ strata: [RatioStratum], designEffect: Double, cautious: Double, alphaBelow: Double, alphaAbove: Double) {
        let seen = RateRatioTest.seen(strata)
        let middle = min(max(seen ?? 1e3, 1e-3), 1e3)
        lower = Bisection.edge(from: 1e-4, to: middle) {
            RateRatioTest(limit: $0).logWealthAbove(strata, designEffect: designEffect) < -log(alphaBelow)
        }
        let end = Bisection.edge(from: middle, to: 1e4) {
            RateRatioTest(limit: $0).logWealthBelow(strata, designEffect: cautious) >= -log(alphaAbove)
        }
        upper = end < 1e4 ? end : nil
    }
}
