/// How an experiment sets the shares of its variants.
public struct Allocation: Equatable, Sendable, Codable {
    public enum Strategy: String, Sendable, Codable, CaseIterable {
        /// The shares stay as the file says.
        case fixed
        case thompson
        case topTwo = "top_two"
        case epsilonGreedy = "epsilon_greedy"
        case linUCB = "linucb"
        case linTS = "lints"

        public var isContextual: Bool { self == .linUCB || self == .linTS }
        public var isAdaptive: Bool { self != .fixed }
    }

    /// Who changes variant when shares move.
    public enum Stickiness: String, Sendable, Codable, CaseIterable {
        /// The units of the moved share, no others.
        case share
        /// Nobody who was exposed; new units follow the new shares.
        case user
    }

    /// Where a file says nothing of it: 5 %, or half of an equal share where there are many variants.
    static func usualFloor(of variants: Int) -> Int { min(500, 5_000 / variants) }

    public var strategy: Strategy
    /// The least share of each variant, in basis points: every one keeps being observed.
    public var floor: Int
    /// Rewards per variant before shares move.
    public var warmUp: Int
    /// Milliseconds between two tables at least.
    public var reweightEvery: Int64
    /// The half-life of evidence in milliseconds, where rewards drift; nil keeps all of it.
    public var discount: Int64?
    /// For `epsilon_greedy`: the share that explores.
    public var epsilon: Double
    /// For `linucb` and `lints`: how wide the exploration is.
    public var exploration: Double
    public var stickiness: Stickiness

    public init(
        strategy: Strategy = .fixed, floor: Int = 500, warmUp: Int = 50, reweightEvery: Int64 = 1_000, discount: Int64? = nil,
        epsilon: Double = 0.1, exploration: Double = 0.25, stickiness: Stickiness = .share
    ) {
        (self.strategy, self.floor, self.warmUp, self.reweightEvery) = (strategy, floor, warmUp, reweightEvery)
        (self.discount, self.epsilon, self.exploration, self.stickiness) = (discount, epsilon, exploration, stickiness)
    }
}
