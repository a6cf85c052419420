import Routing

/// Feedback that came before its exposure, and waits for it: a client may answer microseconds after it was answered, while
/// the exposure is still in the gateway's ring.
struct EarlyFeedback {
    /// Targets that are waited for at a time; beyond, feedback is answered by what is known now.
    static let targetsMax = 65_536

    private struct Wait {
        var missing: Set<OutcomeStore.Feedback.Target>
        var continuation: CheckedContinuation<Void, Never>
    }
    private var waits: [Int: Wait] = [:]
    private var waiters: [OutcomeStore.Feedback.Target: [Int]] = [:]

    var isEmpty: Bool { waits.isEmpty }
    private(set) var count = 0

    func hasRoom(for more: Int) -> Bool { count + more <= EarlyFeedback.targetsMax }

    /// Resumed when every target has come, or at `giveUp`.
    mutating func wait(_ id: Int, for targets: Set<OutcomeStore.Feedback.Target>, _ continuation: CheckedContinuation<Void, Never>)
    {
        waits[id] = Wait(missing: targets, continuation: continuation)
        for target in targets { waiters[target, default: []].append(id) }
        count += targets.count
    }

    mutating func arrived(_ batch: [Exposure]) {
        for exposure in batch {
            arrived(.request(exposure.request))
            arrived(.unit(exposure.route, exposure.unit))
            if isEmpty { return }
        }
    }

    private mutating func arrived(_ target: OutcomeStore.Feedback.Target) {
        guard let ids = waiters.removeValue(forKey: target) else { return }
        for id in ids where waits[id]?.missing.remove(target) != nil {
            count -= 1
            if waits[id]?.missing.isEmpty == true { waits.removeValue(forKey: id)?.continuation.resume() }
        }
    }

    mutating func giveUp(_ id: Int) {
        guard let wait = waits.removeValue(forKey: id) else { return }
        count -= wait.missing.count
        for target in wait.missing {
            waiters[target]?.removeAll { $0 == id }
            if waiters[target]?.isEmpty == true { waiters[target] = nil }
        }
        wait.continuation.resume()
    }

    mutating func giveUpAll() { for id in waits.keys.sorted() { giveUp(id) } }
}
