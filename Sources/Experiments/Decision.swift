public import JSON

/// How sure an experiment has to be, and what follows when it is.
public struct Decision: Equatable, Sendable, Codable {
    /// What becomes of a winner.
    public enum Auto: String, Sendable, Codable, CaseIterable {
        /// It answers everybody at once.
        case promote
        /// A person is asked; until then the experiment goes on.
        case ask
        /// The verdict is shown, and nothing follows.
        case none
    }

    /// The chance that anything is called different although it is not, over every look, metric and variant together.
    public var alpha: Double
    /// The chance that a difference of the minimum effect is found; what `plan` counts with.
    public var power: Double
    public var auto: Auto
    /// Milliseconds from the first table on; then it ends with what is known.
    public var maxDuration: Int64
    /// Milliseconds that it runs at least, so that it has seen a whole day or week, before a winner is called.
    public var minDuration: Int64
    /// Stages and gates of the release that takes a winner which passed none to everybody; nil for the usual ones.
    public var release: JSONValue?

    public init(
        alpha: Double = 0.05, power: Double = 0.8, auto: Auto = .ask, maxDuration: Int64 = 14 * 86_400_000, minDuration: Int64 = 0
    ) {
        (self.alpha, self.power, self.auto, self.maxDuration, self.minDuration) = (alpha, power, auto, maxDuration, minDuration)
    }
}
