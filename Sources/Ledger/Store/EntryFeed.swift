import Faults
import JSON
import Synchronization
import Telemetry

/// What has just become durable, for those who follow the ledger. The last entries stay here, so that a subscriber who keeps
/// up never goes to the database; who falls behind reads there.
final class EntryFeed: Sendable {
    enum News: Sendable {
        case entries([LedgerEntry])
        /// They are in the database.
        case behind
        case ended
    }

    static let recentMax = 1_024
    static let recentBytesMax = 4 << 20

    private struct State {
        var size: Int64 = 0
        var recent: [(entry: LedgerEntry, bytes: Int)] = []
        var recentBytes = 0
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
        var isEnded = false
    }

    private let state = Mutex(State())

    func start(at size: Int64) { state.withLock { $0.size = size } }

    func publish(_ outcomes: [AppendOutcome]) {
        let waiters = state.withLock { state in
            for case .appended(let entry, let bytes) in outcomes {
                if entry.position.index != state.size {
                    // A gap (the database kept what its disk had called failed): what is here no longer joins on.
                    (state.recent, state.recentBytes) = ([], 0)
                }
                state.recent.append((entry, bytes))
                state.recentBytes += bytes
                state.size = entry.position.index + 1
            }
            var excess = 0
            while state.recent.count - excess > EntryFeed.recentMax || state.recentBytes > EntryFeed.recentBytesMax {
                state.recentBytes -= state.recent[excess].bytes
                excess += 1
            }
            state.recent.removeFirst(excess)
            return EntryFeed.takeWaiters(&state)
        }
        for waiter in waiters { waiter.resume() }
    }

    var isEnded: Bool { state.withLock { $0.isEnded } }

    func end() {
        let waiters = state.withLock { state in
            state.isEnded = true
            return EntryFeed.takeWaiters(&state)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// What follows `position`; waits until there is something, the feed ends or the task is cancelled.
    func news(after position: Position) async -> News {
        while true {
            let news: News? = state.withLock { state in
                if position.index + 1 < state.size {
                    guard let first = state.recent.first?.entry.position, first.index <= position.index + 1 else { return .behind }
                    return .entries(state.recent.dropFirst(Int(position.index + 1 - first.index)).map(\.entry))
                }
                return state.isEnded ? .ended : nil
            }
            if let news { return news }
            if Task.isCancelled { return .ended }
            await wait(for: position)
        }
    }

    private func wait(for position: Position) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isOver = state.withLock { state in
                    let isOver = state.isEnded || position.index + 1 < state.size || Task.isCancelled
                    if !isOver { state.waiters[id] = waiter }
                    return isOver
                }
                if isOver { waiter.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    private static func takeWaiters(_ state: inout State) -> [CheckedContinuation<Void, Never>] {
        defer { state.waiters.removeAll() }
        return Array(state.waiters.values)
    }
}

/// One follower of the ledger and how far it has come.
actor EntrySubscription {
    private static let pageMax = 512
    private static let log = Log("ledger")

    private let feed: EntryFeed
    private let reader: LedgerReader
    private var position: Position
    private var page: ArraySlice<LedgerEntry> = []

    init(feed: EntryFeed, reader: LedgerReader, after position: Position) {
        (self.feed, self.reader, self.position) = (feed, reader, position)
    }

    func next() async -> LedgerEntry? {
        while true {
            if let entry = page.popFirst() {
                position = entry.position
                return entry
            }
            switch await feed.news(after: position) {
            case .entries(let entries): page = entries[...]
            case .ended: return nil
            case .behind:
                do throws(Fault) {
                    page = try await reader.entries(after: position, limit: EntrySubscription.pageMax)[...]
                } catch {
                    // A closed database has nothing more to tell. A disk that fails to read may be well again in a moment, and
                    // who follows the ledger must not be left behind for good.
                    if feed.isEnded || Task.isCancelled { return nil }
                    EntrySubscription.log.error("entries cannot be read", ["what": .string(error.what), "why": .string(error.why)])
                    try? await Task.sleep(for: .seconds(1))
                }
            }
        }
    }
}
