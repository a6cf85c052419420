import Outcomes

/// What is measured of every request without anybody sending feedback.
public enum AutomaticMetric: String, Sendable, CaseIterable {
    /// First request byte read to last response byte written.
    case latency = "latency_ms"
    /// 1 where the answer was the variant's error (5xx, 408, 429, unreachable, timed out, broken).
    case error
    // Of requests to models.
    case inputTokens = "input_tokens"
    case outputTokens = "output_tokens"
    /// Input and output together.
    case tokens
    case cost = "cost_usd"
    /// First request byte read to first byte of the answer's body.
    case firstToken = "first_token_ms"
    case retries
    /// 1 where another provider than the first answered.
    case fallback

    var kinds: [Metric.Kind] {
        switch self {
        case .latency, .firstToken: [.quantile, .mean]
        case .error, .fallback: [.binary]
        case .inputTokens, .outputTokens, .tokens, .cost: [.mean, .quantile]
        case .retries: [.mean, .count]
        }
    }

    /// Less is better of each of them.
    var direction: Metric.Direction { .down }

    /// Nil where this answer says nothing: a client's own fault is neither an error nor a latency of the variant.
    func value(of exposure: Exposure) -> Double? {
        switch self {
        case .latency: exposure.kind == .success ? Double(exposure.latencyMicroseconds) / 1_000 : nil
        case .error: exposure.kind == .clientFault ? nil : exposure.kind.isError ? 1 : 0
        case .inputTokens, .outputTokens, .tokens, .cost, .firstToken, .retries, .fallback: nil
        }
    }

    /// Nil where it is not a matter of models, or nothing is known of it.
    func value(of usage: Usage) -> Double? {
        switch self {
        case .latency, .error: nil
        case .inputTokens: Double(usage.inputTokens)
        case .outputTokens: Double(usage.outputTokens)
        case .tokens: Double(usage.inputTokens) + Double(usage.outputTokens)
        // A price that nobody knows is not a price of nothing.
        case .cost: usage.flags.contains(.unpriced) ? nil : Double(usage.costNanoUSD) / 1e9
        case .firstToken: usage.firstTokenMicroseconds > 0 ? Double(usage.firstTokenMicroseconds) / 1_000 : nil
        case .retries: Double(usage.retries)
        case .fallback: usage.flags.contains(.fallback) ? 1 : 0
        }
    }
}
