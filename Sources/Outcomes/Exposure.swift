public import Routing
public import Telemetry

/// A unit saw a variant. Fixed size, trivially copyable: the gateway's ring and the segment files hold these.
public struct Exposure: Sendable, Equatable {
    public var request: RequestID
    public var route: RouteID
    public var variant: VariantID
    public var kind: AnswerKind
    public var status: UInt16
    /// Probability of this variant at that moment, in basis points.
    public var propensity: UInt16
    public var unit: UInt64
    public var tablePosition: Int64
    public var at: Timestamp
    /// First request byte read to last response byte written.
    public var latencyMicroseconds: UInt32
    public var bytesIn: UInt32
    public var bytesOut: UInt32

    public init(
        request: RequestID, route: RouteID, variant: VariantID, kind: AnswerKind, status: UInt16, propensity: UInt16, unit: UInt64,
        tablePosition: Int64, at: Timestamp, latencyMicroseconds: UInt32, bytesIn: UInt32, bytesOut: UInt32
    ) {
        (self.request, self.route, self.variant, self.kind, self.status, self.propensity, self.unit, self.tablePosition, self.at) =
            (request, route, variant, kind, status, propensity, unit, tablePosition, at)
        (self.latencyMicroseconds, self.bytesIn, self.bytesOut) = (latencyMicroseconds, bytesIn, bytesOut)
    }
}

/// How an answer ended, as gates count it. Client faults (4xx, a client that went away) are neither success nor error of a version.
public enum AnswerKind: UInt8, Sendable, Codable {
    case success  // 1xx-3xx
    case clientFault  // 4xx but 408 and 429 of the upstream, or the client went away
    case upstreamError  // 5xx, 408, 429
    case unreachable, timedOut, brokenAnswer
    public var isError: Bool { self != .success && self != .clientFault }
}
