import Experiments
import Routing
import Statistics

/// Five arms whose rewards are 0 or 1, chosen as a route does: units fall to buckets, and buckets move as shares do.
struct BernoulliArms {
    let rates: [Double]
    let horizon: Int
    /// Decisions between two tables.
    let batch: Int
    let allocation: Allocation

    /// What choosing the best arm always would have earned more, in the mean.
    func regret(seed: UInt64) -> Double {
        var random = SplitMix64(seed: seed)
        let rates = self.rates.shuffled(using: &random)
        var bandit = Bandit(allocation, arms: rates.count, seed: seed)
        var split = TrafficSplit(route: "arms-\(seed)", shares: byVariant(bandit.shares(at: 0)))
        let best = rates.max() ?? 0
        var regret = 0.0
        for decision in 1...horizon {
            let arm = Int(split.variant(for: UnitID(hash: random.next())).number)
            bandit.reward(arm: arm, value: random.unit() < rates[arm] ? 1 : 0, at: Int64(decision))
            regret += best - rates[arm]
            if decision % batch == 0 { split.move(to: byVariant(bandit.shares(at: Int64(decision)))) }
        }
        return regret
    }

    private func byVariant(_ shares: [Int]) -> [VariantID: Int] {
        Dictionary(uniqueKeysWithValues: shares.enumerated().map { (VariantID(UInt8($0.offset)), $0.element) })
    }

    /// Nanoseconds of one decision, and of making a new table from the evidence.
    func costs() -> (decision: Double, table: Double) {
        var random = SplitMix64(seed: 1)
        var bandit = Bandit(allocation, arms: rates.count, seed: 1)
        for i in 0..<horizon {
            let arm = i % rates.count
            bandit.reward(arm: arm, value: random.unit() < rates[arm] ? 1 : 0, at: 0)
        }
        var split = TrafficSplit(route: "arms", shares: byVariant(bandit.shares(at: 0)))
        let units = (0..<10_000).map { _ in UnitID(hash: random.next()) }
        var sum = 0
        let decision = Stopwatch.nanoseconds(each: units.count) {
            for unit in units { sum += Int(split.variant(for: unit).number) }
        }
        var turn = 0
        let table = Stopwatch.nanoseconds(each: 20) {
            for _ in 0..<20 {
                turn += 1
                bandit.reward(arm: turn % rates.count, value: 1, at: 0)
                split.move(to: byVariant(bandit.shares(at: 0)))
            }
        }
        precondition(sum >= 0)
        return (decision, table)
    }
}
