import Conducting
import Faults
import JSON
import Telemetry

/// Other numbers of ranks for jobs that run: while they train where their scripts and the engine can, else at a checkpoint.
extension TrainingService {
    /// What keeps a running job's ranks from coming and going while it trains; empty where nothing does.
    func whyFixed(_ machine: JobMachine) -> [String] {
        if engine.isRemote { return ["an allocation of \(engine.name)'s is given and given back whole"] }
        guard machine.state == .running, machine.epoch > 0 else { return ["its ranks have not met"] }
        let board = boards[machine.name]
        var reasons: [String] = []
        for slot in machine.ranks.indices where machine.ranks[slot].stays {
            let rank = board?.ranks[slot]
            if rank?.scales == true { continue }
            for why in rank?.whyFixed ?? ["its script does not use the adapter"] where !reasons.contains(why) {
                reasons.append(why.isEmpty ? "its script does not use the adapter" : why)
            }
            if rank?.whyFixed?.isEmpty == true { reasons.append("its script has not said that it can") }
        }
        return reasons
    }

    func scalesLive(_ machine: JobMachine) -> Bool { whyFixed(machine).isEmpty }

    /// What the scheduler decided, and what people asked for.
    func change(_ decision: QueueSnapshot.Decision, _ snapshot: QueueSnapshot) async {
        let isMade = snapshot.isRoomMade(by: decision.resizes)
        for resize in decision.resizes {
            await change(resize, snapshot, elsewhere: isMade ? nil : "the ranks that would leave are not where the room is needed")
        }
        // Room that something else was given in this pass is not given twice.
        guard decision.starts.isEmpty, decision.resizes.isEmpty, decision.preemptions.isEmpty else { return }
        for machine in snapshot.machines {
            guard let asked = machine.ranksAsked, machine.state == .running, asked != machine.world, !machine.isChanging else {
                continue
            }
            // Its script will say in a moment whether it can.
            if whyFixed(machine) == [Self.hasNotStepped] { continue }
            let why = "asked for: \(machine.world) ranks to \(asked)"
            let resize = QueueSnapshot.Resize(job: machine.name, ranks: asked, why: why)
            if await change(resize, snapshot, elsewhere: nil) { return considerSoon() }
        }
    }

    /// What the adapter says of a script before it knows (adapters/python/openclaw/pytorch/patches.py).
    static let hasNotStepped = "it has not taken a step yet"

    /// False where nothing was begun.
    @discardableResult
    private func change(_ resize: QueueSnapshot.Resize, _ snapshot: QueueSnapshot, elsewhere: String?) async -> Bool {
        guard let conductor = conductors[resize.job], let machine = await conductor.machine, !machine.isChanging else {
            return false
        }
        guard queue.version == snapshot.version else {
            considerSoon()  // the nodes have changed meanwhile
            return false
        }
        var why = whyFixed(machine) + [elsewhere].compactMap { $0 }
        // One that takes a dead one's place is there soon.
        if why.isEmpty, !machine.ranks.allSatisfy({ $0.state == .up && $0.hasMet }) { return false }
        if why.isEmpty {
            let given = snapshot.seats(forMore: resize.ranks - machine.world, of: machine)
            if given.count == max(0, resize.ranks - machine.world) {
                let ports = engine.ports(on: given.map(\.node)) ?? []
                if ports.count == given.count, await begin(resize, given, ports, conductor) { return true }
                why = ["its ranks are not all there"]
            } else {
                why = ["beside its ranks there is room for \(given.count) more only"]
            }
        }
        // Stopped for nothing, it would wait for a room that there is not.
        if machine.ranksAsked == resize.ranks, resize.ranks > machine.world, !snapshot.holds(resize.ranks, of: machine) {
            return false
        }
        let text = "\(resize.why), at a checkpoint: \(why.joined(separator: "; "))"
        do throws(Fault) {
            try await conductor.tell(.resized(ranks: resize.ranks, why: text), by: "scheduler")
            return true
        } catch {
            return false
        }
    }

    private func begin(
        _ resize: QueueSnapshot.Resize, _ given: [QueueSnapshot.SeatGiven], _ ports: [Int], _ conductor: Conductor<JobMachine>
    ) async -> Bool {
        let seats = zip(given, ports).map { seat, port in
            JobMachine.Seat(
                node: seat.node, devices: seat.devices, resource: seat.resource, host: engine.host(of: seat.node), port: port)
        }
        do throws(Fault) {
            try await conductor.tell(.changing(ranks: resize.ranks, seats: seats, why: resize.why), by: "scheduler")
            return true
        } catch {
            log.info("ranks do not change while they train", ["job": .string(resize.job), "why": .string(error.why)])
            return false
        }
    }
}
