import Outcomes
import Synchronization

/// What requests to models used, on its way out of one loop. A lock, because such a request takes a thousand times longer than
/// taking it; full, it drops and counts, as the exposures' ring does.
final class UsageQueue: Sendable {
    private struct State {
        var waiting: [Usage] = []
        var dropped: UInt64 = 0
    }
    private let state = Mutex(State())
    static let capacity = 65_536

    /// Called by the loop.
    func push(_ usage: Usage) {
        state.withLock { state in
            if state.waiting.count < UsageQueue.capacity { state.waiting.append(usage) } else { state.dropped += 1 }
        }
    }

    /// Called by the pump: everything that waits.
    func pop() -> [Usage] {
        state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
    }

    var dropped: UInt64 { state.withLock(\.dropped) }
}
