import Synchronization

/// How one child ended, once it has: shared by its handles and the watch.
final class Fate: Sendable {
    private struct State {
        var status: ExitStatus?
        var waiters: [(deadline: ContinuousClock.Instant?, continuation: CheckedContinuation<ExitStatus?, Never>)] = []
    }

    let processID: Int32
    private let state = Mutex(State())

    init(processID: Int32) { self.processID = processID }

    var status: ExitStatus? { state.withLock { $0.status } }

    /// Resumes with the status, or with nil when the deadline passes first.
    func await(_ continuation: CheckedContinuation<ExitStatus?, Never>, until deadline: ContinuousClock.Instant?) {
        let known = state.withLock { state -> ExitStatus? in
            if state.status == nil { state.waiters.append((deadline, continuation)) }
            return state.status
        }
        if let known { continuation.resume(returning: known) }
    }

    func end(with status: ExitStatus) {
        let waiters = state.withLock { state in
            state.status = status
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(returning: status) }
    }

    /// Lets waiters go whose deadline has passed; returns the next deadline.
    func expire(at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let (late, next) = state.withLock { state in
            let late = state.waiters.filter { $0.deadline.map { $0 <= now } ?? false }
            state.waiters.removeAll { $0.deadline.map { $0 <= now } ?? false }
            return (late, state.waiters.compactMap(\.deadline).min())
        }
        for waiter in late { waiter.continuation.resume(returning: nil) }
        return next
    }
}
