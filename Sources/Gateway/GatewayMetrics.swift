import JSON
import Outcomes
import Statistics
import Telemetry

/// What all loops counted, added up, for people and for Prometheus.
struct GatewayMetrics {
    private var variants: [VariantCounts] = []
    private var total = LoopCounts(position: 0)

    init(_ loops: [LoopCounts]) {
        var sums: [VariantKey: VariantCounts] = [:]
        total.position = loops.map(\.position).min() ?? 0
        for loop in loops {
            for (key, counts) in loop.variants {
                if sums[key] == nil { sums[key] = counts } else { sums[key]?.merge(counts) }
            }
            total.connections += loop.connections
            total.refused += loop.refused
            total.unmatched += loop.unmatched
            total.retries += loop.retries
            total.exposuresDropped += loop.exposuresDropped
            total.heldBytes += loop.heldBytes
            total.bodiesRefused += loop.bodiesRefused
        }
        variants = sums.values.sorted { ($0.route, $0.variant) < ($1.route, $1.variant) }
    }

    var json: JSONValue {
        var routes: [String: JSONValue] = [:]
        for counts in variants {
            var members = routes[counts.route]?.objectValue ?? [:]
            members[counts.variant] = json(counts)
            routes[counts.route] = .object(members)
        }
        return [
            "position": .integer(total.position), "routes": .object(routes), "connections": .integer(Int64(total.connections)),
            "refused": .integer(Int64(total.refused)), "unmatched": .integer(Int64(total.unmatched)),
            "retries": .integer(Int64(total.retries)), "exposures_dropped": .integer(Int64(total.exposuresDropped)),
            "held_bytes": .integer(Int64(total.heldBytes)), "bodies_refused": .integer(Int64(total.bodiesRefused)),
        ]
    }

    private func json(_ counts: VariantCounts) -> JSONValue {
        func milliseconds(_ quantile: Double) -> JSONValue {
            counts.latency.quantile(quantile).map { .number($0 / 1_000) } ?? .null
        }
        var members: [String: JSONValue] = [
            "requests": .integer(Int64(counts.requests)), "errors": .integer(Int64(counts.errors)),
            "in_flight": .integer(Int64(counts.inFlight)), "bytes_in": .integer(Int64(counts.bytesIn)),
            "bytes_out": .integer(Int64(counts.bytesOut)),
            "latency_ms": ["p50": milliseconds(0.5), "p95": milliseconds(0.95), "p99": milliseconds(0.99)],
        ]
        if let models = counts.models { members["models"] = models.json }
        return .object(members)
    }

    func write(to page: inout PrometheusText) {
        page.family("openclaw_requests_total", .counter, help: "Requests answered, by how the answer ended.")
        for counts in variants {
            for kind in AnswerKind.all {
                let labels = counts.labels + [("outcome", kind.label)]
                page.sample("openclaw_requests_total", labels, Double(counts.answers[Int(kind.rawValue)]))
            }
        }
        page.family("openclaw_request_errors_total", .counter, help: "Requests that count as errors of their variant.")
        for counts in variants { page.sample("openclaw_request_errors_total", counts.labels, Double(counts.errors)) }
        page.family("openclaw_requests_in_flight", .gauge, help: "Requests with a variant now.")
        for counts in variants { page.sample("openclaw_requests_in_flight", counts.labels, Double(counts.inFlight)) }
        page.family("openclaw_request_bytes_total", .counter, help: "Bytes received from clients.")
        for counts in variants { page.sample("openclaw_request_bytes_total", counts.labels, Double(counts.bytesIn)) }
        page.family("openclaw_response_bytes_total", .counter, help: "Bytes sent to clients.")
        for counts in variants { page.sample("openclaw_response_bytes_total", counts.labels, Double(counts.bytesOut)) }
        writeLatencies(to: &page)
        GatewayMetrics.writeModels(variants, to: &page)
        writeTotals(to: &page)
    }

    /// Bucket ends in seconds. The histogram behind them is within 1 %.
    private static let bucketEnds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    private func writeLatencies(to page: inout PrometheusText) {
        let name = "openclaw_request_duration_seconds"
        page.family(name, .histogram, help: "First request byte read to last response byte written.")
        for counts in variants {
            for end in Self.bucketEnds {
                let below = counts.latency.count(atMost: UInt32(end * 1_000_000))
                page.sample(name + "_bucket", counts.labels + [("le", "\(end)")], Double(below))
            }
            page.sample(name + "_bucket", counts.labels + [("le", "+Inf")], Double(counts.latency.count))
            page.sample(name + "_sum", counts.labels, Double(counts.latency.sum) / 1_000_000)
            page.sample(name + "_count", counts.labels, Double(counts.latency.count))
        }
    }

    private func writeTotals(to page: inout PrometheusText) {
        page.family("openclaw_connections", .gauge, help: "Client connections of the gateway.")
        page.sample("openclaw_connections", [], Double(total.connections))
        page.family("openclaw_refused_total", .counter, help: "Requests refused: malformed, over a limit, or not to be rewritten.")
        page.sample("openclaw_refused_total", [], Double(total.refused))
        page.family("openclaw_unmatched_total", .counter, help: "Requests that no route answers.")
        page.sample("openclaw_unmatched_total", [], Double(total.unmatched))
        page.family("openclaw_upstream_retries_total", .counter, help: "Requests sent once more after a pooled connection broke.")
        page.sample("openclaw_upstream_retries_total", [], Double(total.retries))
        page.family("openclaw_exposures_dropped_total", .counter, help: "Exposures dropped because the recorder did not keep up.")
        page.sample("openclaw_exposures_dropped_total", [], Double(total.exposuresDropped))
        page.family("openclaw_held_bytes", .gauge, help: "Bytes of requests that are not whole yet or not answered yet.")
        page.sample("openclaw_held_bytes", [], Double(total.heldBytes))
        page.family("openclaw_bodies_refused_total", .counter, help: "Requests refused because too many bytes were held already.")
        page.sample("openclaw_bodies_refused_total", [], Double(total.bodiesRefused))
        page.family("openclaw_table_position", .gauge, help: "Ledger position of the routing table that every loop serves.")
        page.sample("openclaw_table_position", [], Double(total.position))
    }
}

extension VariantCounts {
    var labels: [(String, String)] { [("route", route), ("variant", variant)] }
}
