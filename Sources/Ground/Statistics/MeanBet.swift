import Glibc

/// Is the mean of values in 0...1 above or below a limit? Two betting capitals (Waudby-Smith and Ramdas, JRSS-B 2023):
/// K+ = prod(1 + l (x - m0)) grows when the mean is above, K- = prod(1 - l (x - m0)) when it is below; each bet `l` is fixed
/// before its value is seen, from the past mean and variance, and truncated to half of what could ruin it.
public struct MeanBet: Sendable, Equatable, Codable {
    public static let truncation = 0.5

    public let limit: Double
    public private(set) var count: Int64 = 0
    public private(set) var sum = 0.0
    /// sum of (x - limit)^2 and of (x - mean before x)^2.
    public private(set) var squaresAboutLimit = 0.0
    private var squaresAboutPast = 0.0
    public private(set) var logWealthAbove = 0.0
    public private(set) var logWealthBelow = 0.0

    public init(limit: Double) {
        precondition(limit > 0 && limit < 1, "a mean's limit lies within 0 and 1")
        self.limit = limit
    }

    public mutating func add(_ value: Double) {
        precondition(value >= 0 && value <= 1, "a bet on a value outside 0...1 could ruin the capital")
        let gain = value - limit
        let (up, down) = bets
        logWealthAbove += log1p(up * gain)
        logWealthBelow += log1p(-down * gain)
        let past = pastMean
        squaresAboutPast += (value - past) * (value - past)
        squaresAboutLimit += gain * gain
        sum += value
        count += 1
    }

    /// A value that was added turns out to have been another one: what was won on it is exchanged for what would have been. The
    /// bet of that time is not kept; what would be bet now, had it not come yet, stands in for it. Right after the value it is
    /// the same bet, and later it differs little.
    public mutating func replace(_ old: Double, by new: Double) {
        precondition(new >= 0 && new <= 1 && old >= 0 && old <= 1, "a bet on a value outside 0...1 could ruin the capital")
        guard count > 0 else { return add(new) }
        var without = self
        without.count -= 1
        without.sum -= old
        let past = without.pastMean
        without.squaresAboutPast = max(0, squaresAboutPast - (old - past) * (old - past))
        let (up, down) = without.bets
        logWealthAbove += log1p(up * (new - limit)) - log1p(up * (old - limit))
        logWealthBelow += log1p(-down * (new - limit)) - log1p(-down * (old - limit))
        squaresAboutPast = without.squaresAboutPast + (new - past) * (new - past)
        squaresAboutLimit = max(0, squaresAboutLimit + (new - limit) * (new - limit) - (old - limit) * (old - limit))
        sum += new - old
    }

    public var mean: Double? { count > 0 ? sum / Double(count) : nil }

    /// What the next value is bet on: the growth-optimal fractions for the past mean and variance (one pseudo-observation at the
    /// limit keeps the first bets small).
    var bets: (up: Double, down: Double) {
        let edge = pastMean - limit
        let fraction = edge / (pastVariance + edge * edge)
        return (
            min(max(fraction, 0), Self.truncation / limit),
            min(max(-fraction, 0), Self.truncation / (1 - limit))
        )
    }

    private var pastMean: Double { (limit + sum) / Double(count + 1) }
    private var pastVariance: Double { (limit * (1 - limit) + squaresAboutPast) / Double(count + 1) }
}

/// The predictable empirical-Bernstein interval for the mean of values in 0...1 (Waudby-Smith and Ramdas 2023, theorem 2): for
/// display, beside the sharper bets.
public struct EmpiricalBernstein: Sendable, Equatable, Codable {
    private var count = 0.0
    private var sum = 0.0
    private var squares = 0.0
    private var weights = 0.0
    private var weightedSum = 0.0
    private var spread = 0.0
    public let alpha: Double

    public init(alpha: Double) { self.alpha = alpha }

    public mutating func add(_ value: Double) {
        let mean = (0.5 + sum) / (count + 1)
        let variance = (0.25 + squares) / (count + 1)
        let t = count + 1
        let weight = min((2 * log(2 / alpha) / (variance * t * log(1 + t))).squareRoot(), MeanBet.truncation)
        weights += weight
        weightedSum += weight * value
        // psi(l) = (-ln(1 - l) - l) / 4 with v = 4 (x - mean)^2.
        spread += (value - mean) * (value - mean) * (-log1p(-weight) - weight)
        count += 1
        sum += value
        squares += (value - (0.5 + sum) / (count + 1)) * (value - (0.5 + sum) / (count + 1))
    }

    /// A value that was added turns out to have been another one; it moves the middle by the mean weight of all.
    public mutating func replace(_ old: Double, by new: Double) {
        guard count > 0 else { return }
        weightedSum += weights / count * (new - old)
        sum += new - old
    }

    /// The interval; with a design effect over 1 it is wider by about its root.
    public func interval(designEffect: Double = 1) -> (lower: Double, upper: Double) {
        guard weights > 0 else { return (0, 1) }
        let center = weightedSum / weights
        let half = (log(2 / alpha) + spread) * designEffect.squareRoot() / weights
        return (max(0, center - half), min(1, center + half))
    }
}
