import Glibc

/// Did the variants get the units they were meant to get? Looked at as often as one likes, while shares may move.
///
/// As long as the shares stand still it is the Dirichlet mixture of `SampleRatio`. Once they have moved, each variant's surplus
/// over its known shares is a sum of centred coins, whose wealth is a normal mixture over Kearns and Saul's bound on a coin's
/// moment generating function (1998), and the variants' wealths are averaged.
public struct ShareWatch: Sendable, Equatable, Codable {
    /// A mismatch is called at this level: a false alarm voids an experiment.
    public static let alpha = 0.001

    public private(set) var counts: [Double]
    private var surplus: [Double]
    private var variance: [Double]
    private var shares: [Double] = []
    private var hasMoved = false

    public init(arms: Int) {
        counts = Array(repeating: 0, count: arms)
        (surplus, variance) = (counts, counts)
    }

    /// A unit was assigned for the first time, at these shares (any positive scale).
    public mutating func add(arm: Int, shares now: [Double]) {
        let sum = now.reduce(0, +)
        guard sum > 0, now.count == counts.count, counts.indices.contains(arm), now[arm] > 0 else { return }
        let now = now.map { $0 / sum }
        if shares.isEmpty { shares = now }
        if zip(now, shares).contains(where: { abs($0 - $1) > 1e-9 }) { hasMoved = true }
        counts[arm] += 1
        for place in now.indices {
            surplus[place] += (place == arm ? 1 : 0) - now[place]
            variance[place] += Self.proxy(now[place])
        }
    }

    /// Room for one variant more.
    public mutating func addArm() {
        counts.append(0)
        surplus.append(0)
        variance.append(0)
        if !shares.isEmpty { shares.append(0) }
    }

    public var logWealth: Double {
        guard !shares.isEmpty else { return 0 }
        if !hasMoved { return SampleRatio.logWealth(counts: counts, shares: shares) }
        let mixture = NormalMixture(rho: 25)
        let logs = zip(surplus, variance).map { mixture.logWealth(sum: $0, variance: $1) }
        let top = logs.max() ?? 0
        return top + log(logs.reduce(0) { $0 + exp($1 - top) } / Double(logs.count))
    }

    /// Nil before the first unit.
    public var pValue: Double? { shares.isEmpty ? nil : min(1, exp(-logWealth)) }

    /// The variance of the normal distribution that a centred coin of this share is never more spread than.
    static func proxy(_ share: Double) -> Double {
        guard share > 0, share < 1 else { return 0 }
        return abs(share - 0.5) < 1e-6 ? 0.25 : (1 - 2 * share) / (2 * log((1 - share) / share))
    }
}
