internal import CCollectives
import Synchronization

/// An operation that was started and will end.
@safe public final class Work: @unchecked Sendable {  // `outcome` guards how it ended; the bell is atomic
    let operation: Operation
    private let bell: UnsafeMutablePointer<claw_bell>
    private let outcome = Mutex<Outcome>(.running)

    private enum Outcome {
        case running
        case ended
        case failed(CollectiveFailure)
    }

    init(_ operation: Operation) {
        self.operation = operation
        unsafe bell = .allocate(capacity: 1)
        unsafe bell.initialize(to: claw_bell(word: 0))
    }

    deinit { unsafe bell.deallocate() }

    func end(_ failure: CollectiveFailure?) {
        outcome.withLock { $0 = failure.map { .failed($0) } ?? .ended }
        unsafe claw_bell_ring(bell)
    }

    /// False until it ended; throws how it failed.
    public func hasEnded() throws(CollectiveFailure) -> Bool {
        switch outcome.withLock({ $0 }) {
        case .running: return false
        case .ended: return true
        case .failed(let failure): throw failure
        }
    }

    /// Returns when it ended, and throws how it failed. A wait of `seconds` (none: without limit) that is over ends nothing.
    public func wait(seconds: Double? = nil) throws(CollectiveFailure) {
        let deadline = seconds.flatMap { Stopwatch.deadline(in: $0) }
        while true {
            let seen = unsafe claw_bell_value(bell)
            if try hasEnded() { return }
            let left = deadline.map { $0 - Stopwatch.now } ?? -1
            if deadline != nil, left <= 0 { throw CollectiveFailure(.timedOut, "the operation has not ended yet") }
            unsafe claw_bell_wait(bell, seen, left)
        }
    }
}
