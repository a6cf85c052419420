import RPC
import Synchronization
import Telemetry

/// What is still to be told to the daemon. What must arrive stays until it is acknowledged; of the rest the newest counts.
final class ReportQueue: Sendable {
    /// Reports that must arrive and have not: past it the oldest checkpoint is left out.
    static let lastingMax = 1_024
    static let passingMax = 256
    /// Values of one report.
    static let loggedMax = 128

    private let state = Mutex(State())

    private struct State {
        var sequence: UInt64 = 0
        /// In order, from the first that is not acknowledged.
        var lasting: [Report] = []
        /// How many of `lasting` went out on this connection.
        var sent = 0
        /// Who the script is, told again on every connection.
        var standing: [Report] = []
        var passing: [Report] = []
        var heartbeat: Report?
        var progress: Report?
        var log: Report?
        var waiter: CheckedContinuation<Void, Never>?
        var isOpen = false
    }

    /// Must arrive: kept until it is acknowledged.
    func putLasting(_ report: Report) {
        put { state in
            state.sequence += 1
            var report = report
            (report.sequence, report.at) = (state.sequence, Timestamp.now().milliseconds)
            if state.lasting.count >= ReportQueue.lastingMax, let oldest = state.lasting.firstIndex(where: { $0.checkpoint != nil })
            {
                state.lasting.remove(at: oldest)
                if oldest < state.sent { state.sent -= 1 }
            }
            state.lasting.append(report)
        }
    }

    /// True of this rank from now on: told now, and again whenever the connection is a new one.
    func putStanding(_ report: Report) {
        put { state in
            var report = report
            report.at = Timestamp.now().milliseconds
            state.standing.removeAll { ReportQueue.isSameKind($0, report) }
            state.standing.append(report)
            if state.isOpen { state.passing.append(report) }
        }
    }

    /// May be lost.
    func put(_ report: Report) {
        put { state in
            var report = report
            report.at = Timestamp.now().milliseconds
            if report.heartbeat != nil {
                state.heartbeat = report
            } else if report.progress != nil {
                state.progress = report
            } else if report.log != nil {
                state.log = ReportQueue.joined(state.log, report)
            } else {
                if state.passing.count >= ReportQueue.passingMax { state.passing.removeFirst() }
                state.passing.append(report)
            }
        }
    }

    /// The newest value of each name: what was logged under other names a moment before is not forgotten for it.
    private static func joined(_ before: Report?, _ report: Report) -> Report {
        guard let older = before?.log?.values, let newer = report.log?.values else { return report }
        var report = report
        let kept = older.filter { one in !newer.contains { $0.name == one.name } }
        report.log?.values = Array((newer + kept).prefix(ReportQueue.loggedMax))
        return report
    }

    func acknowledge(_ sequence: UInt64) {
        put { state in
            let known = state.lasting.prefix { $0.sequence <= sequence }.count
            state.lasting.removeFirst(known)
            state.sent = max(0, state.sent - known)
        }
    }

    /// Nothing that must arrive is left.
    var isDelivered: Bool { state.withLock { $0.lasting.isEmpty } }

    /// A new connection: what was not acknowledged goes out again.
    func reopen(after acknowledged: UInt64) {
        acknowledge(acknowledged)
        put { state in
            (state.sent, state.isOpen) = (0, true)
            state.passing = state.standing
        }
    }

    func close() { put { $0.isOpen = false } }

    /// What to send now; waits until there is something, or until `close`. Empty when it was closed.
    func next() async -> [Report] {
        while !Task.isCancelled {
            let (isOpen, reports) = state.withLock { state in (state.isOpen, ReportQueue.take(&state)) }
            if !isOpen || !reports.isEmpty { return isOpen ? reports : [] }
            await withCheckedContinuation { waiter in
                let isLate = state.withLock { state in
                    if !state.isOpen || ReportQueue.hasNews(state) { return true }
                    state.waiter = waiter
                    return false
                }
                if isLate { waiter.resume() }
            }
        }
        return []
    }

    private static func hasNews(_ state: State) -> Bool {
        state.sent < state.lasting.count || !state.passing.isEmpty || state.heartbeat != nil || state.progress != nil
            || state.log != nil
    }

    private static func take(_ state: inout State) -> [Report] {
        guard state.isOpen else { return [] }
        // A rank that met its end says what it had to say before that.
        let reports =
            state.passing + [state.progress, state.log, state.heartbeat].compactMap(\.self) + state.lasting[state.sent...]
        (state.passing, state.progress, state.log, state.heartbeat) = ([], nil, nil, nil)
        state.sent = state.lasting.count
        return reports
    }

    private func put(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    private static func isSameKind(_ a: Report, _ b: Report) -> Bool {
        (a.hello != nil && b.hello != nil) || (a.mesh != nil && b.mesh != nil) || (a.joined != nil && b.joined != nil)
            || (a.output != nil && b.output != nil) || (a.samples != nil && b.samples != nil)
    }
}
