import Conducting
import Faults
import Glibc
import Ledger
import Outcomes
import Routing
import Statistics
import Synchronization
import Telemetry

@testable import Releases

/// The world a simulated conductor acts on: a clock that moves when it is told to, traffic that follows the split, and a
/// provider that keeps account of every effect by its key. It outlives the conductor's deaths, as the real one does.
final class SimulatedWorld: Sendable {
    struct Sleeper {
        var at: Timestamp
        var wake: CheckedContinuation<Void, Never>
    }

    struct State {
        var now = Timestamp(milliseconds: 1_800_000_000_000)
        var random: SplitMix64
        /// How often each key was performed, and what it answered.
        var performed: [String: Int] = [:]
        var answers: [String: ReleaseMachine.Event] = [:]
        var effects: [ReleaseMachine.Effect] = []
        var owner: String?
        /// The candidate's share in basis points.
        var share = 0
        var table: Int64 = 1
        var stable = "v11"
        var candidateRuns = false
        var previousRuns = true
        var observations: [Observation] = []
        var sleepers: [Sleeper] = []
        /// A life is over: nobody waits for a moment that does not come.
        var isClosed = false
        var waiters: [Sleeper] = []
        var sequence: UInt64 = 0
    }

    let state: Mutex<State>
    /// Whether the candidate answers with errors.
    let isBad: Bool

    init(seed: UInt64, isBad: Bool) {
        state = Mutex(State(random: SplitMix64(seed: seed)))
        self.isBad = isBad
    }

    /// What a release leaves behind: equal at the end, however often the conductor died.
    struct Outcome: Equatable {
        var state: String
        var cause: Ending.Cause?
        var share: Int
        var stable: String
        var owner: String?
        var candidateRuns: Bool
        var previousRuns: Bool
    }

    // MARK: Time and traffic

    /// A tenth of a second passes: users ask, and whoever waited for this moment goes on.
    func tick() {
        let woken: [Sleeper] = state.withLock { state in
            state.now.milliseconds += 100
            for _ in 0..<20 { ask(&state) }
            let due = state.sleepers.filter { $0.at <= state.now }
            state.sleepers.removeAll { $0.at <= state.now }
            let told = state.waiters
            state.waiters.removeAll()
            return due + told
        }
        for sleeper in woken { sleeper.wake.resume() }
    }

    private func ask(_ state: inout State) {
        state.sequence += 1
        let toCandidate = state.random.next() % 10_000 < UInt64(state.share)
        let isError = toCandidate && isBad && state.random.next() % 2 == 0
        let exposure = Exposure(
            request: RequestID(instance: 1, loop: 0, sequence: state.sequence, nonce: 0), route: RouteID(1),
            variant: VariantID(toCandidate ? 1 : 0), kind: isError ? .upstreamError : .success, status: isError ? 500 : 200,
            propensity: UInt16(toCandidate ? state.share : 10_000 - state.share), unit: state.random.next(),
            tablePosition: state.table, at: state.now, latencyMicroseconds: 1_000, bytesIn: 1, bytesOut: 1)
        state.observations.append(.answered(exposure))
    }

    func wakeAll() {
        let all = state.withLock { state in
            defer { (state.sleepers, state.waiters) = ([], []) }
            state.isClosed = true
            return state.sleepers + state.waiters
        }
        for sleeper in all { sleeper.wake.resume() }
    }

    // MARK: Effects

    func handlers(boundaries: Boundaries) -> ReleaseHandlers {
        state.withLock { $0.isClosed = false }
        return ReleaseHandlers(
            perform: { [self] call in state.withLock { perform(call, &$0) } },
            query: { [self] call in state.withLock { $0.answers[call.key].map { .done($0) } ?? .absent } },
            observations: { [self] _, cursor in
                state.withLock { state in
                    let end = min(state.observations.count, Int(cursor.exposureSequence) + ReleaseHandlers.observationsMax)
                    let slice = Array(state.observations[Int(cursor.exposureSequence)..<end])
                    return (slice, .init(exposureSequence: Int64(end), feedbackSequence: 0))
                }
            },
            waitForNews: { [self] cursor, _ in
                await withCheckedContinuation { wake in
                    let isLate = state.withLock { state in
                        if state.isClosed || Int(cursor.exposureSequence) < state.observations.count { return true }
                        state.waiters.append(Sleeper(at: state.now, wake: wake))
                        return false
                    }
                    if isLate { wake.resume() }
                }
            },
            serverEnd: { _ in nil }, now: { [self] in state.withLock { $0.now } },
            sleep: { [self] at in
                await withCheckedContinuation { wake in
                    let isLate = state.withLock { state in
                        if state.isClosed || at <= state.now { return true }
                        state.sleepers.append(Sleeper(at: at, wake: wake))
                        return false
                    }
                    if isLate { wake.resume() }
                }
            }, heard: { _, _ in }, boundaries: boundaries)
    }

    private func perform(_ call: ReleaseCall, _ state: inout State) -> ReleaseMachine.Event {
        state.performed[call.key, default: 0] += 1
        state.effects.append(call.intent.effect)
        let event = act(call, &state)
        state.answers[call.key] = event
        return event
    }

    private func act(_ call: ReleaseCall, _ state: inout State) -> ReleaseMachine.Event {
        switch call.intent.effect {
        case .claim:
            state.owner = call.release
            return .claimed(baseline: Baseline(shares: ["v11": 10_000], candidate: "v12", stable: "v11", previous: "v11"))
        case .build: return .built(report: BuildReport(digest: "sha256:1", reused: false, milliseconds: 1))
        case .start:
            state.candidateRuns = true
            return .serving(deployment: Deployment(url: "http://127.0.0.1:1", process: .init(id: 1, startTime: 1, port: 1)))
        case .smoke:
            return .smoked(
                report: SmokeReport(requests: 1, cases: 0, regressions: [], improvements: 0, slowestMilliseconds: 1, trouble: nil))
        case .watch:
            let cursor = OutcomeStore.Cursor(exposureSequence: Int64(state.observations.count), feedbackSequence: 0)
            return .watching(
                watch: Watch(route: RouteID(1), candidate: VariantID(1), stable: VariantID(0), cursor: cursor, since: state.now))
        case .route(let share):
            state.table += 1
            state.share = share
            return .routed(share: share, table: state.table)
        case .crown:
            state.stable = "v12"
            return .crowned
        case .uncrown:
            state.stable = "v11"
            return .uncrowned
        case .leave:
            state.owner = nil
            return .left
        case .stop:
            state.candidateRuns = false
            return .stopped
        case .retirePrevious:
            state.previousRuns = false
            return .previousRetired
        case .revivePrevious:
            state.previousRuns = true
            return .previousUp
        }
    }
}
