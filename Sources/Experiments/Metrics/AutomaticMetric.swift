import Outcomes

/// What is measured of every request without anybody sending feedback.
public enum AutomaticMetric: String, Sendable, CaseIterable {
    /// First request byte read to last response byte written.
    case latency = "latency_ms"
    /// 1 where the answer was the variant's error (5xx, 408, 429, unreachable, timed out, broken).
    case error

    var kinds: [Metric.Kind] {
        switch self {
        case .latency: [.quantile, .mean]
        case .error: [.binary]
        }
    }

    /// Less is better of each of them.
    var direction: Metric.Direction { .down }

    /// Nil where this answer says nothing: a client's own fault is neither an error nor a latency of the variant.
    func value(of exposure: Exposure) -> Double? {
        switch self {
        case .latency: exposure.kind == .success ? Double(exposure.latencyMicroseconds) / 1_000 : nil
        case .error: exposure.kind == .clientFault ? nil : exposure.kind.isError ? 1 : 0
        }
    }
}
