import JSON
import Outcomes
import Statistics
import Telemetry

/// What the requests of a variant used of models.
struct ModelCounts: Sendable {
    var requests: UInt64 = 0
    var inputTokens: UInt64 = 0
    var outputTokens: UInt64 = 0
    var cachedTokens: UInt64 = 0
    var costNanoUSD: Int64 = 0
    var estimated: UInt64 = 0
    var unpriced: UInt64 = 0
    var fallbacks: UInt64 = 0
    var retries: UInt64 = 0
    var budgetRefusals: UInt64 = 0
    /// Microseconds to the first byte of the answer's body.
    var firstToken = LatencyHistogram()

    mutating func record(_ usage: Usage) {
        requests &+= 1
        inputTokens &+= UInt64(usage.inputTokens)
        outputTokens &+= UInt64(usage.outputTokens)
        cachedTokens &+= UInt64(usage.cachedTokens)
        costNanoUSD &+= usage.costNanoUSD
        if usage.flags.contains(.estimated) { estimated &+= 1 }
        if usage.flags.contains(.unpriced) { unpriced &+= 1 }
        if usage.flags.contains(.fallback) { fallbacks &+= 1 }
        retries &+= UInt64(usage.retries)
        if usage.firstTokenMicroseconds > 0 { firstToken.record(usage.firstTokenMicroseconds) }
    }

    mutating func merge(_ other: ModelCounts) {
        requests += other.requests
        inputTokens += other.inputTokens
        outputTokens += other.outputTokens
        cachedTokens += other.cachedTokens
        costNanoUSD += other.costNanoUSD
        estimated += other.estimated
        unpriced += other.unpriced
        fallbacks += other.fallbacks
        retries += other.retries
        budgetRefusals += other.budgetRefusals
        firstToken.merge(other.firstToken)
    }
}

extension ModelCounts {
    var json: JSONValue {
        func milliseconds(_ quantile: Double) -> JSONValue {
            firstToken.quantile(quantile).map { .number($0 / 1_000) } ?? .null
        }
        return [
            "requests": .integer(Int64(requests)), "input_tokens": .integer(Int64(inputTokens)),
            "output_tokens": .integer(Int64(outputTokens)), "cached_tokens": .integer(Int64(cachedTokens)),
            "cost_usd": costNanoUSD == 0 && unpriced > 0 ? .null : .number(Double(costNanoUSD) / 1e9),
            "estimated": .integer(Int64(estimated)),
            "unpriced": .integer(Int64(unpriced)), "fallbacks": .integer(Int64(fallbacks)), "retries": .integer(Int64(retries)),
            "budget_refusals": .integer(Int64(budgetRefusals)),
            "first_token_ms": ["p50": milliseconds(0.5), "p95": milliseconds(0.95), "p99": milliseconds(0.99)],
        ]
    }
}

extension VariantCounts {
    mutating func record(_ usage: Usage) {
        if models == nil { models = ModelCounts() }
        models?.record(usage)
    }

    mutating func refuseBudget() {
        if models == nil { models = ModelCounts() }
        models?.budgetRefusals &+= 1
    }
}

extension GatewayMetrics {
    /// Families that only routes with models have.
    static func writeModels(_ variants: [VariantCounts], to page: inout PrometheusText) {
        let counted = variants.compactMap { counts in counts.models.map { (labels: counts.labels, models: $0) } }
        guard !counted.isEmpty else { return }
        page.family("openclaw_model_tokens_total", .counter, help: "Tokens by direction; cached ones are among the input.")
        for (labels, models) in counted {
            for (direction, count) in [
                ("input", models.inputTokens), ("output", models.outputTokens), ("cached", models.cachedTokens),
            ] { page.sample("openclaw_model_tokens_total", labels + [("direction", direction)], Double(count)) }
        }
        page.family("openclaw_model_cost_usd_total", .counter, help: "What answers did cost.")
        for (labels, models) in counted {
            page.sample("openclaw_model_cost_usd_total", labels, Double(models.costNanoUSD) / 1e9)
        }
        let families: [(String, String, (ModelCounts) -> UInt64)] = [
            ("openclaw_model_requests_total", "Requests to models.", { $0.requests }),
            ("openclaw_model_estimated_total", "Answers whose tokens were counted here.", { $0.estimated }),
            ("openclaw_model_unpriced_total", "Answers of models whose price is not known.", { $0.unpriced }),
            ("openclaw_model_fallbacks_total", "Answers that came from another provider than the first.", { $0.fallbacks }),
            ("openclaw_model_retries_total", "Requests sent again, to the same provider or the next.", { $0.retries }),
            ("openclaw_model_budget_refusals_total", "Requests refused because a budget was reached.", { $0.budgetRefusals }),
        ]
        for (name, help, count) in families {
            page.family(name, .counter, help: help)
            for (labels, models) in counted { page.sample(name, labels, Double(count(models))) }
        }
        writeFirstTokens(counted, to: &page)
    }

    private static let firstTokenEnds: [Double] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    private static func writeFirstTokens(
        _ counted: [(labels: [(String, String)], models: ModelCounts)], to page: inout PrometheusText
    ) {
        let name = "openclaw_model_first_token_seconds"
        page.family(name, .histogram, help: "First request byte read to first byte of the answer's body.")
        for (labels, models) in counted {
            for end in firstTokenEnds {
                page.sample(
                    name + "_bucket", labels + [("le", "\(end)")], Double(models.firstToken.count(atMost: UInt32(end * 1_000_000))))
            }
            page.sample(name + "_bucket", labels + [("le", "+Inf")], Double(models.firstToken.count))
            page.sample(name + "_sum", labels, Double(models.firstToken.sum) / 1_000_000)
            page.sample(name + "_count", labels, Double(models.firstToken.count))
        }
    }
}
