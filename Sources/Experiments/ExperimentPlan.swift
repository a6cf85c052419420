public import JSON
public import Outcomes
public import Routing

/// An experiment as it was checked against what is there: what runs, and what was expected of it.
public struct ExperimentPlan: Sendable, Equatable, Codable {
    public var spec: ExperimentSpec
    /// Who is assigned: the experiment's own unit, or its route's.
    public var unit: UnitSource
    /// Nothing that was known before counts as evidence.
    public var cursor: OutcomeStore.Cursor
    /// How many units it was expected to take, and how long; nil where nothing is known of the metric or the traffic.
    public var expectation: ExperimentExpectation?
    /// What a person should know before it begins.
    public var notes: [String]

    public init(
        spec: ExperimentSpec, unit: UnitSource, cursor: OutcomeStore.Cursor, expectation: ExperimentExpectation? = nil,
        notes: [String] = []
    ) {
        (self.spec, self.unit, self.cursor, self.expectation, self.notes) = (spec, unit, cursor, expectation, notes)
    }
}

/// How large an experiment must be to find its minimum effect with its power, and how long that takes.
public struct ExperimentExpectation: Sendable, Equatable, Codable {
    /// Of the primary metric today; nil where nobody knows it.
    public var baseline: Double?
    public var deviation: Double
    /// For each variant.
    public var unitsPerVariant: Double
    /// For each variant, if it were looked at once, at the end: what peeking at any time costs is the difference.
    public var unitsPerVariantLookedOnce: Double?
    /// New units a day that the experiment would take; nil without recent traffic.
    public var unitsPerDay: Double?
    public var milliseconds: Int64?
    /// What the numbers rest on where nothing was seen; nil where they come from recent traffic.
    public var assumption: String?
    /// The smallest effect that `max_duration` is enough for.
    public var smallestEffect: Double?

    public var json: JSONValue {
        [
            "baseline": baseline.map(JSONValue.number) ?? .null, "assumed": assumption.map(JSONValue.string) ?? .null,
            "deviation": .number(deviation), "units_per_variant": .number(unitsPerVariant),
            "units_per_variant_looked_once": unitsPerVariantLookedOnce.map(JSONValue.number) ?? .null,
            "units_per_day": unitsPerDay.map(JSONValue.number) ?? .null,
            "expected_seconds": milliseconds.map { .number(Double($0) / 1_000) } ?? .null,
            "smallest_effect": smallestEffect.map(JSONValue.number) ?? .null,
        ]
    }
}
