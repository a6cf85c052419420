internal import CGRPC
public import Faults
import Synchronization

/// Answers calls. Each method has a handler, which runs in a task of its own and returns how the call ended.
@safe public final class RPCServer: Sendable {
    public typealias Handler = @Sendable (RPCServerCall) async -> RPCStatus

    /// The core locks a server itself.
    private nonisolated(unsafe) let server: OpaquePointer
    private let queue: RPCQueue
    private let handlers: [String: Handler]
    /// What it listens on: `host:port` with the real port, or `unix:/path`.
    public let address: String
    private let state = Mutex(State())

    private struct State {
        var isStopping = false
        /// Calls under way, and requests for one that have not completed.
        var open = 0
    }

    /// Calls at a time; more are told to come later.
    public static let callsMax = 4_096

    /// Listens on `host:port` (port 0 takes a free one) or `unix:/path`. With an identity nobody is let in without a certificate
    /// of the same authority.
    public init(
        on address: String, as identity: RPCIdentity? = nil, _ settings: RPCChannel.Settings = .init(), handlers: [String: Handler]
    ) throws(Fault) {
        queue = try RPCQueue.open()
        self.handlers = handlers
        let keepalive = Int32(clamping: Int64(settings.keepalive / .milliseconds(1)))
        guard let server = unsafe claw_rpc_server_make(queue.queue, keepalive, Int32(clamping: settings.messageBytesMax)) else {
            preconditionFailure("the core makes every server")
        }
        unsafe self.server = server
        let port = unsafe RPCIdentity.lend(identity) { identity in unsafe claw_rpc_server_listen(server, address, identity) }
        guard port > 0 else {
            // A server that never began has nothing to wait for, and the core wants it stopped all the same.
            unsafe claw_rpc_server_start(server)
            self.address = address
            unsafe claw_rpc_server_stop(server, queue.queue, RPCBatch().start { _, _ in })
            throw Fault(
                what: "Workers cannot be listened to on \(address).", why: "The address is taken, or not this machine's.",
                fix: "See what else listens there.")
        }
        let host = address.lastIndex(of: ":").map { String(address[..<$0]) } ?? address
        self.address = address.hasPrefix("unix:") ? address : "\(host):\(port)"
        unsafe claw_rpc_server_start(server)
        takeNextCall()
    }

    /// Takes no more calls, ends those there are, and returns when the last is gone.
    public func stop() async {
        let isFirst = state.withLock { state in
            defer { state.isStopping = true }
            return !state.isStopping
        }
        guard isFirst else { return }
        await withCheckedContinuation { done in
            unsafe claw_rpc_server_stop(server, queue.queue, RPCBatch().start { _, _ in done.resume() })
        }
        unsafe claw_rpc_server_free(server)
    }

    private func takeNextCall() {
        guard !state.withLock(\.isStopping) else { return }
        let batch = RPCBatch()
        let context = unsafe batch.start { [weak self] batch, worked in self?.admit(batch, worked: worked) }
        if unsafe claw_rpc_server_next_call(server, queue.queue, batch.batch, context) == 0 { unsafe batch.refuse(context) }
    }

    private func admit(_ batch: RPCBatch, worked: Bool) {
        guard worked, let taken = unsafe claw_rpc_batch_take_call(batch.batch) else { return }
        takeNextCall()
        let call = unsafe RPCServerCall(taken, arrival: batch)
        let isTooMany = state.withLock { state in
            if state.open >= RPCServer.callsMax { return true }
            state.open += 1
            return false
        }
        guard !isTooMany else {
            Task { await call.end(RPCStatus(.resourceExhausted, "\(RPCServer.callsMax) calls are open; come again later")) }
            return
        }
        let handler = handlers[call.method]
        Task { [weak self] in
            let status = await handler?(call) ?? RPCStatus(.unimplemented, "there is no method \(call.method)")
            await call.end(status)
            self?.state.withLock { $0.open -= 1 }
        }
    }
}

/// One call, as its handler sees it. One sends and one receives at a time.
@safe public final class RPCServerCall: Sendable {
    /// The core wants its batches started one after the other: under `starting`.
    private nonisolated(unsafe) let call: OpaquePointer
    private let starting = Mutex(())
    /// Holds the metadata.
    private let arrival: RPCBatch

    init(_ call: OpaquePointer, arrival: RPCBatch) {
        unsafe self.call = call
        self.arrival = arrival
        let closing = RPCBatch()
        unsafe claw_rpc_batch_receive_end(closing.batch)
        start(closing) { _, _ in }
        let opening = RPCBatch()
        unsafe claw_rpc_batch_send_metadata(opening.batch)
        start(opening) { _, _ in }
    }

    deinit { unsafe claw_rpc_call_free(call) }

    public var method: String { arrival.method }
    public func metadata(_ name: String) -> String? { arrival.metadata(name) }

    /// The next message; nil when the caller has sent its last one, or is gone.
    public func receive() async -> [UInt8]? {
        let batch = RPCBatch()
        unsafe claw_rpc_batch_receive_message(batch.batch)
        return await run(batch) ? batch.message : nil
    }

    /// False when the caller is gone.
    public func send(_ message: [UInt8]) async -> Bool {
        let batch = RPCBatch()
        unsafe message.withUnsafeBytes { unsafe claw_rpc_batch_send_message(batch.batch, $0.baseAddress, $0.count) }
        return await run(batch)
    }

    /// Ends the call from this side: what is being received comes to nothing.
    public func cancel() { unsafe claw_rpc_call_cancel(call) }

    func end(_ status: RPCStatus) async {
        let batch = RPCBatch()
        unsafe claw_rpc_batch_send_status(batch.batch, status.code.rawValue, status.message)
        _ = await run(batch)
    }

    private func run(_ batch: RPCBatch) async -> Bool {
        await withCheckedContinuation { done in start(batch) { _, worked in done.resume(returning: worked) } }
    }

    private func start(_ batch: RPCBatch, whenDone: @escaping @Sendable (RPCBatch, Bool) -> Void) {
        let context = unsafe batch.start { [self] batch, worked in
            withExtendedLifetime(self) { whenDone(batch, worked) }
        }
        let code = starting.withLock { _ in unsafe claw_rpc_batch_start(batch.batch, call, context) }
        if code != 0 { unsafe batch.refuse(context) }
    }
}
