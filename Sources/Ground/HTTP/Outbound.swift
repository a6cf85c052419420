public import Faults

/// Calls to others through libcurl on a thread of its own: smoke tests, readiness, the CLI's calls of the API.
/// Redirects are not followed; proxies of the environment are not used for loopback.
public final class Outbound: Sendable {
    public struct Request: Sendable {
        public var method: String
        public var url: String
        public var headers: [(String, String)]
        public var body: [UInt8]
        public var deadline: Duration
        public var responseBytesMax: Int
        public init(
            _ method: String, _ url: String, headers: [(String, String)] = [], body: [UInt8] = [],
            deadline: Duration = .seconds(30),
            responseBytesMax: Int = 16 << 20
        ) {
            (self.method, self.url, self.headers, self.body, self.deadline, self.responseBytesMax) =
                (method, url, headers, body, deadline, responseBytesMax)
        }
    }
    public struct Answer: Sendable {
        public var status: Int
        public var headers: HTTPHeaders
        public var body: [UInt8]
        /// From sending to the last byte.
        public var elapsed: Duration
    }

    public init() { preconditionFailure("contract") }

    /// A fault of kind `.unavailable` when nothing answered; any HTTP status is an answer.
    public func send(_ request: Request) async throws(Fault) -> Answer { preconditionFailure("contract") }

    /// An answer whose body is read as it comes (server-sent events for `--watch`).
    public func stream(_ request: Request) async throws(Fault) -> (status: Int, chunks: AsyncStream<[UInt8]>) {
        preconditionFailure("contract")
    }
}
