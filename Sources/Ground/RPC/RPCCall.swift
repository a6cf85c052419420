internal import CGRPC
import Synchronization

/// One call, as whoever made it sees it. One sends and one receives at a time; anybody may cancel.
@safe public final class RPCCall: Sendable {
    /// The core wants its batches started one after the other: under `starting`.
    private nonisolated(unsafe) let call: OpaquePointer
    private let starting = Mutex(())
    private let ended = Mutex<Ending>(Ending())

    private struct Ending {
        var status: RPCStatus?
        var waiters: [CheckedContinuation<RPCStatus, Never>] = []
    }

    /// The core ends the calls of a channel that goes: it goes after its last call.
    private let channel: RPCChannel

    init(_ call: OpaquePointer, of channel: RPCChannel) { unsafe (self.call, self.channel) = (call, channel) }

    // Every batch under way holds the call, so that nothing is under way when it goes.
    deinit { unsafe claw_rpc_call_free(call) }

    func begin(metadata: [(String, String)]) {
        let opening = RPCBatch()
        for (name, value) in metadata { unsafe claw_rpc_batch_add_metadata(opening.batch, name, value) }
        unsafe claw_rpc_batch_send_metadata(opening.batch)
        start(opening) { _, _ in }
        let greeting = RPCBatch()
        unsafe claw_rpc_batch_receive_metadata(greeting.batch)
        start(greeting) { _, _ in }
        let ending = RPCBatch()
        unsafe claw_rpc_batch_receive_status(ending.batch)
        start(ending) { [self] batch, worked in end(worked ? batch.status : RPCStatus(.internal, "the call could not begin")) }
    }

    /// False when the call has ended: its `status` tells how.
    public func send(_ message: [UInt8]) async -> Bool {
        let batch = RPCBatch()
        unsafe message.withUnsafeBytes { unsafe claw_rpc_batch_send_message(batch.batch, $0.baseAddress, $0.count) }
        return await run(batch)
    }

    /// Nothing more will be sent.
    public func finishSending() async {
        let batch = RPCBatch()
        unsafe claw_rpc_batch_send_end(batch.batch)
        _ = await run(batch)
    }

    /// The next message; nil when the call has ended.
    public func receive() async -> [UInt8]? {
        let batch = RPCBatch()
        unsafe claw_rpc_batch_receive_message(batch.batch)
        return await run(batch) ? batch.message : nil
    }

    /// Waits for the end.
    public func status() async -> RPCStatus {
        await withCheckedContinuation { waiter in
            let known = ended.withLock { ended in
                if ended.status == nil { ended.waiters.append(waiter) }
                return ended.status
            }
            if let known { waiter.resume(returning: known) }
        }
    }

    public func cancel() { unsafe claw_rpc_call_cancel(call) }

    private func end(_ status: RPCStatus) {
        let waiters = ended.withLock { ended in
            ended.status = status
            defer { ended.waiters = [] }
            return ended.waiters
        }
        for waiter in waiters { waiter.resume(returning: status) }
    }

    private func run(_ batch: RPCBatch) async -> Bool {
        await withCheckedContinuation { done in start(batch) { _, worked in done.resume(returning: worked) } }
    }

    private func start(_ batch: RPCBatch, whenDone: @escaping @Sendable (RPCBatch, Bool) -> Void) {
        // Holds the call until the batch has completed.
        let context = unsafe batch.start { [self] batch, worked in
            withExtendedLifetime(self) { whenDone(batch, worked) }
        }
        let code = starting.withLock { _ in unsafe claw_rpc_batch_start(batch.batch, call, context) }
        if code != 0 { unsafe batch.refuse(context) }
    }
}
