import Glibc

/// Samples and hits of two variants while the share between them stood still.
public struct RateStratum: Sendable, Equatable, Codable {
    /// Sum over the samples of the treated variant's share of the two, as it was known when they were assigned.
    public var shares = 0.0
    public var samples = 0.0
    public var hits = 0.0
    public var controlSamples = 0.0
    public var controlHits = 0.0

    public init() {}

    public var total: Double { samples + controlSamples }
    public var share: Double { total > 0 ? shares / total : 0.5 }
}

/// Shares of ones of two variants. For each claim a likelihood ratio of assignments and outcomes, mixed over effects:
/// each alternative is divided by the member of the claim that is nearest to it in information (Turner and Grünwald 2023), at the
/// share that was known when the sample was assigned. For "no difference" that is the chance of the *variant* given the outcome over
/// its known share, exact for a handful of hits, for unequal and for moving shares, because only the coin is random.
///
/// The common rate is a nuisance and is taken from both variants pooled. Where units repeat, exponents are divided by the design
/// effect, as in `RateRatioTest`.
public struct RateComparison: Comparison, Sendable {
    public let strata: [RateStratum]
    public let mixture: NormalMixture
    public let designEffect: Double
    public let figure: Double
    public let controlFigure: Double
    private let samples: Double
    private let hits: Double
    private let controlSamples: Double
    private let controlHits: Double

    /// `plannedSamples`: of both together, where the interval shall be tightest.
    public init(
        strata: [RateStratum], designEffect: Double = 1, plannedSamples: Double = Tightness.unitsUsual, alpha: Double
    ) {
        self.strata = strata.filter { $0.total > 0 }
        self.designEffect = max(1, designEffect)
        mixture = NormalMixture(tightestAt: plannedSamples, alpha: alpha)
        samples = strata.reduce(0) { $0 + $1.samples }
        hits = strata.reduce(0) { $0 + $1.hits }
        controlSamples = strata.reduce(0) { $0 + $1.controlSamples }
        controlHits = strata.reduce(0) { $0 + $1.controlHits }
        // Strata are weighted as the score weighs them, so that a share that follows the rates over time biases nothing.
        var (own, ownHits, other, otherHits) = (0.0, 0.0, 0.0, 0.0)
        for stratum in strata where stratum.total > 0 {
            own += (1 - stratum.share) * stratum.samples
            ownHits += (1 - stratum.share) * stratum.hits
            other += stratum.share * stratum.controlSamples
            otherHits += stratum.share * stratum.controlHits
        }
        figure = own > 0 ? ownHits / own : 0
        controlFigure = other > 0 ? otherHits / other : 0
    }

    private var pooled: Double { (hits + controlHits + 0.5) / (samples + controlSamples + 1) }

    /// Samples in equal halves that would say as much.
    public var information: Double { Tightness.information(samples, controlSamples) / designEffect }

    public var standardError: Double {
        guard samples > 0, controlSamples > 0 else { return .infinity }
        return (pooled * (1 - pooled) * (1 / samples + 1 / controlSamples) * designEffect).squareRoot()
    }

    public func logWealth(against line: Line) -> Double {
        guard samples > 0, controlSamples > 0 else { return 0 }
        guard let base = nearest(line, own: (samples + 0.5, hits + 0.25), other: (controlSamples + 0.5, controlHits + 0.25)) else {
            return .infinity  // the claim lies outside of what rates can be
        }
        // The known share, not the one that came about: nothing but the claim's own figures may depend on the coins.
        let weight = strata.reduce(0) { $0 + $1.shares } / (samples + controlSamples)
        let common = max((1 - weight) * base.own * (1 - base.own) + weight * base.other * (1 - base.other), 1e-12)
        let (ownStart, otherStart) = (logit(base.own), logit(base.other))
        // The prior of the effect in log odds, as wide as the mixture's for values of the same variance.
        let priorVariance = 4 / (mixture.rho * common)
        let precision = information / 4 * common + 1 / priorVariance
        let deviation = 1 / precision.squareRoot()
        func logPosterior(_ effect: Double) -> Double {
            let own = logistic(ownStart + (1 - weight) * effect)
            let other = logistic(otherStart - weight * effect)
            return logRatio(own, other, line) / designEffect - effect * effect / (2 * priorVariance)
        }
        let mode = climb(from: start(ownStart, otherStart) * (1 - 1 / (precision * priorVariance)), deviation, logPosterior)
        return integral(around: mode, deviation, logPosterior) - 0.5 * log(2 * Double.pi * priorVariance)
    }

