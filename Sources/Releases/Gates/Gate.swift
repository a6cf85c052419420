public import JSON

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

    public init(_ measure: Measure, limit: Double, line: Int = 0) {
        (self.measure, self.limit, self.line) = (measure, limit, line)
    }

    public var name: String { measure.rawValue }
    /// `ms`, `fraction`, `score` or `ratio`.
    public var unit: String { measure.unit }
}

extension Gate.Measure {
    public var unit: String {
        switch self {
        case .p50Latency, .p95Latency, .p99Latency: "ms"
        case .errorRate, .coverage: "fraction"
        case .quality: "score"
        case .errorRateIncrease, .p95Increase: "ratio"
        }
    }

    /// Whether the limit is the least or the most that is allowed.
    var isAtLeast: Bool {
        switch self {
        case .quality, .coverage: true
        case .p50Latency, .p95Latency, .p99Latency, .errorRate, .errorRateIncrease, .p95Increase: false
        }
    }

    /// Coverage is a count, not a measurement: it takes no part of the error budget.
    var isStatistical: Bool { self != .coverage }

    /// Of latencies, the share that may be slower than the limit: "p95 <= L" is "at most 5 % are slower than L".
    var slowShare: Double? {
        switch self {
        case .p50Latency: 0.5
        case .p95Latency, .p95Increase: 0.05
        case .p99Latency: 0.01
        case .errorRate, .quality, .coverage, .errorRateIncrease: nil
        }
    }

    /// What a person is told of it, by `release gates`.
    var sentence: String {
        switch self {
        case .p50Latency:
            "Half of the candidate's answers take at most this long. Errors are left out; time-outs count as slow, and so does who gave up after that long."
        case .p95Latency:
            "95 % of the candidate's answers take at most this long. Errors are left out; time-outs count as slow, and so does who gave up after that long."
        case .p99Latency:
            "99 % of the candidate's answers take at most this long. Errors are left out; time-outs count as slow, and so does who gave up after that long."
        case .errorRate:
            "The share of the candidate's answers that are errors: 5xx, 408, 429, unreachable, timed out, broken. A bare number is in percent. Client faults (4xx) count neither as errors nor as answers."
        case .quality:
            "The mean of the model's quality metric (`quality.metric`, values from 0 to 1) over the candidate's labelled answers."
        case .coverage: "The share of the route's requests that the candidate answered while the release ran. Judged at promotion."
        case .errorRateIncrease:
            "How many times as often as the stable version the candidate may fail, on the same traffic. Rates proven below 0.1 % pass: there is nothing left to compare."
        case .p95Increase: "How many times the stable version's p95 the candidate's p95 may be, on the same traffic."
        }
    }

    var example: String {
        switch self {
        case .p50Latency: "50"
        case .p95Latency: "250"
        case .p99Latency: "1s"
        case .errorRate: "0.5"
        case .quality: "0.92"
        case .coverage: "5%"
        case .errorRateIncrease: "2x"
        case .p95Increase: "10%"
        }
    }
}

extension Gate {
    /// `openclaw release gates`: each gate's name, unit, direction, default (none is on unless declared), example and a sentence.
    public static var catalogue: JSONValue {
        .array(
            Measure.allCases.map { measure in
                [
                    "name": .string(measure.rawValue), "unit": .string(measure.unit),
                    "direction": measure.isAtLeast ? "at least" : "at most", "default": nil,
                    "example": .string(measure.example), "meaning": .string(measure.sentence),
                ]
            })
    }
}
