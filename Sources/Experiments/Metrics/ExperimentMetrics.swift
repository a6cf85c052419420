/// Everything an experiment measures: what it decides by, what may not get worse, and what is only looked at.
public struct ExperimentMetrics: Equatable, Sendable, Codable {
    public static let guardrailsMax = 8
    public static let secondaryMax = 16

    public var primary: Metric
    public var guardrails: [Guardrail]
    public var secondary: [Metric]

    public init(primary: Metric, guardrails: [Guardrail] = [], secondary: [Metric] = []) {
        (self.primary, self.guardrails, self.secondary) = (primary, guardrails, secondary)
    }

    /// The primary one, then guardrails, then secondary ones: the order in which they are shown.
    public var all: [Metric] { [primary] + guardrails.map(\.metric) + secondary }
}
