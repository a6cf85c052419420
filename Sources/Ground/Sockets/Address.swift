public import Faults

/// An IPv4 or IPv6 address with a port, as `127.0.0.1:7700`, `[::1]:7700` or `localhost:7700` (resolved once, when parsed).
public struct SocketAddress: Hashable, Sendable {
    public let host: String
    public let port: Int
    public init(parsing text: String, defaultPort: Int? = nil) throws(Fault) { preconditionFailure("contract") }
    public var isLoopback: Bool { preconditionFailure("contract") }
    public var text: String { preconditionFailure("contract") }
}
