public import Faults
public import JSON
public import Outcomes
public import Routing
public import YAML

/// One declared limit on one measure of the candidate.
public struct Gate: Sendable, Equatable, Codable {
    /// The closed list of gates: the raw value is the name in the file.
    public enum Measure: String, Sendable, Codable, CaseIterable {
        case p50Latency = "max_p50_latency_ms"
        case p95Latency = "max_p95_latency_ms"
        case p99Latency = "max_p99_latency_ms"
        case errorRate = "max_error_rate"
        case quality = "min_quality_score"
        case coverage = "min_canary_coverage"
        case errorRateIncrease = "max_error_rate_increase"
        case p95Increase = "max_p95_increase"
    }
    public var measure: Measure
    /// In the measure's own unit: ms, fraction, score, ratio.
    public var limit: Double
    /// The line it was declared on.
    public var line: Int

    public var name: String { measure.rawValue }
    /// `ms`, `fraction`, `score` or `ratio`.
    public var unit: String { preconditionFailure("contract") }

    /// Reads the `gates:` mapping strictly (unknown names are refused with the closest known one).
    public static func gates(_ node: YAMLNode) throws(Fault) -> [Gate] { preconditionFailure("contract") }
    /// `openclaw release gates`: each gate's name, unit, direction, default and a sentence.
    public static var catalogue: JSONValue { preconditionFailure("contract") }
}

/// What a gate saw: sufficient statistics and what they say now. Codable: it is what the ledger records.
public struct Evidence: Sendable, Equatable, Codable {
    public var seen: Double?
    public var lower: Double?
    public var upper: Double?
    /// Samples (requests, labels or units) behind it.
    public var samples: Int64
    /// log wealth against "the gate holds" (grows when it is broken) and against "it is broken" (grows when it holds).
    public var logWealthAgainstGood: Double
    public var logWealthAgainstBad: Double
    /// The sufficient statistics themselves, by name.
    public var statistics: [String: Double]
}

public enum VerdictOutcome: String, Sendable, Codable { case pass, fail, undecided }

public struct Verdict: Sendable, Equatable, Codable {
    public var gate: String
    public var limit: Double
    public var unit: String
    public var outcome: VerdictOutcome
    public var evidence: Evidence
    /// One sentence for a person: "0.532 [0.41, 0.64] over 141 labelled answers is below 0.85".
    public var reason: String
}

/// All gates of one release over one candidate and one stable variant: observations in, verdicts out. A failure is sticky.
/// Pure: the same observations in the same order give the same verdicts on every machine.
public struct GateBoard: Sendable {
    public init(gates: [Gate], qualityMetric: String?, candidate: VariantID, stable: VariantID) { preconditionFailure("contract") }

    /// `since`: observations of a variant exposed under an earlier release do not count; the caller filters by cursor.
    public mutating func observe(_ observation: Observation) { preconditionFailure("contract") }

    /// Where a gate is evaluated. In the order the gates were declared. `canaryShare` in basis points, for coverage.
    public func verdicts() -> [Verdict] { preconditionFailure("contract") }

    /// Requests the candidate has answered, for `min_samples` of a step.
    public var candidateRequests: Int64 { preconditionFailure("contract") }
    public var candidateScores: Int64 { preconditionFailure("contract") }
}
