import Conducting
import Faults
import JSON
import Ledger
import Outcomes
import Routing
import Statistics
import Synchronization
import Telemetry

@testable import Experiments

/// The world a simulated experiment acts on: a clock that moves when it is told to, a route that knows fences, users who come
/// back, and feedback that comes late and is sometimes corrected. It outlives the conductor's deaths, as the real one does.
final class ExperimentWorld: Sendable {
    struct Sleeper {
        var at: Timestamp
        var wake: CheckedContinuation<Void, Never>
    }

    struct State {
        var now = Timestamp(milliseconds: 1_800_000_000_000)
        var random: SplitMix64
        /// Of the newest act: an older one changes nothing.
        var fence = Position.none
        var split: TrafficSplit?
        var base = "old"
        /// The variants that the route has.
        var present: Set<VariantID> = []
        var table: Int64 = 1
        /// How often each kind of act changed something.
        var changes: [String: Int] = [:]
        var faults: [String] = []
        /// The variant each unit saw last.
        var seen: [UInt64: UInt8] = [:]
        var changedUnits = 0
        var observations: [Observation] = []
        var coming: [(at: Timestamp, score: Score)] = []
        var kept: [String: [UInt8]] = [:]
        var sleepers: [Sleeper] = []
        /// A life is over: nobody waits for a moment that does not come.
        var isClosed = false
        var waiters: [Sleeper] = []
        var sequence: UInt64 = 0
    }

    let state: Mutex<State>
    /// The chance of a good answer by variant.
    let rates: [Double]
    /// Variants are numbered from 1, in the order they appeared.
    static func id(_ arm: Int) -> VariantID { VariantID(UInt8(arm + 1)) }
    static let users: UInt64 = 20_000
    static let floor = 500

    init(seed: UInt64, rates: [Double]) {
        state = Mutex(State(random: SplitMix64(seed: seed)))
        self.rates = rates
    }

    /// What an experiment leaves behind: equal at the end, however often the conductor died.
    struct Outcome: Equatable {
        var state: String
        var cause: ExperimentEnding.Cause?
        var base: String
        var isOnRoute: Bool
    }

    // MARK: Time and traffic

    /// A tenth of a second passes: users ask, say what they think of earlier answers, and whoever waited goes on.
    func tick() {
        let woken: [Sleeper] = state.withLock { state in
            state.now.milliseconds += 100
            for _ in 0..<40 { ask(&state) }
            let due = state.coming.filter { $0.at <= state.now }
            state.coming.removeAll { $0.at <= state.now }
            state.observations += due.map { .scored($0.score) }
            let slept = state.sleepers.filter { $0.at <= state.now }
            state.sleepers.removeAll { $0.at <= state.now }
            let told = state.waiters
            state.waiters.removeAll()
            return slept + told
        }
        for sleeper in woken { sleeper.wake.resume() }
    }

