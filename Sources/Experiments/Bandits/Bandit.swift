import Statistics

/// Learns which arm earns most, from rewards in any order and however late, and says what share each arm should have.
///
/// A value: the same rewards give the same bandit, and its shares depend on nothing else but the time asked for. A reward can be
/// taken back. Arms keep their numbers; one that is retired keeps its evidence and gets no share.
public struct Bandit: Equatable, Sendable, Codable {
    /// The most arms, and the most numbers that describe a request.
    public static let armsMax = 64
    public static let featuresMax = 255

    public let allocation: Allocation
    let seed: UInt64
    /// The shares of the file, in basis points, which arms keep while they warm up; nil for equal ones.
    let initial: [Int]?
    /// The shares, in basis points, that arms which joined later begin with; nil while there are none.
    private(set) var joining: [Int]?
    var arms: [ArmEvidence]
    /// For contextual strategies: what is known of each arm by context.
    var contexts: [LinearEvidence]
    /// How many rewards are neither 0 nor 1, and how many lie outside of 0 to 1.
    private var notBinary = 0
    private(set) var notUnit = 0
    /// Rewards are added up less the first one, so that large ones that differ little keep their digits.
    private var reference = 0.0
    /// The time at which a reward has weight 1. Later ones weigh more, twice as much after each half-life, which is the same as
    /// all the earlier ones losing weight: nothing has to be touched as time passes, and late rewards find their right weight.
    private var landmark: Int64 = 0

    /// More is better: a metric that should fall is turned by the caller. `features` is the length of a request's description for contextual strategies, the constant term not counted.
    public init(_ allocation: Allocation, arms: Int, seed: UInt64, features: Int = 0, initial: [Int]? = nil) {
        precondition((1...Bandit.armsMax).contains(arms), "a bandit has 1 to 64 arms")
        precondition((0...Bandit.featuresMax).contains(features), "a request is described by at most 255 numbers")
        precondition(initial.map { $0.count == arms && $0.reduce(0, +) == 10_000 } ?? true, "initial shares sum to 10 000")
        (self.allocation, self.seed, self.initial) = (allocation, seed, initial)
        self.arms = Array(repeating: ArmEvidence(), count: arms)
        contexts =
            allocation.strategy.isContextual ? Array(repeating: LinearEvidence(dimensions: features + 1), count: arms) : []
    }

    /// Takes in what an arm earned. `at` is when it was earned, in milliseconds; it matters where old rewards are discounted.
    /// A value that is no finite number says nothing and changes nothing.
    public mutating func reward(arm: Int, value: Double, features: [Double] = [], at: Int64) {
        add(arm: arm, value: value, features: features, at: at, sign: 1)
    }

    /// Takes back a reward, given as it was taken in.
    public mutating func retract(arm: Int, value: Double, features: [Double] = [], at: Int64) {
        add(arm: arm, value: value, features: features, at: at, sign: -1)
    }

    /// A new arm, numbered after the last one. `share`: what it has while it warms up, in basis points; nil for an equal one.
    public mutating func addArm(share: Int? = nil) {
        precondition(arms.count < Bandit.armsMax, "a bandit has 1 to 64 arms")
        joining = (joining ?? []) + [min(max(0, share ?? DrawLattice.usualCount / (arms.count + 1)), DrawLattice.usualCount)]
        arms.append(ArmEvidence())
        if let first = contexts.first { contexts.append(LinearEvidence(dimensions: first.dimensions)) }
    }

    /// Its share goes to the others from now on. Rewards that still come for it are kept.
    public mutating func retireArm(_ arm: Int) { arms[arm].isRetired = true }

    /// Rewards per arm so far.
    public var rewards: [Int] { arms.map(\.rewards) }

    /// The posterior mean reward of each arm.
    public func means(at now: Int64) -> [Double] { arms.indices.map { posterior(of: $0, at: now).mean + offset } }

    /// The posterior probability of each arm to be the best of those that are not retired.
    public func probabilitiesBest(at now: Int64) -> [Double] {
        let live = arms.indices.filter { !arms[$0].isRetired }
        var all = Array(repeating: 0.0, count: arms.count)
        guard !live.isEmpty else { return all }
        let wins = Wins(live.map { posterior(of: $0, at: now) }, arms: live, seed: seed)
        for (arm, part) in zip(live, wins.best) { all[arm] = part }
        return all
    }

    // MARK: - Evidence

    private mutating func add(arm: Int, value: Double, features: [Double], at: Int64, sign: Int) {
        guard value.isFinite, abs(value) <= 1e12, arms.indices.contains(arm) else { return }
        if sign < 0, arms[arm].rewards == 0 { return }
        if arms.allSatisfy({ $0.rewards == 0 }) { (reference, landmark) = (value, at) }
        if value != 0, value != 1 { notBinary += sign }
        if value < 0 || value > 1 { notUnit += sign }
        let weight = weight(at: at)
        arms[arm].add(value - reference, weight: weight, sign: sign)
        if contexts.indices.contains(arm) {
            contexts[arm].add(features: features, value: value, weight: weight, sign: sign, isEmpty: arms[arm].rewards == 0)
        }
        if arms.allSatisfy({ $0.rewards == 0 }) { (reference, landmark) = (0, 0) }
    }

    /// The weight of a reward of this time. The unit of weight is changed, by a power of two and so without rounding, before
    /// the numbers grow too large.
    private mutating func weight(at time: Int64) -> Double {
        guard let halfLife = allocation.discount, halfLife > 0 else { return 1 }
        let steps = (time - landmark) / halfLife
        if steps >= 64 {
            let factor = PortableMath.exp2(-Double(steps))
            for arm in arms.indices { arms[arm].scale(by: factor) }
            for arm in contexts.indices { contexts[arm].scale(by: factor) }
            landmark += steps * halfLife
        }
        return PortableMath.exp2(Double(time - landmark) / Double(halfLife))
    }

    /// What turns recorded weights into today's.
    func today(_ now: Int64) -> Double {
        guard let halfLife = allocation.discount, halfLife > 0 else { return 1 }
        return PortableMath.exp2(Double(landmark - now) / Double(halfLife))
    }

    private var isBinary: Bool { notBinary == 0 }
    private var offset: Double { isBinary ? 0 : reference }

    func posterior(of arm: Int, at now: Int64) -> Posterior {
        let factor = today(now)
        var evidence = arms[arm].scaled(by: factor)
        if isBinary {
            // Back from differences to the reference, which is then 0 or 1 itself.
            evidence.sum += reference * evidence.weight
            return .ofShares(evidence)
        }
        return .ofMeans(evidence, pooled: pooled(factor))
    }

    /// Mean and variance of all arms' rewards together, less the reference.
    func pooled(_ factor: Double) -> (mean: Double, variance: Double) {
        let all = arms.reduce(into: ArmEvidence()) { sum, arm in
            sum.weight += arm.weight * factor
            sum.sum += arm.sum * factor
            sum.squares += arm.squares * factor
        }
        guard all.weight > 0 else { return (0, 1) }
        let mean = all.sum / all.weight
        return (mean, max(0, all.squares / all.weight - mean * mean))
    }
}
