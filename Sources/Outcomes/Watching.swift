public import Faults
import JSON
public import Routing
public import Telemetry

extension OutcomeStore {
    /// Slots that are walked in one go: others have their turn in between.
    static let slotsPerWalk: Int64 = 65_536

    /// Observations of one route after `cursor`, at most `limit`, and where the next read begins. Exposures come in the order
    /// they were recorded, scores in the order they became durable; how the two interleave means nothing. Fewer than `limit`
    /// means that this was all there is now.
    public func observations(of route: RouteID, after cursor: Cursor, limit: Int) async throws(Fault) -> (
        observations: [Observation], next: Cursor
    ) {
        guard !isClosed else { throw closedFault() }
        var next = cursor
        var found: [Observation] = []
        // A quarter is kept for scores, so that a flood of exposures cannot hide them.
        try await readExposures(of: route, from: &next.exposureSequence, limit: max(1, limit - limit / 4), into: &found)
        let upTo = feedbackSequence
        let room = limit - found.count
        if next.feedbackSequence < upTo, room > 0 {
            let rows = try await scores(of: route, after: next.feedbackSequence, upTo: upTo, limit: room)
            next.feedbackSequence = rows.count == room ? rows.last?.sequence ?? upTo : upTo
            found += rows.map { .scored($0.score) }
        }
        try await readExposures(of: route, from: &next.exposureSequence, limit: limit, into: &found)
        return (found, next)
    }

    private func readExposures(of route: RouteID, from slot: inout Int64, limit: Int, into found: inout [Observation])
        async throws(Fault)
    {
        var contexts = ContextReader()
        while found.count < limit {
            if slot < exposures.firstSlot {
                counts.skippedByWatchers += exposures.firstSlot - slot
                log.warning("a watcher came too late for removed exposures", ["route": .integer(Int64(route.number))])
                slot = exposures.firstSlot
            }
            slot = exposures.occupied(from: slot)
            let end = min(exposures.endSlot, slot + OutcomeStore.slotsPerWalk)
            guard slot < end else { return }
            slot = try exposures.scan(from: slot, to: end, withUsage: true) { _, record in
                guard record.route == route else { return true }
                if let exposure = record.exposure {
                    found.append(.answered(exposure))
                } else if let usage = record.usage {
                    found.append(.used(usage))
                } else if record.isContext, let context = contexts.take(record) {
                    found.append(.context(context))
                }
                return found.count < limit
            }
            if end < exposures.endSlot { await Task.yield() }
        }
    }

    private func scores(of route: RouteID, after: Int64, upTo: Int64, limit: Int) async throws(Fault) -> [FeedbackTable.Kept] {
        if let rows = tail.rows(of: route, after: after, limit: limit) { return rows }
        return try await feedback.rows(of: route, after: after, upTo: upTo, limit: limit)
    }

    /// What somebody spent on models: a route, or some of its variants, from a moment on.
    public struct Spending: Sendable {
        public var route: RouteID
        /// Nil for all of the route's.
        public var variants: Set<VariantID>?
        public var since: Timestamp
        public init(route: RouteID, variants: Set<VariantID>? = nil, since: Timestamp) {
            (self.route, self.variants, self.since) = (route, variants, since)
        }
    }

    /// Billionths of a dollar, in the order asked: one walk over what is kept.
    public func spending(on asked: [Spending]) async throws(Fault) -> [Int64] {
        var spent = [Int64](repeating: 0, count: asked.count)
        var slot = exposures.firstSlot
        while slot < exposures.endSlot {
            let end = min(exposures.endSlot, slot + OutcomeStore.slotsPerWalk)
            slot = try exposures.scan(from: slot, to: end, withUsage: true) { _, record in
                guard let usage = record.usage else { return true }
                for (index, one) in asked.enumerated()
                where one.route == usage.route && usage.at >= one.since && one.variants?.contains(usage.variant) != false {
                    spent[index] += usage.costNanoUSD
                }
                return true
            }
            slot = exposures.occupied(from: slot)
            await Task.yield()
        }
        return spent
    }

    /// Returns when something newer than `cursor` is there, or at the deadline, or when the task is cancelled.
    public func waitForNews(after cursor: Cursor, deadline: Duration) async {
        guard !isClosed, self.cursor().exposureSequence <= cursor.exposureSequence, feedbackSequence <= cursor.feedbackSequence,
            deadline > .zero, !Task.isCancelled
        else { return }
        nextWaiter += 1
        let id = nextWaiter
        let timer = Task {
            try? await Task.sleep(for: deadline)
            wakeWatcher(id)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { watchers[id] = $0 }
        } onCancel: {
            timer.cancel()  // which wakes it
        }
        timer.cancel()
    }

    func wakeWatchers() {
        let waiting = watchers
        watchers = [:]
        for continuation in waiting.values { continuation.resume() }
    }

    private func wakeWatcher(_ id: Int) { watchers.removeValue(forKey: id)?.resume() }
}
