public import JSON

/// What an experiment says at this moment, and on what evidence.
public struct ExperimentVerdict: Equatable, Sendable, Codable {
    public enum Outcome: String, Sendable, Codable, CaseIterable {
        /// A variant is better than control.
        case better
        /// Every variant is worse than control, or a guardrail was hurt.
        case worse
        /// No variant differs from control by as much as matters.
        case equivalent
        case undecided
    }

    public var outcome: Outcome
    /// The best variant that is proven better than control; control where every other one is worse. Nil otherwise.
    public var winner: String?
    /// Why no verdict is given although there might be one: the variants did not get the units they were meant to get.
    public var blockedBy: String?
    /// The guardrail that ends the experiment early, and how it was hurt.
    public var stoppedBy: String?
    public var reason: String
    /// What an undecided experiment still needs, for people.
    public var stillNeeded: String?
    /// Units of all variants beyond those seen; nil where that cannot be told.
    public var unitsNeeded: Int?
    /// Sequential, over units, against the shares they were assigned with. Nil before the first unit.
    public var sampleRatioPValue: Double?
    /// How alpha is divided over metrics and variants.
    public var division: String
    /// The primary metric, then guardrails, then secondary ones.
    public var readings: [MetricReading]
    /// Names of secondary metrics with a difference that stands against all of them together (e-BH).
    public var discoveries: [String]
    public var variants: [String]

    public var json: JSONValue {
        func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
        return [
            "outcome": .string(outcome.rawValue), "winner": text(winner), "blocked_by": text(blockedBy),
            "stopped_by": text(stoppedBy), "reason": .string(reason), "still_needed": text(stillNeeded),
            "units_needed": unitsNeeded.map { .integer(Int64($0)) } ?? .null,
            "sample_ratio_p_value": sampleRatioPValue.map { .number($0) } ?? .null, "division": .string(division),
            "metrics": .array(readings.map { $0.json(names: variants) }),
            "discoveries": .array(discoveries.map { .string($0) }),
        ]
    }
}
