internal import CGRPC
public import Faults

/// A way to one server. It connects with its first call and again after a break.
@safe public final class RPCChannel: Sendable {
    public struct Settings: Sendable {
        /// The peer is asked for a sign of life after so much silence, and gone after three times as much more.
        public var keepalive = Duration.seconds(2)
        /// Larger messages are refused.
        public var messageBytesMax = 1 << 20
        public init() {}
    }

    /// The core locks a channel itself.
    private nonisolated(unsafe) let channel: OpaquePointer
    private let queue: RPCQueue

    /// `host:port`, or `unix:/path/of/socket`. With an identity both sides show each other certificates.
    public init(to target: String, as identity: RPCIdentity? = nil, _ settings: Settings = Settings()) throws(Fault) {
        queue = try RPCQueue.open()
        let keepalive = Int32(clamping: Int64(settings.keepalive / .milliseconds(1)))
        let made = unsafe RPCIdentity.lend(identity) { identity in
            unsafe claw_rpc_channel_make(target, identity, keepalive, Int32(clamping: settings.messageBytesMax))
        }
        guard let channel = unsafe made else {
            throw Fault(
                what: "\(target) cannot be called.", why: "It is no address, or the certificate cannot be used.",
                fix: "Write host:port or unix:/path.")
        }
        unsafe self.channel = channel
    }

    deinit { unsafe claw_rpc_channel_free(channel) }

    /// Begins a call of `/package.Service/Method`. `metadata`: at most 4 pairs, names in lower case.
    public func call(_ method: String, metadata: [(String, String)] = [], deadline: Duration? = nil) -> RPCCall {
        let milliseconds = deadline.map { Int64($0 / .milliseconds(1)) } ?? -1
        guard let call = unsafe claw_rpc_call_make(channel, queue.queue, method, milliseconds) else {
            preconditionFailure("the core makes every call, and lets it fail later")
        }
        let begun = unsafe RPCCall(call, of: self)
        begun.begin(metadata: metadata)
        return begun
    }

    /// One message there, one back.
    public func ask(_ method: String, _ message: [UInt8], metadata: [(String, String)] = [], deadline: Duration)
        async throws(RPCStatus) -> [UInt8]
    {
        let call = call(method, metadata: metadata, deadline: deadline)
        _ = await call.send(message)
        await call.finishSending()
        let answer = await call.receive()
        let status = await call.status()
        guard status.code == .ok, let answer else { throw status.code == .ok ? RPCStatus(.internal, "no message came") : status }
        return answer
    }
}
