import Glibc
import Statistics

/// Users with known truth, drawn from a seed: who comes, what a variant does to them, and when that is heard of.
public struct SyntheticUsers: Equatable, Sendable {
    /// How one value is drawn around a variant's figure.
    public enum Shape: Equatable, Sendable {
        /// 1 with the figure as its chance.
        case binary
        /// Counts with this variance over their mean: 1 is Poisson's, more are gamma mixtures of it.
        case count(dispersion: Double)
        case normal(deviation: Double)
        /// The figure is the mean (for quantiles the median); `sigma` of the logarithm.
        case logNormal(sigma: Double)
        /// P(X > x) falls as x^-tail; the figure is the mean.
        case pareto(tail: Double)
        /// A value per denominator: 1 to 5 of these each, with the figure as the mean of each one's exponential part.
        case ratio
    }

    /// Who comes.
    public enum Visits: Equatable, Sendable {
        /// Everybody once.
        case once
        /// Some come again and again: of `count` users one in a hundred comes 50 times as often, and each has a level of their own.
        case again(count: Int)
    }

    public var shape: Shape
    /// The true figure of each variant, control first.
    public var figures: [Double]
    public var visits = Visits.once
    /// Values are heard of after this many further visits, in the mean; hits of a share take three times as long as misses.
    public var delay = 0.0
    /// How much of a value's variance (on its own scale) its covariate knows, for CUPED; nil without one. For `normal`.
    public var covariate: Double?

    public init(shape: Shape, figures: [Double], visits: Visits = .once, delay: Double = 0, covariate: Double? = nil) {
        (self.shape, self.figures, self.visits, self.delay, self.covariate) = (shape, figures, visits, delay, covariate)
    }
}

/// One stream of them.
struct SyntheticStream {
    let users: SyntheticUsers
    private var random: SplitMix64
    private let salt: UInt64
    private var visits: UInt64 = 0

    init(_ users: SyntheticUsers, seed: UInt64) {
        self.users = users
        random = SplitMix64(seed: seed)
        salt = random.next()
    }

    /// The next visitor, and the number in 0..<1 that decides the variant, for ever the same for a user.
    mutating func next() -> (unit: UInt64, place: Double) {
        visits += 1
        let unit: UInt64 =
            switch users.visits {
            case .once: salt &+ visits
            case .again(let count): salt &+ visitor(of: count)
            }
        return (unit, Double(Self.mixed(unit) >> 11) * 0x1p-53)
    }

    private mutating func visitor(of count: Int) -> UInt64 {
        let heavy = max(1, count / 100)
        let weight = 50.0 * Double(heavy)
        let isHeavy = random.unit() * (weight + Double(count - heavy)) < weight
        return isHeavy ? random.next() % UInt64(heavy) : UInt64(heavy) + random.next() % UInt64(max(1, count - heavy))
    }

    /// What this visit comes to under a variant.
    mutating func value(of unit: UInt64, arm: Int) -> (value: Double, denominator: Double?, covariate: Double?) {
        let figure = users.figures[arm]
        let level = self.level(of: unit)
        switch users.shape {
        case .binary:
            // Levels spread shares without changing their mean: one user in ten has ten times the odds of having it at all.
            let share = users.visits == .once ? figure : min(1, figure * (level > 0.9 ? 5.5 : 0.5))
            return (random.unit() < share ? 1 : 0, nil, nil)
        case .count(let dispersion): return (count(mean: figure * spread(level), dispersion), nil, nil)
        case .normal(let deviation):
            let known = users.covariate ?? 0
            let past = Self.quantile(level)
            let fresh = normal()
            if users.visits != .once { return (figure + deviation * (0.7 * past + 0.7 * fresh), nil, nil) }
            let value = figure + deviation * (known.squareRoot() * past + (1 - known).squareRoot() * fresh)
            return (value, nil, users.covariate == nil ? nil : 100 + 10 * past)
        case .logNormal(let sigma): return (figure * spread(level) * exp(sigma * normal() - sigma * sigma / 2), nil, nil)
        case .pareto(let tail):
            let least = figure * (tail - 1) / tail
            return (least * pow(1 - random.unit(), -1 / tail) * spread(level), nil, nil)
        case .ratio:
            let denominator = Double(1 + random.next() % 5)
            return (-log(1 - random.unit()) * figure * denominator * spread(level), denominator, nil)
        }
    }

    /// How many further visits pass until a value is heard of.
    mutating func wait(for value: Double) -> Int {
        guard users.delay > 0 else { return 0 }
        let mean = users.shape == .binary && value < 0.5 ? users.delay / 3 : users.delay
        return Int((-log(1 - random.unit()) * mean).rounded(.down))
    }

    /// A user's own standing among all, in 0..<1.
    private func level(of unit: UInt64) -> Double { Double(Self.mixed(unit ^ 0x5bf0_3635_dd3b_85a1) >> 11) * 0x1p-53 }

    /// Of users who come again: the level as a factor of mean 1.
    private func spread(_ level: Double) -> Double { users.visits == .once ? 1 : exp(0.8 * Self.quantile(level) - 0.32) }

    private static func quantile(_ level: Double) -> Double { NormalDistribution.quantile(min(max(level, 1e-9), 1 - 1e-9)) }

    private mutating func normal() -> Double {
        (-2 * log(1 - random.unit())).squareRoot() * cos(2 * .pi * random.unit())
    }

    private mutating func count(mean: Double, _ dispersion: Double) -> Double {
        var rate = mean
        if dispersion > 1 {
            // A gamma of mean 1 and the variance that is left over, as a sum of exponentials where the shape is whole, else of
            // two points of that variance.
            let variance = (dispersion - 1) / mean
            let share = 1 / (1 + variance)
            rate = random.unit() < share ? mean / share : 0
        }
        var (count, product) = (0.0, random.unit())
        let limit = exp(-min(rate, 500))
        while product > limit {
            count += 1
            product *= random.unit()
        }
        return count
    }

    private static func mixed(_ unit: UInt64) -> UInt64 {
        var z = unit
        z = (z ^ (z >> 33)) &* 0xff51_afd7_ed55_8ccd
        z = (z ^ (z >> 33)) &* 0xc4ce_b9fe_1a85_ec53
        return z ^ (z >> 33)
    }
}
