public import Faults
public import HTTP
public import JSON
public import Outcomes
public import Routing
public import Sockets
public import Telemetry

/// The data plane: one epoll loop per core on SO_REUSEPORT, each with its own table, pools, ring and counters.
public final class GatewayServer: Sendable {
    public struct Settings: Sendable {
        public var address: SocketAddress
        public var loops: Int
        public var headerBytesMax = 32 << 10
        public var bodyBytesMax = 32 << 20
        public var connectionsMax = 16_384  // per loop
        public init(address: SocketAddress, loops: Int) { (self.address, self.loops) = (address, loops) }
    }
    /// Receives batches of exposures off the hot path, in order per loop.
    public typealias ExposureSink = @Sendable ([Exposure]) async -> Void
    /// Answers `POST /v1/feedback` (body as sent).
    public typealias FeedbackHandler = @Sendable (HTTPRequest) async -> HTTPResponse

    public init(settings: Settings, table: RoutingTable, exposures: @escaping ExposureSink, feedback: @escaping FeedbackHandler) {
        preconditionFailure("contract")
    }
    /// Binds and serves; the address says the real port when 0 was asked for.
    public func start() throws(Fault) -> SocketAddress { preconditionFailure("contract") }
    /// Returns when every loop serves this table. An older position than the one served is ignored.
    public func publish(_ table: RoutingTable) async { preconditionFailure("contract") }
    /// Position served by every loop (the lowest).
    public func servedPosition() async -> Int64 { preconditionFailure("contract") }
    /// Requests, errors, latency (quantiles within 1 %), in flight, bytes, per route and variant.
    public func metrics() async -> JSONValue { preconditionFailure("contract") }
    public func writeMetrics(to page: inout PrometheusText) async { preconditionFailure("contract") }
    /// Stops accepting, finishes requests in flight (at most `limit`), flushes the rings.
    public func drain(limit: Duration) async { preconditionFailure("contract") }
}
