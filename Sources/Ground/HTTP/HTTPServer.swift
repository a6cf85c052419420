public import Faults
public import Sockets

/// The server of the control API: the strict parser and reactor on a loop of its own, async handlers.
/// Live traffic does not pass here (that is Gateway).
public final class HTTPServer: Sendable {
    public struct Limits: Sendable {
        public var headerBytesMax = 32 << 10
        public var bodyBytesMax = 8 << 20
        public var connectionsMax = 1_024
        public var headerDeadline: Duration = .seconds(10)
        public var bodyDeadline: Duration = .seconds(30)
        public var idleDeadline: Duration = .seconds(60)
        public init() {}
    }

    public init(address: SocketAddress, limits: Limits = Limits(), handler: @escaping @Sendable (HTTPRequest) async -> HTTPResponse)
    {
        preconditionFailure("contract")
    }
    /// Binds and serves. The address says the real port when 0 was asked for.
    public func start() throws(Fault) -> SocketAddress { preconditionFailure("contract") }
    /// Stops accepting, lets requests in flight finish (at most `limit`), closes.
    public func drain(limit: Duration) async { preconditionFailure("contract") }
}