    private func ask(_ state: inout State) {
        state.sequence += 1
        let unit = UnitID("user-\(state.random.next() % Self.users)")
        guard let split = state.split else { return }
        let variant = split.variant(for: unit)
        if let last = state.seen[unit.hash], last != variant.number { state.changedUnits += 1 }
        state.seen[unit.hash] = variant.number
        let share = UInt16(split.shares[variant] ?? 0)
        let exposure = Exposure(
            request: RequestID(instance: 1, loop: 0, sequence: state.sequence, nonce: 0), route: RouteID(1), variant: variant,
            kind: .success, status: 200, propensity: share, unit: unit.hash, tablePosition: state.table, at: state.now,
            latencyMicroseconds: UInt32(1_000 + state.random.next() % 1_000), bytesIn: 1, bytesOut: 1)
        state.observations.append(.answered(exposure))
        let isGood = state.random.unit() < rates[Int(variant.number) - 1]
        var score = Score(
            request: exposure.request, route: exposure.route, variant: variant, unit: unit.hash, propensity: share,
            metric: "resolved", value: isGood ? 1 : 0, exposedAt: state.now,
            at: state.now + .milliseconds(Int64(state.random.next() % 500)))
        state.coming.append((score.at, score))
        guard state.random.next() % 20 == 0 else { return }
        // The user thinks better of it.
        (score.previous, score.value, score.at) = (score.value, 1 - score.value, score.at + .milliseconds(300))
        state.coming.append((score.at, score))
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

    func handlers(boundaries: Boundaries) -> ExperimentHandlers {
        state.withLock { $0.isClosed = false }
        return ExperimentHandlers(
            perform: { [self] (call) throws(Fault) in try state.withLock { (state) throws(Fault) in try perform(call, &state) } },
            observations: { [self] _, cursor in
                state.withLock { state in
                    let begin = Int(cursor.exposureSequence)
                    let end = min(state.observations.count, begin + ExperimentHandlers.observationsMax)
                    return (Array(state.observations[begin..<end]), .init(exposureSequence: Int64(end), feedbackSequence: 0))
                }
            },
            waitForNews: { [self] cursor, patience in
                await withCheckedContinuation { wake in
                    let isLate = state.withLock { state in
                        if state.isClosed || Int(cursor.exposureSequence) < state.observations.count { return true }
                        state.waiters.append(Sleeper(at: state.now + patience, wake: wake))
                        return false
                    }
                    if isLate { wake.resume() }
                }
            },
            keep: { [self] _, bytes in
                let digest = SHA256.digest(of: bytes).hex
                state.withLock { $0.kept[digest] = bytes }
                return digest
            }, kept: { [self] _, digest in state.withLock { $0.kept[digest] } }, now: { [self] in state.withLock { $0.now } },
            sleep: { [self] at in
                await withCheckedContinuation { wake in
                    let isLate = state.withLock { state in
                        if state.isClosed || at <= state.now { return true }
                        state.sleepers.append(Sleeper(at: at, wake: wake))
                        return false
                    }
                    if isLate { wake.resume() }
                }
            }, boundaries: boundaries)
    }

    /// As the route does it: what is older than the newest act, or was done already, changes nothing.
    private func perform(_ call: ExperimentCall, _ state: inout State) throws(Fault) -> ExperimentMachine.Event {
        let isOlder = call.fence < state.fence
        state.fence = max(state.fence, call.fence)
        switch call.intent.effect {
        case .attach:
            if state.split == nil, !isOlder {
                let shares = call.machine.plan.spec.variants.enumerated().map { (Self.id($0), $1.basisPoints) }
                state.present = Set(shares.map(\.0))
                state.split = TrafficSplit(route: call.experiment, shares: Dictionary(uniqueKeysWithValues: shares))
                changed(.attach, &state)
            }
            return .attached(
                layer: ExperimentLayer(route: RouteID(1), arms: call.machine.plan.spec.variants.indices.map(Self.id)),
                table: state.table)
        case .move(let shares):
            if let before = state.split, !isOlder { move(before, to: shares, call, &state) }
            return .moved(shares: shares, table: state.table)
        case .cover(let step):
            if !isOlder { changed(.cover, &state) }
            return .covered(step: step)
        case .put(let arm):
            if state.split != nil, !isOlder, state.present.insert(Self.id(arm)).inserted { changed(.put, &state) }
            return .joined(arm: arm, variant: Self.id(arm))
        case .retire(let arm):
            if let share = state.split?.shares[Self.id(arm)] { state.faults.append("arm \(arm) leaves with a share of \(share)") }
            if state.split != nil, !isOlder, state.present.remove(Self.id(arm)) != nil { changed(.retire, &state) }
            return .retired(arm: arm)
        case .override:
            if !isOlder { changed(.override, &state) }
            return .overridden
        case .detach:
            if state.split != nil, !isOlder {
                state.split = nil
                changed(.detach, &state)
            }
            return .detached
        case .settle(let variant):
            if let model = call.machine.plan.spec.variant(named: variant)?.version { return .gated(version: model) }
            if state.split != nil, !isOlder {
                (state.split, state.base) = (nil, variant)
                changed(.settle, &state)
            }
            return .settled(base: variant)
        case .release(let version):
            if state.split != nil { state.faults.append("the release has no route of its own") }
            state.base = version
            return .released(outcome: .init(name: version, isPromoted: true, text: "promoted"))
        }
    }

    private func changed(_ kind: ExperimentMachine.Effect.Kind, _ state: inout State) {
        state.changes[kind.rawValue, default: 0] += 1
        state.table += 1
    }

    /// Shares are lawful, and a move takes no more buckets with it than shares moved.
    private func move(_ before: TrafficSplit, to shares: [Int], _ call: ExperimentCall, _ state: inout State) {
        if shares.reduce(0, +) != 10_000 { state.faults.append("shares sum to \(shares.reduce(0, +))") }
        let (arms, floor) = (call.machine.arms, call.machine.plan.spec.allocation.strategy.isAdaptive ? Self.floor : 1)
        if shares.indices.contains(where: { !arms.all[$0].isRetired && shares[$0] > 0 && !state.present.contains(Self.id($0)) }) {
            state.faults.append("a share for a variant that is not there")
        }
        if let least = shares.indices.filter({ arms.live.contains($0) && shares.count == arms.count }).map({ shares[$0] }).min(),
            least < floor
        {
            state.faults.append("a share of \(least) is below the floor")
        }
        var after = before
        after.move(to: Dictionary(uniqueKeysWithValues: shares.enumerated().map { (Self.id($0), $1) }))
        let moved = zip(before.owners, after.owners).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
        let wanted = shares.enumerated().reduce(0) { $0 + abs($1.1 - (before.shares[Self.id($1.0)] ?? 0)) } / 2
        if moved != wanted { state.faults.append("\(moved) buckets moved where \(wanted) suffice") }
        guard before != after else { return }
        state.split = after
        changed(.move, &state)
    }
}
