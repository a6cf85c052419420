import Glibc

/// What is believed of one variant's figure, starting from no opinion: the Bayesian reading beside the always-valid one.
public enum Belief: Sendable, Equatable {
    /// Of a share of ones, from a uniform prior.
    case beta(BetaDistribution)
    case normal(mean: Double, deviation: Double)

    /// Hits may be effective ones, where units repeat.
    public static func ofRate(hits: Double, of samples: Double) -> Belief {
        .beta(BetaDistribution(a: 1 + max(0, hits), b: 1 + max(0, samples - hits)))
    }

    public var mean: Double {
        switch self {
        case .beta(let beta): beta.mean
        case .normal(let mean, _): mean
        }
    }

    public var deviation: Double {
        switch self {
        case .beta(let beta): (beta.mean * (1 - beta.mean) / (beta.a + beta.b + 1)).squareRoot()
        case .normal(_, let deviation): deviation
        }
    }

    /// P(figure <= value).
    public func lowerTail(_ value: Double) -> Double {
        switch self {
        case .beta(let beta):
            if value <= 0 { return 0 }
            if value >= 1 { return 1 }
            return beta.logLowerTail(value).map { exp($0) } ?? NormalDistribution.lowerTail((value - mean) / deviation)
        case .normal(let mean, let deviation):
            return deviation > 0 ? NormalDistribution.lowerTail((value - mean) / deviation) : value < mean ? 0 : 1
        }
    }

    /// Of each variant: how likely it is the best, and by how much it falls short of the best in the mean. `isUp`: more is better.
    /// By quadrature over one grid that is fine where any of them is: the same numbers every time, without draws.
    public static func compare(_ beliefs: [Belief], isUp: Bool = true) -> [(best: Double, loss: Double)] {
        guard beliefs.count > 1 else { return beliefs.map { _ in (1, 0) } }
        let grid = self.grid(beliefs)
        // Less is better: the same question of the mirrored figures.
        let tails = beliefs.map { belief in grid.map { isUp ? belief.lowerTail($0) : 1 - belief.lowerTail($0) } }
        var best = Array(repeating: 0.0, count: beliefs.count)
        var extreme = isUp ? grid[grid.count - 1] : grid[0]
        for k in 1..<grid.count {
            let products = (k - 1...k).map { place in tails.reduce(1) { $0 * $1[place] } }
            let area = (products[0] + products[1]) / 2 * (grid[k] - grid[k - 1])
            extreme += isUp ? -area : area
            for arm in beliefs.indices {
                var others = 1.0
                for other in beliefs.indices where other != arm { others *= (tails[other][k] + tails[other][k - 1]) / 2 }
                best[arm] += abs(tails[arm][k] - tails[arm][k - 1]) * others
            }
        }
        let sum = best.reduce(0, +)
        return beliefs.indices.map { arm in
            let loss = isUp ? extreme - beliefs[arm].mean : beliefs[arm].mean - extreme
            return (sum > 0 ? best[arm] / sum : 1 / Double(best.count), max(0, loss))
        }
    }

    private static func grid(_ beliefs: [Belief]) -> [Double] {
        var places: [Double] = []
        for belief in beliefs {
            let (mean, deviation) = (belief.mean, belief.deviation)
            for step in -160...160 {
                let place = mean + Double(step) * 0.05 * deviation
                if case .beta = belief { places.append(min(max(place, 0), 1)) } else { places.append(place) }
            }
        }
        places.sort()
        var kept = [places[0]]
        for place in places where place > kept[kept.count - 1] { kept.append(place) }
        return kept.count > 1 ? kept : [kept[0], kept[0] + 1]
    }
}
