public import Routing
public import Telemetry

/// What gates and metrics read: exposures and the feedback joined to them, in the order they became known.
public enum Observation: Sendable, Equatable {
    case answered(Exposure)
    case scored(Score)
}

/// Feedback joined to the exposure that caused it.
public struct Score: Sendable, Equatable {
    public var route: RouteID
    public var variant: VariantID
    public var unit: UInt64
    public var metric: String
    public var value: Double
    public var exposedAt: Timestamp
    public var at: Timestamp
    public init(
        route: RouteID, variant: VariantID, unit: UInt64, metric: String, value: Double, exposedAt: Timestamp, at: Timestamp
    ) {
        (self.route, self.variant, self.unit, self.metric, self.value, self.exposedAt, self.at) =
            (route, variant, unit, metric, value, exposedAt, at)
    }
}
