internal import CLinux
import Faults
import Glibc
import Synchronization

/// Work that other threads leave for a loop; an eventfd wakes it. Bounded by its senders: each awaits what it posted.
public final class Mailbox: Sendable {
    public typealias Work = @Sendable (Reactor) -> Void

    private struct State {
        var work: [Work] = []
        var isClosed = false
    }
    let descriptor: Int32
    private let state = Mutex(State())

    init() throws(Fault) {
        descriptor = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
        guard descriptor >= 0 else { throw systemFault("An event loop cannot be made", "eventfd") }
    }

    /// Runs `work` on the loop's thread, in order of posting. False when the loop has ended; then it is never run.
    @discardableResult
    public func post(_ work: @escaping Work) -> Bool {
        let (accepted, isFirst) = state.withLock { state in
            if state.isClosed { return (false, false) }
            state.work.append(work)
            return (true, state.work.count == 1)
        }
        if isFirst { wake() }
        return accepted
    }

    /// Runs `work` on the loop's thread and waits for its result; nil when the loop has ended.
    public func call<R: Sendable>(_ work: @escaping @Sendable (Reactor) -> R) async -> R? {
        await withCheckedContinuation { continuation in
            let posted = post { reactor in continuation.resume(returning: work(reactor)) }
            if !posted { continuation.resume(returning: nil) }
        }
    }

    private func wake() {
        var one: UInt64 = 1
        _ = unsafe write(descriptor, &one, 8)
    }

    func take() -> [Work] {
        var count: UInt64 = 0
        _ = unsafe read(descriptor, &count, 8)
        return state.withLock { state in
            defer { state.work.removeAll() }
            return state.work
        }
    }

    /// After this nothing is accepted; what was accepted before has been, or is now, run by the loop.
    func close() {
        state.withLock { $0.isClosed = true }
    }
}

/// The loop's end of its mailbox. It owns the eventfd.
final class MailboxSource: EventSource {
    private let mailbox: Mailbox

    init(reactor: Reactor, mailbox: Mailbox) {
        self.mailbox = mailbox
        super.init(reactor: reactor, descriptor: mailbox.descriptor)
    }

    override func ready(_ readiness: Readiness) { runAll() }

    override func close() {
        mailbox.close()
        runAll()
        super.close()
    }

    private func runAll() {
        for work in mailbox.take() { work(reactor) }
    }
}
