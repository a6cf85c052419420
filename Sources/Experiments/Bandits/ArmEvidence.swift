/// What is known of one arm without its context: a few sums, whatever the number of rewards.
struct ArmEvidence: Equatable, Sendable, Codable {
    /// Rewards that came, never discounted.
    var rewards = 0
    /// The sum of the rewards' weights: their number, unless old ones are discounted.
    var weight = 0.0
    /// The weighted sum of the rewards less the bandit's reference, and of its square.
    var sum = 0.0
    var squares = 0.0
    var isRetired = false

    /// Adds one reward, or takes it back with a sign of -1.
    mutating func add(_ value: Double, weight: Double, sign: Int) {
        rewards += sign
        guard rewards > 0 else {
            (self.weight, sum, squares) = (0, 0, 0)
            return
        }
        let signed = weight * Double(sign)
        self.weight += signed
        sum += signed * value
        squares += signed * value * value
    }

    /// The same sums in a smaller unit of weight.
    mutating func scale(by factor: Double) {
        weight *= factor
        sum *= factor
        squares *= factor
    }

    func scaled(by factor: Double) -> ArmEvidence {
        var copy = self
        copy.scale(by: factor)
        return copy
    }

    var mean: Double { weight > 0 ? sum / weight : 0 }
}
