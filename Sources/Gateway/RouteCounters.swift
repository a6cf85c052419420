import Outcomes
import Routing
import Statistics

/// What one loop counted of one variant. Touched on that loop's thread only; others get copies.
final class VariantCounters {
    var counts = VariantCounts()
}

/// Requests, errors, bytes and latencies of a variant.
struct VariantCounts: Sendable {
    var route = ""
    var variant = ""
    var requests: UInt64 = 0
    /// By `AnswerKind.rawValue`.
    var answers = InlineArray<6, UInt64>(repeating: 0)
    var inFlight = 0
    var bytesIn: UInt64 = 0
    var bytesOut: UInt64 = 0
    var latency = LatencyHistogram()
    /// Set once a request to a model was answered.
    var models: ModelCounts?

    var errors: UInt64 {
        var sum: UInt64 = 0
        for kind in AnswerKind.all where kind.isError { sum += answers[Int(kind.rawValue)] }
        return sum
    }

    mutating func record(_ exposure: Exposure) {
        requests &+= 1
        answers[Int(exposure.kind.rawValue)] &+= 1
        bytesIn &+= UInt64(exposure.bytesIn)
        bytesOut &+= UInt64(exposure.bytesOut)
        latency.record(exposure.latencyMicroseconds)
    }

    mutating func merge(_ other: VariantCounts) {
        requests += other.requests
        for index in answers.indices { answers[index] += other.answers[index] }
        inFlight += other.inFlight
        bytesIn += other.bytesIn
        bytesOut += other.bytesOut
        latency.merge(other.latency)
        if let others = other.models {
            if models == nil { models = others } else { models?.merge(others) }
        }
    }
}

extension AnswerKind {
    static let all: [AnswerKind] = [.success, .clientFault, .upstreamError, .unreachable, .timedOut, .brokenAnswer]

    /// How gates count an upstream's status.
    init(status: Int) {
        switch status {
        case 408, 429, 500...: self = .upstreamError
        case 400..<500: self = .clientFault
        default: self = .success
        }
    }

    /// As metrics name it.
    var label: String {
        switch self {
        case .success: "success"
        case .clientFault: "client_fault"
        case .upstreamError: "upstream_error"
        case .unreachable: "unreachable"
        case .timedOut: "timed_out"
        case .brokenAnswer: "broken_answer"
        }
    }
}

/// What one loop counted, as it was at one moment.
struct LoopCounts: Sendable {
    var position: Int64
    var variants: [VariantKey: VariantCounts] = [:]
    var connections = 0
    var refused: UInt64 = 0
    var unmatched: UInt64 = 0
    var retries: UInt64 = 0
    var exposuresDropped: UInt64 = 0
    var heldBytes = 0
    var bodiesRefused: UInt64 = 0
}

struct VariantKey: Hashable, Sendable {
    let route: RouteID
    let variant: VariantID
}
