public import Routing
public import Telemetry

/// What gates and metrics read: exposures and the feedback joined to them, in the order they became known.
public enum Observation: Sendable, Equatable {
    case answered(Exposure)
    case scored(Score)
    /// What a request to a model used; after its exposure.
    case used(Usage)
    /// What a contextual choice looked at; before its exposure.
    case context(Context)
}

/// Feedback joined to the exposure that caused it.
public struct Score: Sendable, Equatable {
    /// The request that was answered; nil where nobody kept it.
    public var request: RequestID?
    public var route: RouteID
    public var variant: VariantID
    public var unit: UInt64
    /// The chance this unit had of this variant when it was exposed, in basis points.
    public var propensity: UInt16
    public var metric: String
    public var value: Double
    /// A correction: the value that this one replaces. Whoever counted it takes it back.
    public var previous: Double?
    public var exposedAt: Timestamp
    public var at: Timestamp
    public init(
        request: RequestID? = nil, route: RouteID, variant: VariantID, unit: UInt64, propensity: UInt16 = 10_000, metric: String,
        value: Double, previous: Double? = nil, exposedAt: Timestamp, at: Timestamp
    ) {
        (self.request, self.route, self.variant, self.unit, self.propensity) = (request, route, variant, unit, propensity)
        (self.metric, self.value, self.previous, self.exposedAt, self.at) = (metric, value, previous, exposedAt, at)
    }
}
