public import Faults
import Synchronization

/// Calls to others through libcurl on a thread of its own: smoke tests, readiness, the CLI's calls of the API.
/// Redirects are not followed; proxies of the environment are not used; only http and https are spoken.
public final class Outbound: Sendable {
    public struct Request: Sendable {
        public var method: String
        public var url: String
        public var headers: [(String, String)]
        public var body: [UInt8]
        public var deadline: Duration
        public var responseBytesMax: Int
        /// Whose certificates (PEM) an https url is checked against; nil for the system's.
        public var caFile: String?
        public init(
            _ method: String, _ url: String, headers: [(String, String)] = [], body: [UInt8] = [],
            deadline: Duration = .seconds(30),
            responseBytesMax: Int = 16 << 20, caFile: String? = nil
        ) {
            (self.method, self.url, self.headers, self.body, self.deadline, self.responseBytesMax) =
                (method, url, headers, body, deadline, responseBytesMax)
            self.caFile = caFile
        }
    }
    public struct Answer: Sendable {
        public var status: Int
        public var headers: HTTPHeaders
        public var body: [UInt8]
        /// From sending to the last byte.
        public var elapsed: Duration
    }

    fileprivate let loop = OutboundLoop()

    public init() {}
    deinit { loop.stop() }

    /// A fault of kind `.unavailable` when nothing answered; any HTTP status is an answer.
    public func send(_ request: Request) async throws(Fault) -> Answer {
        let transfer = try Transfer(request, streams: false)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                transfer.onFinish { continuation.resume(returning: $0) }
                loop.add(transfer)
            }
        } onCancel: {
            loop.cancel(transfer)
        }
        return try result.get()
    }

    /// An answer whose body is read as it comes (server-sent events for `--watch`). The deadline is the one of its head.
    public func stream(_ request: Request) async throws(Fault) -> (status: Int, chunks: AsyncStream<[UInt8]>) {
        let transfer = try Transfer(request, streams: true)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                transfer.onHead { continuation.resume(returning: $0) }
                loop.add(transfer)
            }
        } onCancel: {
            loop.cancel(transfer)
        }
        let status = try result.get()
        // The stream's closure alone holds the reader: a stream that is dropped ends its transfer.
        let reader = StreamReader(transfer: transfer, outbound: self)
        let chunks = AsyncStream<[UInt8]> {
            await reader.next()
        } onCancel: {
            reader.cancel()
        }
        return (status, chunks)
    }
}

/// The reading end of a streamed answer. It keeps the caller alive, whose end would end the transfer.
private final class StreamReader: Sendable {
    private let transfer: Transfer
    private let outbound: Outbound

    init(transfer: Transfer, outbound: Outbound) { (self.transfer, self.outbound) = (transfer, outbound) }
    deinit { cancel() }

    func next() async -> [UInt8]? {
        let (chunk, resumes) = await transfer.nextChunk()
        if resumes { outbound.loop.resume(transfer) }
        return chunk
    }

    func cancel() { outbound.loop.cancel(transfer) }
}
