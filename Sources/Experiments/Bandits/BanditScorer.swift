public import Routing

extension Bandit {
    /// What the gateway chooses by, for contextual strategies; nil for the others.
    ///
    /// Before as many rewards have come as all live arms' warm-ups together, every draw explores: the scorer gives all arms an
    /// equal chance, and what it looked at is recorded for learning.
    /// Where rewards leave the range of 0 to 1, exploration is in their own unit: twice their standard deviation stands for 1.
    public func scorer(features: [ScorerFeature], at now: Int64) -> Scorer? {
        let live = arms.filter { !$0.isRetired }
        let rewards = live.reduce(0) { $0 + $1.rewards }
        guard let first = contexts.first, !live.isEmpty else { return nil }
        precondition(
            features.reduce(1) { $0 + $1.width } == first.dimensions, "the bandit was made for descriptions of this length")
        let isCold = rewards < allocation.warmUp * live.count
        let alpha = allocation.exploration * exploration(at: now)
        return Scorer(
            rule: allocation.strategy == .linTS ? .linTS(alpha: alpha) : .linUCB(alpha: alpha), features: features,
            arms: arms.indices.map { scorerArm($0, at: now) }, floor: isCold ? Scorer.draws / live.count : allocation.floor,
            seed: seed)
    }

    /// What a scorer should believe of one arm.
    public func scorerArm(_ arm: Int, at now: Int64) -> Scorer.Arm {
        let belief = contexts[arm].posterior(today: today(now))
        return Scorer.Arm(
            mean: belief.mean.map(Float.init), factor: belief.factor.map(Float.init), isLive: !arms[arm].isRetired)
    }

    private func exploration(at now: Int64) -> Double {
        guard notUnit > 0 else { return 1 }
        let variance = pooled(today(now)).variance
        return variance > 0 ? 2 * variance.squareRoot() : 1
    }
}
