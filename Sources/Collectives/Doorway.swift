internal import CCollectives
import Synchronization

/// The thread that lets peers in, and hears what they say beside the operations: a death is noticed here, not by who waits.
@safe final class Doorway: @unchecked Sendable {  // `state` guards what the thread and others share; the rest is the thread's own
    /// A peer that proved itself and is welcome in the epoch that is being built.
    struct Arrival {
        var slot: Int32
        var purpose: Greeting.Purpose
        var epoch: UInt64
        var membership: [UInt8]
        var wire: Wire
    }

    private struct State {
        /// The latest epoch that this rank was told of. Who comes for an earlier one is stale.
        var epoch: UInt64 = 0
        /// The membership that is being built.
        var expected: [UInt8]?
        var arrivals: [Arrival] = []
        var live: Mesh?
        /// Counts changes of `live`, and those that the thread has seen.
        var changes = 0
        var seen = 0
        var isClosing = false
    }

    static let strangersMax = 64
    static let parkedMax = 2 * Membership.membersMax
    /// In which a stranger has to have proved itself.
    static let patienceSeconds = 5.0

    let slot: Int32
    let secret: [UInt8]
    /// Readable when somebody arrived.
    let arrived: Int32
    private let listener: Int32
    private let wake: Int32
    private let bell: UnsafeMutablePointer<claw_bell>
    private let state = Mutex(State())

    // The thread's own.
    private var strangers: [Stranger] = []
    private var parked: [Arrival] = []
    private var live: Mesh?
    private var hearing: [Int: Wire] = [:]

    init(slot: Int32, listener: Int32, secret: [UInt8]) throws(CollectiveFailure) {
        (self.slot, self.listener, self.secret) = (slot, listener, secret)
        (wake, arrived) = (claw_wake_descriptor(), claw_wake_descriptor())
        unsafe bell = .allocate(capacity: 1)
        unsafe bell.initialize(to: claw_bell(word: 0))
        if wake < 0 || arrived < 0 { throw CollectiveFailure(.failed, "too many files are open") }
    }

    deinit {
        for descriptor in [listener, wake, arrived] { claw_close(descriptor) }
        unsafe bell.deallocate()
    }

    // MARK: what others ask of it

    /// From now on who comes for this membership is let in, and who comes for an earlier epoch is told so.
    func expect(_ epoch: UInt64, membership: [UInt8]) {
        state.withLock { state in
            for arrival in state.arrivals { arrival.wire.close() }
            (state.epoch, state.expected, state.arrivals) = (epoch, membership, [])
        }
        claw_wake(wake)
    }

    /// Lets nobody in any more until the next membership. Answers who came and was not taken.
    func expectNobody() -> [Arrival] {
        state.withLock { $0.expected = nil }
        return takeArrivals()
    }

    func takeArrivals() -> [Arrival] {
        claw_calm(arrived)
        return state.withLock { state in
            defer { state.arrivals = [] }
            return state.arrivals
        }
    }

    /// Hears the members of this mesh, or nobody. Returns when the thread hears nobody of the one before.
    func hear(_ mesh: Mesh?) {
        let change = state.withLock { state in
            if mesh != nil { state.expected = nil }
            state.live = mesh
            state.changes += 1
            return state.changes
        }
        claw_wake(wake)
        while true {
            let bell = unsafe claw_bell_value(bell)
            if state.withLock({ $0.seen >= change || $0.isClosing }) { return }
            unsafe claw_bell_wait(self.bell, bell, 100_000_000)
        }
    }

    func close() {
        state.withLock { $0.isClosing = true }
        claw_wake(wake)
    }

    // MARK: the thread

    func run() {
        while listen() {}
        for stranger in strangers { stranger.wire.close() }
        for arrival in parked { arrival.wire.close() }
        state.withLock { state in
            for arrival in state.arrivals { arrival.wire.close() }
            state.arrivals = []
        }
    }

    private func listen() -> Bool {
        let isClosing = state.withLock { state in
            if state.seen != state.changes {
                live = state.live
                hearing = (live?.controls ?? [:]).mapValues { Wire(descriptor: $0) }
                state.seen = state.changes
            }
            return state.isClosing
        }
        unsafe claw_bell_ring(bell)
        if isClosing { return false }
        settleParked()

        var readiness = Readiness()
        let woken = readiness.add(wake)
        let knocked = strangers.count < Doorway.strangersMax ? readiness.add(listener) : nil
        let speaking = strangers.map { readiness.add($0.wire.descriptor) }
        let places = hearing.keys.sorted()
        let heard = places.map { readiness.add(hearing[$0]?.descriptor ?? -1) }
        readiness.wait(milliseconds: strangers.isEmpty ? -1 : 200)

        if readiness.isReady(woken) { claw_calm(wake) }
        for (index, place) in zip(heard, places) where readiness.isReady(index) { hear(from: place) }
        let now = Stopwatch.now
        var left: [Stranger] = []
        for (index, stranger) in zip(speaking, strangers) {
            var stranger = stranger
            if readiness.isReady(index), !advance(&stranger) { continue }
            if stranger.deadline < now { stranger.wire.close() } else { left.append(stranger) }
        }
        strangers = left
        if let knocked, readiness.isReady(knocked) { accept() }
        return true
    }

