public import Faults
import JSON
public import Routing
public import Telemetry

extension OutcomeStore {
    /// One feedback event as the client sent it. `route` is by name, resolved by the caller.
    public struct Feedback: Sendable, Equatable {
        public enum Target: Sendable, Hashable {
            case request(RequestID)
            /// The latest exposure of a unit.
            case unit(RouteID, UInt64)
        }
        public var target: Target
        public var metric: String
        public var value: Double
        /// The same key counts once. Without one, a request counts once per metric, a unit as `per` says.
        public var idempotencyKey: String?
        /// What has one value of a metric.
        public var per: Grain
        /// Where its key (or request, unit or session) has a value already, this one takes its place.
        public var replaces: Bool

        public enum Grain: Sendable, Hashable {
            /// Each event counts; of a request, one per metric.
            case event
            case session(String)
            case unit
        }

        public init(
            target: Target, metric: String, value: Double, idempotencyKey: String?, per: Grain = .event, replaces: Bool = false
        ) {
            (self.target, self.metric, self.value, self.idempotencyKey) = (target, metric, value, idempotencyKey)
            (self.per, self.replaces) = (per, replaces)
        }

        /// What makes two events the same one; nil where each counts.
        var key: String? {
            if let idempotencyKey { return "key:" + idempotencyKey }
            switch (target, per) {
            case (.request(let id), _): return "request:\(id):\(metric)"
            case (.unit, .event): return nil
            case (.unit(let route, let unit), .unit): return "unit:\(route.number):\(unit):\(metric)"
            case (.unit(let route, let unit), .session(let name)): return "session:\(route.number):\(unit):\(name):\(metric)"
            }
        }
    }

    public enum FeedbackResult: String, Sendable, CaseIterable {
        case joined, duplicate, replaced
        /// Its answer is still going out: joined when that has ended.
        case waiting
        case unknownExposure = "unknown_exposure"
        case tooLate = "too_late"
    }

    /// Events of one call.
    public static let feedbackEventsMax = 10_000
    /// Events that wait to be written.
    static let queuedEventsMax = 65_536

    /// Durable when it returns, but for what is still `waiting`. One result per event, in order. An event whose exposure is not
    /// known yet waits for it a little, and then is held if its answer is still going out.
    public func feed(_ events: [Feedback], at: Timestamp) async throws(Fault) -> [FeedbackResult] {
        guard events.count <= OutcomeStore.feedbackEventsMax else { throw OutcomeStore.tooMany(events.count) }
        guard !isClosed else { throw closedFault() }
        var found = try find(events)
        let early = Set(zip(events, found).filter { $0.1 == nil }.map(\.0.target))
        if !early.isEmpty, await waitForExposures(of: early) {
            guard !isClosed else { throw closedFault() }
            for (index, event) in try zip(events.indices, find(events)) where found[index] == nil { found[index] = event }
        }
        let going = try await answering(early, found: &found, of: events)
        let joined = zip(events, found).map { event, exposure in
            exposure == nil && hold(event, among: going, at: at) ? .not(.waiting) : join(event, to: exposure, at: at)
        }
        let results = try await write(joined)
        for result in results { counts.results[result, default: 0] += 1 }
        return results
    }

    private func find(_ events: [Feedback]) throws(Fault) -> [Exposure?] {
        var found: [Exposure?] = []
        var areUnitsCurrent = false
        for event in events {
            switch event.target {
            case .request(let id): found.append(try exposures.find(id))
            case .unit(let route, let unit):
                if !areUnitsCurrent { try units.catchUp(with: exposures) }
                areUnitsCurrent = true
                let exposure = try units.slot(of: route, unit).flatMap { slot throws(Fault) in try exposures.exposure(at: slot) }
                found.append(exposure?.route == route && exposure?.unit == unit ? exposure : nil)
            }
        }
        return found
    }

    // MARK: Answers that are still going out

    /// Says which of some requests are being answered at this moment. Without it nothing is held.
    public func ask(_ answering: @escaping @Sendable (Set<RequestID>) async -> Set<RequestID>) { self.answering = answering }

    /// Of the targets that were not found, the requests whose answers are not at their end. What ended meanwhile is found.
    private func answering(
        _ early: Set<Feedback.Target>, found: inout [Exposure?], of events: [Feedback]
    ) async throws(Fault) -> Set<RequestID> {
        let missing = zip(events, found).compactMap { event, exposure -> RequestID? in
            guard exposure == nil, case .request(let id) = event.target else { return nil }
            return id
        }
        guard !early.isEmpty, !missing.isEmpty, let answering else { return [] }
        let going = await answering(Set(missing))
        guard !isClosed else { throw closedFault() }
        for (index, event) in events.enumerated() where found[index] == nil {
            if case .request(let id) = event.target { found[index] = try exposures.find(id) }
        }
        return going
    }

    private func hold(_ event: Feedback, among going: Set<RequestID>, at: Timestamp) -> Bool {
        guard case .request(let id) = event.target, going.contains(id) else { return false }
        let late = held.sweep(at: at)
        if late > 0 {
            counts.results[.unknownExposure, default: 0] += Int64(late)
            log.warning("feedback waited in vain for the end of its answer", ["events": .integer(Int64(late))])
        }
        return held.hold(event, of: id, at: at, atMost: settings.heldEventsMax)
    }

