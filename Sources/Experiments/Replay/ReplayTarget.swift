import Faults
import Routing

/// The allocation that is asked about: what would it have earned?
public enum ReplayTarget: Equatable, Sendable {
    /// The same share of each arm all the time, as fractions.
    case shares([Double])
    /// A bandit that learns as it goes from what was recorded, and is asked anew after each part of it.
    case allocation(Allocation, seed: UInt64)

    /// How often a bandit is asked in one evaluation.
    private static let tables = 200

    /// The probability of each arm at each row. Those of a row depend on earlier rows alone, so that weighting by them is fair
    /// however they were learned.
    func probabilities(for log: ReplayLog) throws(Fault) -> [[Double]] {
        switch self {
        case .shares(let shares):
            guard shares.count == log.arms.count, shares.allSatisfy({ $0 >= 0 }), abs(shares.reduce(0, +) - 1) < 1e-6 else {
                throw Fault(
                    .usage, what: "These shares are none of the experiment's.",
                    why: "It has the arms \(log.arms.joined(separator: ", ")), and shares sum to 1.",
                    fix: "Give each arm a share; 0 for one that should get nothing.")
            }
            return Array(repeating: shares, count: log.rows.count)
        case .allocation(let allocation, let seed):
            return allocation.strategy.isContextual
                ? try contextual(allocation, seed, log) : ReplayTarget.learning(allocation, seed, log)
        }
    }

    private static func learning(_ allocation: Allocation, _ seed: UInt64, _ log: ReplayLog) -> [[Double]] {
        var bandit = Bandit(allocation, arms: log.arms.count, seed: seed)
        let step = max(1, log.rows.count / tables)
        var shares: [Double] = []
        return log.rows.enumerated().map { index, row in
            if index % step == 0 { shares = bandit.shares(at: 0).map { Double($0) / 10_000 } }
            bandit.reward(arm: row.arm, value: row.value, at: 0)
            return shares
        }
    }

    private func contextual(_ allocation: Allocation, _ seed: UInt64, _ log: ReplayLog) throws(Fault) -> [[Double]] {
        let width = log.rows[0].features.count
        guard width > 0, width <= Bandit.featuresMax, log.rows.allSatisfy({ $0.features.count == width }) else {
            throw Fault(
                .usage, what: "\(allocation.strategy.rawValue) cannot be replayed.",
                why: "Not every exposure has the same 1 to \(Bandit.featuresMax) `features`.",
                fix: "Export an experiment that recorded them, or replay another strategy.")
        }
        let features = (0..<width).map {
            ScorerFeature(name: "f\($0)", source: nil, kind: .number(center: 0, scale: 1))
        }
        var bandit = Bandit(allocation, arms: log.arms.count, seed: seed, features: width)
        let step = max(1, log.rows.count / ReplayTarget.tables)
        var (scorer, shares): (Scorer?, [Int]) = (nil, [])
        var all: [[Double]] = []
        all.reserveCapacity(log.rows.count)
        for (index, row) in log.rows.enumerated() {
            if index % step == 0 { (scorer, shares) = (bandit.scorer(features: features, at: 0), bandit.shares(at: 0)) }
            all.append((scorer?.propensities(features: row.features) ?? shares).map { Double($0) / 10_000 })
            bandit.reward(arm: row.arm, value: row.value, features: row.features, at: 0)
        }
        return all
    }
}
