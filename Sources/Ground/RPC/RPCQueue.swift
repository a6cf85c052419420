internal import CGRPC
internal import CLinux
import Faults
import Glibc
import Synchronization

/// The library, opened once, and the one thread that waits for everything the C core completes.
@safe final class RPCQueue: Sendable {
    /// The core locks its queue itself.
    nonisolated(unsafe) let queue: OpaquePointer

    private static let opened = Mutex<RPCQueue?>(nil)
    private static let said = LibraryLog()

    /// Opens the library when it is first needed: whoever calls nobody does not pay for it.
    static func open() throws(Fault) -> RPCQueue {
        try opened.withLock { opened throws(Fault) in
            if let opened { return opened }
            if let reason = unsafe claw_rpc_open({ isError, text in unsafe RPCQueue.said.hear(isError != 0, text) }) {
                throw Fault(
                    .unavailable, what: "Workers cannot be spoken to: gRPC's C library cannot be used.",
                    why: unsafe String(cString: reason) + ".", fix: "Install it (Debian and Ubuntu: libgrpc29, or libgrpc-dev).")
            }
            let queue = RPCQueue()
            opened = queue
            return queue
        }
    }

    private init() {
        guard let queue = unsafe claw_rpc_queue_make() else { preconditionFailure("the core has no queue") }
        unsafe self.queue = queue
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<RPCQueue>.fromOpaque(context).takeUnretainedValue().drain()
                return nil
            }, unsafe Unmanaged.passRetained(self).toOpaque())
        precondition(code == 0, "no thread is left for gRPC")
        pthread_detach(thread)
    }

    private func drain() {
        unsafe claw_name_thread("rpc")
        var every = sigset_t()
        unsafe sigfillset(&every)
        unsafe pthread_sigmask(SIG_BLOCK, &every, nil)
        var context: UnsafeMutableRawPointer?
        var worked: Int32 = 0
        while unsafe claw_rpc_queue_next(queue, &context, &worked) == 1 {
            guard let done = unsafe context else { continue }
            unsafe Unmanaged<RPCBatch>.fromOpaque(done).takeRetainedValue().complete(worked: worked == 1)
        }
    }
}

/// One step of a call under way: its record in C, and what is done when it completes. It lives until then.
@safe final class RPCBatch: Sendable {
    /// Filled in before the start, read after the completion: never by two at a time.
    nonisolated(unsafe) let batch: OpaquePointer
    private let whenDone = Mutex<(@Sendable (RPCBatch, Bool) -> Void)?>(nil)

    init() {
        guard let batch = unsafe claw_rpc_batch_make() else { preconditionFailure("no memory is left") }
        unsafe self.batch = batch
    }

    deinit { unsafe claw_rpc_batch_free(batch) }

    /// What the core is given, and gives back with the completion.
    func start(whenDone: @escaping @Sendable (RPCBatch, Bool) -> Void) -> UnsafeMutableRawPointer {
        self.whenDone.withLock { $0 = whenDone }
        return unsafe Unmanaged.passRetained(self).toOpaque()
    }

    func complete(worked: Bool) {
        let done = whenDone.withLock { done in
            defer { done = nil }
            return done
        }
        done?(self, worked)
    }

    /// The core did not take it: it completes at once.
    func refuse(_ context: UnsafeMutableRawPointer) {
        unsafe Unmanaged<RPCBatch>.fromOpaque(context).takeRetainedValue().complete(worked: false)
    }

    var message: [UInt8]? {
        var count = 0
        guard let bytes = unsafe claw_rpc_batch_message(batch, &count) else { return nil }
        return unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count))
    }

    var status: RPCStatus {
        var count = 0
        var text: UnsafePointer<CChar>?
        let code = unsafe claw_rpc_batch_status(batch, &text, &count)
        let bytes = unsafe UnsafeRawBufferPointer(start: text, count: count)
        return RPCStatus(RPCStatus.Code(rawValue: code) ?? .unknown, unsafe String(decoding: bytes, as: UTF8.self))
    }

    var method: String {
        var count = 0
        guard let text = unsafe claw_rpc_batch_method(batch, &count) else { return "" }
        return unsafe String(decoding: UnsafeRawBufferPointer(start: text, count: count), as: UTF8.self)
    }

    func metadata(_ name: String) -> String? {
        var count = 0
        guard let text = unsafe claw_rpc_batch_metadata(batch, name, &count) else { return nil }
        return unsafe String(decoding: UnsafeRawBufferPointer(start: text, count: count), as: UTF8.self)
    }
}