    private func start(_ ownStart: Double, _ otherStart: Double) -> Double {
        logit((hits + 0.5) / (samples + 1)) - ownStart - logit((controlHits + 0.5) / (controlSamples + 1)) + otherStart
    }

    /// A few steps of Newton's towards the top: where to integrate, not what.
    private func climb(from start: Double, _ deviation: Double, _ height: (Double) -> Double) -> Double {
        var place = start
        for _ in 0..<3 {
            let (below, at, above) = (height(place - deviation), height(place), height(place + deviation))
            let curvature = 2 * at - below - above
            let slope = (above - below) / 2
            let step = curvature > 0 ? slope / curvature : (slope > 0 ? 1 : -1)
            guard step.isFinite else { return start }
            place += min(max(step, -3), 3) * deviation
            if abs(step) < 0.25 { break }
        }
        return place
    }

    /// ln of the integral of exp(height), by the trapezoid rule, which is all but exact for a bell.
    private func integral(around mode: Double, _ deviation: Double, _ height: (Double) -> Double) -> Double {
        let step = deviation / 2
        let heights = (-15...15).map { height(mode + Double($0) * step) }
        let top = heights.max() ?? 0
        guard top.isFinite else { return -.infinity }
        return top + log(heights.reduce(0) { $0 + exp($1 - top) } * step)
    }

    /// ln of the likelihood under these rates over that under the claim's member nearest to them, stratum by stratum.
    private func logRatio(_ own: Double, _ other: Double, _ line: Line) -> Double {
        var sum = 0.0
        for stratum in strata {
            let share = stratum.share
            guard share > 0, share < 1 else { continue }  // only one of them could be there: nothing to compare
            let (near, nearOther): (Double, Double)
            if line == Line() {
                near = share * own + (1 - share) * other
                nearOther = near
            } else {
                guard let base = nearest(line, own: (share, share * own), other: (1 - share, (1 - share) * other)) else { return 0 }
                (near, nearOther) = base
            }
            sum += Self.term(stratum.hits, own, near) + Self.term(stratum.samples - stratum.hits, 1 - own, 1 - near)
            sum += Self.term(stratum.controlHits, other, nearOther)
            sum += Self.term(stratum.controlSamples - stratum.controlHits, 1 - other, 1 - nearOther)
        }
        return sum
    }

    private static func term(_ count: Double, _ rate: Double, _ claimed: Double) -> Double {
        count > 0 ? count * log(rate / claimed) : 0
    }

    /// The two rates on the line that are likeliest given weights and hits (which is also the projection in information).
    private func nearest(
        _ line: Line, own: (weight: Double, hits: Double), other: (weight: Double, hits: Double)
    ) -> (own: Double, other: Double)? {
        let (a, b) = (line.offset, line.slope)
        guard b > 0 else { return nil }
        var (low, high) = (max(0, -a / b), min(1, (1 - a) / b))
        guard low < high else { return nil }
        let width = high - low
        (low, high) = (low + width * 1e-12, high - width * 1e-12)
        /// Falls from plus to minus infinity.
        func slope(_ rate: Double) -> Double {
            let moved = a + b * rate
            return b * (own.hits - own.weight * moved) / (moved * (1 - moved))
                + (other.hits - other.weight * rate) / (rate * (1 - rate))
        }
        for _ in 0..<45 where high - low > 1e-13 {
            let middle = (low + high) / 2
            if slope(middle) > 0 { low = middle } else { high = middle }
        }
        let rate = (low + high) / 2
        return (min(max(a + b * rate, 1e-15), 1 - 1e-15), min(max(rate, 1e-15), 1 - 1e-15))
    }

    private func logit(_ p: Double) -> Double { log(p / (1 - p)) }
    private func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
}
