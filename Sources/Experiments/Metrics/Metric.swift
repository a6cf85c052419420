/// What an experiment measures of its units, and which way is better.
public struct Metric: Hashable, Sendable, Codable {
    /// How a metric's events become one figure of a variant.
    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// Each value is 0 or 1: the share of ones.
        case binary
        /// Whole numbers of zero or more, added up by unit.
        case count
        /// Numbers: their mean.
        case mean
        /// A sum over another sum, such as revenue per order; see `denominator`.
        case ratio
        /// The value that a share of `quantile` of the observations does not exceed.
        case quantile
    }

    public enum Direction: String, Sendable, Codable, CaseIterable { case up, down }

    /// What one observation belongs to; analysis is by unit wherever units repeat.
    public enum Grain: String, Sendable, Codable, CaseIterable { case request, session, unit }

    public var name: String
    public var kind: Kind
    /// Which way is better.
    public var direction: Direction
    public var grain: Grain
    /// The smallest difference of variant and control that matters, in the metric's own unit (0.02 = two points of a share).
    public var minimumEffect: Double?
    /// For `quantile`: 0 < q < 1.
    public var quantile: Double?
    /// For `ratio`: the feedback metric that divides.
    public var denominator: String?
    /// Feedback that comes later than this after its exposure does not count, in milliseconds.
    public var window: Int64
    /// A metric of which each unit's value from before the experiment is known, for CUPED: often the same one. See `Covariate`.
    public var covariate: String?

    public init(
        name: String, kind: Kind, direction: Direction = .up, grain: Grain = .request, minimumEffect: Double? = nil,
        quantile: Double? = nil, denominator: String? = nil, window: Int64 = 86_400_000, covariate: String? = nil
    ) {
        (self.name, self.kind, self.direction, self.grain, self.minimumEffect) = (name, kind, direction, grain, minimumEffect)
        (self.quantile, self.denominator, self.window, self.covariate) = (quantile, denominator, window, covariate)
    }
}

/// A metric that may not get worse, whatever the primary one says.
public struct Guardrail: Equatable, Sendable, Codable {
    public var metric: Metric
    /// How much worse than control it may be, as a fraction of control's figure (0.1: ten percent).
    public var maximumHarm: Double

    public init(metric: Metric, maximumHarm: Double) { (self.metric, self.maximumHarm) = (metric, maximumHarm) }
}
