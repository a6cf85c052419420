public import JSON
public import Statistics

/// One variant's figure of one metric, beside control's.
public struct ArmReading: Equatable, Sendable, Codable {
    public var arm: Int
    public var units: Int
    public var observations: Int
    /// The variant's own figure; nil before anything was observed.
    public var mean: Double?
    /// Nil for control, and while one of the two has no figure.
    public var difference: Double?
    public var relativeDifference: Double?
    /// Valid at every look, at the reading's alpha. An end is nil while it is open.
    public var interval: OpenInterval?
    public var relativeInterval: OpenInterval?
    public var pValue: Double?
    /// By what part of itself what was known before makes the variance of the difference smaller (CUPED); nil without.
    public var varianceReduction: Double?
    public var probabilityBest: Double?
    public var expectedLoss: Double?
    public var fixed: FixedHorizon?

    public var lower: Double? { interval?.lower }
    public var upper: Double? { interval?.upper }
}

/// One metric, read now.
public struct MetricReading: Equatable, Sendable, Codable {
    public var metric: Metric
    /// Of each interval here.
    public var alpha: Double
    public var arms: [ArmReading]
    /// How it was analysed, for people.
    public var method: String

    /// `names`: of the variants.
    public func json(names: [String]) -> JSONValue {
        func number(_ value: Double?) -> JSONValue { value.flatMap { $0.isFinite ? .number($0) : nil } ?? .null }
        func interval(_ value: OpenInterval?) -> JSONValue {
            guard let value else { return .null }
            return .array([number(value.lower), number(value.upper)])
        }
        let variants = arms.map { arm -> JSONValue in
            var members: [String: JSONValue] = [
                "variant": .string(names.indices.contains(arm.arm) ? names[arm.arm] : String(arm.arm)),
                "units": .integer(Int64(arm.units)), "observations": .integer(Int64(arm.observations)), "mean": number(arm.mean),
                "difference": number(arm.difference), "relative_difference": number(arm.relativeDifference),
                "interval": interval(arm.interval), "relative_interval": interval(arm.relativeInterval),
                "p_value": number(arm.pValue), "variance_reduction": number(arm.varianceReduction),
                "probability_best": number(arm.probabilityBest),
                "expected_loss": number(arm.expectedLoss),
            ]
            if let fixed = arm.fixed {
                members["fixed"] = [
                    "test": .string(fixed.test), "statistic": number(fixed.statistic), "p_value": number(fixed.pValue),
                    "interval": .array([number(fixed.lower), number(fixed.upper)]),
                ]
            }
            return .object(members)
        }
        return [
            "metric": .string(metric.name), "type": .string(metric.kind.rawValue), "direction": .string(metric.direction.rawValue),
            "alpha": .number(alpha), "method": .string(method), "variants": .array(variants),
        ]
    }
}