    // MARK: members

    private func hear(from place: Int) {
        guard let mesh = live, var wire = hearing[place] else { return }
        let slot = mesh.membership.members[place].slot
        while true {
            switch wire.read(ControlMessage.count) {
            case .partial:
                hearing[place] = wire
                return
            case .ended:
                hearing[place] = nil
                mesh.fail(CollectiveFailure(.peerDead, slot: slot, "slot \(slot) is dead: its connection ended"), tells: true)
                return
            case .whole(let bytes):
                guard let message = ControlMessage(bytes) else {
                    hearing[place] = nil
                    mesh.fail(CollectiveFailure(.corrupted, slot: slot, "slot \(slot) sent what is no message"), tells: true)
                    return
                }
                if message.kind == .goodbye {
                    hearing[place] = nil
                    mesh.left(place)
                    return
                }
                if let failure = message.failure(from: slot) { mesh.fail(failure, tells: false) }
            }
        }
    }

    // MARK: strangers

    private struct Stranger {
        var wire: Wire
        var deadline: Int64
        var greeting: Greeting?
        var nonce: [UInt8] = []
    }

    private func accept() {
        while strangers.count < Doorway.strangersMax {
            let descriptor = claw_accept(listener)
            if descriptor < 0 { return }
            claw_tune(descriptor)
            let deadline = Stopwatch.now + Int64(Doorway.patienceSeconds * 1e9)
            strangers.append(Stranger(wire: Wire(descriptor: descriptor), deadline: deadline))
        }
    }

    /// False when it is no stranger any more: let in, parked, or sent away.
    private func advance(_ stranger: inout Stranger) -> Bool {
        guard let greeting = stranger.greeting else {
            switch stranger.wire.read(Greeting.count) {
            case .partial: return true
            case .ended: break
            case .whole(let bytes):
                guard let greeting = Greeting(bytes), greeting.to == slot, let nonce = try? Proof.random(16) else { break }
                let proof = Proof.ofListener(greeting, nonce: nonce, secret: secret)
                (stranger.greeting, stranger.nonce) = (greeting, nonce)
                if stranger.wire.write(nonce + proof) { return advance(&stranger) }
            }
            stranger.wire.close()
            return false
        }
        switch stranger.wire.read(32) {
        case .partial: return true
        case .ended: stranger.wire.close()
        case .whole(let proof):
            if Proof.matches(proof, Proof.ofComer(greeting, nonce: stranger.nonce, secret: secret)) {
                settle(
                    Arrival(
                        slot: greeting.from, purpose: greeting.purpose, epoch: greeting.epoch, membership: greeting.membership,
                        wire: stranger.wire))
            } else {
                send(.refused, away: stranger.wire, epoch: 0)
            }
        }
        return false
    }

    private func send(_ reason: CollectiveFailure.Reason, away wire: Wire, epoch: UInt64) {
        _ = wire.write(Verdict(code: reason.rawValue, epoch: epoch).bytes)
        wire.close()
    }

    private func settle(_ arrival: Arrival) {
        enum Place {
            case welcome
            case stale(UInt64)
            case otherwise(UInt64)
            case early
        }
        let place = state.withLock { state -> Place in
            if arrival.epoch < state.epoch { return .stale(state.epoch) }
            guard arrival.epoch == state.epoch, let expected = state.expected else { return .early }
            if expected != arrival.membership { return .otherwise(state.epoch) }
            // Before anybody else can write to it.
            if arrival.wire.write(Verdict.welcome.bytes) { state.arrivals.append(arrival) } else { arrival.wire.close() }
            return .welcome
        }
        switch place {
        case .welcome: claw_wake(arrived)
        case .stale(let epoch): send(.staleEpoch, away: arrival.wire, epoch: epoch)
        case .otherwise(let epoch): send(.mismatch, away: arrival.wire, epoch: epoch)
        case .early where parked.count < Doorway.parkedMax: parked.append(arrival)
        case .early: send(.limitReached, away: arrival.wire, epoch: 0)
        }
    }

    /// Who came before this rank was told of the epoch waits here.
    private func settleParked() {
        let waiting = parked
        parked = []
        for var arrival in waiting {
            // It has nothing to say before it is let in: what can be read is its end.
            if arrival.wire.read(1) == .partial { settle(arrival) } else { arrival.wire.close() }
        }
    }
}