    /// Writes what waited for these; nobody waits for it any more.
    func joinHeld(_ batch: [Exposure]) {
        var rows: [FeedbackTable.Row] = []
        for exposure in batch {
            for event in held.take(exposure.request) {
                guard case .row(let row) = join(event.feedback, to: exposure, at: max(event.at, exposure.at)) else { continue }
                rows.append(row)
            }
        }
        if !rows.isEmpty { enqueue(QueuedFeedback(rows: rows, continuation: nil)) }
    }

    private enum Joined {
        case row(FeedbackTable.Row)
        case not(FeedbackResult)
    }

    private func join(_ event: Feedback, to exposure: Exposure?, at: Timestamp) -> Joined {
        guard let exposure else { return .not(.unknownExposure) }
        guard at - exposure.at <= settings.window else { return .not(.tooLate) }
        return .row(
            .init(
                exposure: exposure, metric: event.metric, value: event.value, key: event.key, replaces: event.replaces, at: at))
    }

    /// True when some of them may have come.
    private func waitForExposures(of targets: Set<Feedback.Target>) async -> Bool {
        guard settings.patience > .zero, early.hasRoom(for: targets.count) else { return false }
        nextWaiter += 1
        let id = nextWaiter
        let timer = Task {
            try? await Task.sleep(for: settings.patience)
            early.giveUp(id)
        }
        await withCheckedContinuation { early.wait(id, for: targets, $0) }
        timer.cancel()
        return true
    }

    // MARK: Writing: what waits is written together

    struct QueuedFeedback {
        var rows: [FeedbackTable.Row]
        /// Nil where nobody waits.
        var continuation: CheckedContinuation<Result<[FeedbackTable.Written], Fault>, Never>?
    }

    private func enqueue(_ one: QueuedFeedback) {
        queue.append(one)
        if writing == nil { writing = Task { await writeQueue() } }
    }

    private func write(_ joined: [Joined]) async throws(Fault) -> [FeedbackResult] {
        let rows: [FeedbackTable.Row] = joined.compactMap { if case .row(let row) = $0 { row } else { nil } }
        var written: ArraySlice<FeedbackTable.Written> = []
        if !rows.isEmpty {
            guard queue.reduce(rows.count, { $0 + $1.rows.count }) <= OutcomeStore.queuedEventsMax else {
                throw OutcomeStore.busy()
            }
            let outcome = await withCheckedContinuation { continuation in
                enqueue(QueuedFeedback(rows: rows, continuation: continuation))
            }
            written = try outcome.get()[...]
        }
        return joined.map { joined in
            switch joined {
            case .not(let result): result
            case .row: written.popFirst()?.result ?? .duplicate
            }
        }
    }

    /// Writes what is queued, and what is queued meanwhile, one transaction at a time: sequences become known in order.
    private func writeQueue() async {
        defer { writing = nil }
        while !queue.isEmpty {
            let batch = queue
            queue = []
            let rows = batch.flatMap(\.rows)
            do throws(Fault) {
                var written = try await feedback.insert(rows)[...]
                for (row, one) in zip(rows, written) {
                    guard let kept = one.kept(of: row) else { continue }
                    tail.append(kept)
                    feedbackSequence = max(feedbackSequence, kept.sequence)
                }
                for one in batch {
                    let ours = Array(written.prefix(one.rows.count))
                    written = written.dropFirst(one.rows.count)
                    if let waiting = one.continuation {
                        waiting.resume(returning: .success(ours))
                    } else {
                        for row in ours { counts.results[row.result, default: 0] += 1 }
                    }
                }
                wakeWatchers()
                await pruneFeedback(at: rows.last?.at)
            } catch {
                for one in batch {
                    if let waiting = one.continuation {
                        waiting.resume(returning: .failure(error))
                    } else {
                        counts.heldLost += Int64(one.rows.count)
                        log.error(
                            "feedback that waited for its answer could not be written",
                            ["events": .integer(Int64(one.rows.count)), "why": .string(error.why)])
                    }
                }
            }
        }
    }

    /// About once a minute of feedback time.
    private func pruneFeedback(at now: Timestamp?) async {
        guard let now, lastPruned.map({ now - $0 >= .seconds(60) }) ?? true else { return }
        lastPruned = now
        do {
            try await feedback.prune(
                olderThan: now - settings.retention, rowsMax: settings.feedbackRowsMax, newest: feedbackSequence)
        } catch {
            log.error("old feedback could not be removed", ["why": .string(error.why)])
        }
    }

    private static func tooMany(_ count: Int) -> Fault {
        Fault(
            .limitReached, what: "Too much feedback at once.",
            why: "\(count) events; at most \(feedbackEventsMax) go into one call.", fix: "Send it in parts.")
    }

    private static func busy() -> Fault {
        Fault(
            .limitReached, what: "The feedback was not taken.",
            why: "\(queuedEventsMax) events are waiting to be written already.", fix: "Send it again a little later.")
    }
}

extension Timestamp {
    static func - (moment: Timestamp, duration: Duration) -> Timestamp {
        Timestamp(milliseconds: moment.milliseconds - duration.milliseconds)
    }
}

extension FeedbackTable.Written {
    fileprivate var result: OutcomeStore.FeedbackResult {
        switch self {
        case .new: .joined
        case .replaced: .replaced
        case .duplicate: .duplicate
        }
    }
}
