internal import CCollectives

/// A connection that this rank asks for: begun, proven, welcomed; begun again while nobody listens there yet.
struct Dial {
    let place: Int
    let member: Member
    let greeting: Greeting
    let secret: [UInt8]
    private var stage: Stage

    private enum Stage {
        case waiting(until: Int64)
        case connecting(Wire)
        case challenge(Wire)
        case verdict(Wire)
    }

    private static let pause: Int64 = 20_000_000

    init(place: Int, member: Member, greeting: Greeting, secret: [UInt8]) {
        (self.place, self.member, self.greeting, self.secret) = (place, member, greeting, secret)
        stage = .waiting(until: 0)
    }

    private var wire: Wire? {
        switch stage {
        case .waiting: nil
        case .connecting(let wire), .challenge(let wire), .verdict(let wire): wire
        }
    }

    /// The descriptor to look at, and whether for writing; nil while it only waits.
    var interest: (descriptor: Int32, writing: Bool)? {
        guard let wire else { return nil }
        if case .connecting = stage { return (wire.descriptor, true) }
        return (wire.descriptor, false)
    }

    var isProven: Bool { if case .verdict = stage { true } else { false } }

    func close() { wire?.close() }

    /// Begins, when it is time.
    mutating func begin(at now: Int64) throws(CollectiveFailure) {
        guard case .waiting(let until) = stage, until <= now else { return }
        var failure = claw_failure()
        let descriptor = unsafe claw_connect(member.address.host, member.address.port, &failure)
        stage = descriptor >= 0 ? .connecting(Wire(descriptor: descriptor)) : .waiting(until: now + Dial.pause)
    }

    private mutating func beginAgain() {
        close()
        stage = .waiting(until: Stopwatch.now + Dial.pause)
    }

    /// The connection, once the peer said welcome.
    mutating func advance() throws(CollectiveFailure) -> Wire? {
        switch stage {
        case .waiting: break
        case .connecting(let wire):
            if claw_connect_error(wire.descriptor) == 0, wire.write(greeting.bytes) {
                claw_tune(wire.descriptor)
                stage = .challenge(wire)
            } else {
                beginAgain()
            }
        case .challenge(var wire):
            switch wire.read(48) {
            case .partial: stage = .challenge(wire)
            case .ended: beginAgain()
            case .whole(let bytes):
                let nonce = Array(bytes.prefix(16))
                guard Proof.matches(Array(bytes.dropFirst(16)), Proof.ofListener(greeting, nonce: nonce, secret: secret)) else {
                    throw refused("who listens at \(member.address.text) does not hold this job's secret")
                }
                stage = .verdict(wire)
                if !wire.write(Proof.ofComer(greeting, nonce: nonce, secret: secret)) { beginAgain() }
            }
        case .verdict(var wire):
            switch wire.read(Verdict.count) {
            case .partial: stage = .verdict(wire)
            case .ended: beginAgain()
            case .whole(let bytes): return try judged(Verdict(bytes), wire)
            }
        }
        return nil
    }

    private func refused(_ text: String) -> CollectiveFailure { CollectiveFailure(.refused, slot: member.slot, text) }

    private func judged(_ verdict: Verdict, _ wire: Wire) throws(CollectiveFailure) -> Wire {
        let slot = member.slot
        switch CollectiveFailure.Reason(rawValue: verdict.code) {
        case nil where verdict.code == 0: return wire
        case .staleEpoch:
            throw CollectiveFailure(
                .staleEpoch, slot: slot, epoch: verdict.epoch,
                "epoch \(greeting.epoch) is over: slot \(slot) is in epoch \(verdict.epoch)")
        case .mismatch:
            throw CollectiveFailure(
                .mismatch, slot: slot, "slot \(slot) was told of other members in epoch \(verdict.epoch)")
        case .limitReached: throw CollectiveFailure(.limitReached, slot: slot, "too many wait at slot \(slot)")
        default: throw refused("slot \(slot) does not let this rank in: it does not hold the same secret")
        }
    }
}
