import Telemetry

/// Feedback on answers that are still going out: a user may judge a streamed answer before its end, and its exposure is written
/// at its end. It waits in memory, where the answer itself is: what ends the one ends the other.
struct HeldFeedback {
    /// Nothing is held for longer: an answer that ended without an exposure (a ring that was full) must not hold on to it.
    static let longest: Duration = .seconds(3_600)

    struct Event {
        var feedback: OutcomeStore.Feedback
        var at: Timestamp
    }
    private var events: [RequestID: [Event]] = [:]
    private(set) var count = 0
    private var swept: Timestamp?

    var isEmpty: Bool { events.isEmpty }

    /// False where there is no room.
    mutating func hold(_ feedback: OutcomeStore.Feedback, of id: RequestID, at: Timestamp, atMost countMax: Int) -> Bool {
        guard count < countMax else { return false }
        events[id, default: []].append(Event(feedback: feedback, at: at))
        count += 1
        return true
    }

    /// What was waiting for a request, in the order it came.
    mutating func take(_ id: RequestID) -> [Event] {
        guard let taken = events.removeValue(forKey: id) else { return [] }
        count -= taken.count
        return taken
    }

    /// Gives up what has waited too long, looked for once a minute; returns how many events.
    mutating func sweep(at now: Timestamp) -> Int {
        if let swept, now - swept < .seconds(60) { return 0 }
        swept = now
        let before = count
        for (id, waiting) in events {
            let kept = waiting.filter { now - $0.at < HeldFeedback.longest }
            count -= waiting.count - kept.count
            events[id] = kept.isEmpty ? nil : kept
        }
        return before - count
    }
}
