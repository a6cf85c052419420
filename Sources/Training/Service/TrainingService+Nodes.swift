import Conducting
import Faults
import JSON
import Telemetry
import Worker

/// Nodes that come and go: only engines of other machines have them.
extension TrainingService {
    /// How often the engine's world is looked at.
    private static let lookEvery = Duration.seconds(3)
    /// A Worker's heartbeat comes every second. So long without one, and its node counts as lost: sooner where the engine does
    /// not see the node well either.
    private static let silenceMax = Duration.seconds(30)
    private static let silenceOnDoubtfulNodesMax = Duration.seconds(10)
    /// How long a Worker has for its first word after it was started.
    private static let arrivalMax = Duration.seconds(90)
    /// A node whose Workers fell silent, and which the engine saw nothing wrong with, is not used again before so long. One that
    /// the engine did not see well is back as soon as it does.
    private static let quarantine = Duration.seconds(60)

    static func keepLooking(_ service: TrainingService?) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: lookEvery)
            guard !Task.isCancelled, let service else { return }
            await service.lookAround()
        }
    }

    private func lookAround() async {
        await engine.look()
        await giveBack()
        let version = queue.version
        await loseNodes()
        refreshNodes()
        if queue.version != version { considerSoon() }
    }

    /// Lets the engine give back what no run holds.
    func giveBack() async {
        await engine.settle { [weak self] in
            guard let self else { return [] }
            return await self.conductors.machines().filter(\.state.isSeated).map(EngineRun.init)
        }
    }

    // MARK: Losing

    /// Why a node counts as lost; nil where it does not.
    func loss(of node: String) -> String? {
        if let loss = queue.lost[node] { return loss.why }
        guard let seen = engine.nodes(holding: []).first(where: { $0.name == node }), seen.health == .lost else { return nil }
        return Self.loss(of: node, "\(engine.name) says \(seen.remark ?? "down")")
    }

    private static func loss(of node: String, _ why: String) -> String { "node \(node) lost: \(why)" }

    private func loseNodes() async {
        let seen = Dictionary(engine.nodes(holding: []).map { ($0.name, $0.health) }) { first, _ in first }
        let now = Timestamp.now()
        queue.lost = queue.lost.filter { node, loss in
            seen[node] != .ready || (!loss.wasDoubtful && now - loss.at < Self.quarantine)
        }
        var byNode: [String: [(machine: JobMachine, slot: Int)]] = [:]
        for machine in await conductors.machines().filter(\.state.isSeated) {
            for (slot, rank) in machine.ranks.enumerated() where rank.handle != nil && !rank.isGone {
                byNode[rank.seat.node, default: []].append((machine, slot))
            }
        }
        for (node, ranks) in byNode.sorted(by: { $0.key < $1.key }) {
            let silent = await silent(ranks, isDoubtful: seen[node] != .ready)
            var why = seen[node] == .lost ? loss(of: node) : nil
            if why == nil, silent.count == ranks.count, silent.allSatisfy(\.hasCome) {
                why = Self.loss(of: node, "nothing was heard of its Workers for \(silent.map(\.seconds).min() ?? 0) s")
            }
            if let why {
                queue.lost[node] = .init(why: why, at: now, wasDoubtful: seen[node] != .ready)
                log.warning("a node is lost", ["node": .string(node), "why": .string(why)])
                for rank in ranks { await lose(rank.machine.key(rank.slot), RankDeath(.nodeLost, detail: why), of: rank.machine) }
            } else {
                for rank in silent { await lose(rank.key, RankDeath(.workerLost, detail: rank.why), of: rank.machine) }
            }
        }
    }

    private struct Silent {
        let machine: JobMachine
        let key: RankKey
        let hasCome: Bool
        let seconds: Int
        let address: String
        var why: String {
            hasCome
                ? "nothing was heard of its Worker for \(seconds) s"
                : "its Worker never reached the daemon at \(address) (openclaw serve --workers)"
        }
    }

    private func silent(_ ranks: [(machine: JobMachine, slot: Int)], isDoubtful: Bool) async -> [Silent] {
        var silent: [Silent] = []
        for (machine, slot) in ranks {
            let key = machine.key(slot)
            guard let (silence, hasCome) = await theDesk().silence(of: key) else { continue }
            let limit = !hasCome ? Self.arrivalMax : isDoubtful ? Self.silenceOnDoubtfulNodesMax : Self.silenceMax
            guard silence > limit else { continue }
            let seconds = Int(silence / .seconds(1))
            silent.append(
                Silent(machine: machine, key: key, hasCome: hasCome, seconds: seconds, address: await theDesk().address))
        }
        return silent
    }

    /// The rank is dead for its job from now on. A Worker that lives on after all is sent away when it comes again.
    func lose(_ key: RankKey, _ death: RankDeath, of machine: JobMachine) async {
        let handle = machine.ranks[key.slot].handle
        await theDesk().forget(job: key.job, attempt: key.attempt, run: key.run, slot: key.slot, life: key.life)
        try? await conductors[key.job]?.tell(died(key, death, machine), by: "engine")
        let mark = mark(of: key)
        Task { await engine.kill(handle, mark: mark) }
    }

    // MARK: Another node

    /// A replacement starts where the dead rank was; where that node takes no work, on another. Where none has room it waits.
    func reseated(_ slot: Int, _ life: Int, _ machine: JobMachine) async throws(Fault) -> JobMachine {
        while true {
            guard let now = await conductors[machine.name]?.machine, now.attempt == machine.attempt, now.run == machine.run,
                now.state == .running || now.state == .starting, now.ranks.indices.contains(slot), now.ranks[slot].life == life,
                !Task.isCancelled
            else {
                throw Fault(
                    .conflict, what: "Rank \(slot) of \(machine.name) was not replaced.", why: "The job is being stopped.",
                    fix: "Nothing needs to be done.")
            }
            refreshNodes()
            let node = queue.nodes.first { $0.name == now.ranks[slot].seat.node }
            if node?.health == .ready {
                queue.replacing[now.key(slot)] = nil
                return now
            }
            if let seat = await seat(forOneOf: now), let port = engine.ports(on: [seat.node])?.first {
                let seat = JobMachine.Seat(
                    node: seat.node, devices: seat.devices, resource: seat.resource, host: engine.host(of: seat.node), port: port)
                try await conductors[machine.name]?.tell(.reseated(slot: slot, life: life, seat: seat), by: "scheduler")
                continue
            }
            // A node that is being emptied still holds what the run has there.
            if node?.health == .draining { return now }
            queue.replacing[now.key(slot)] = "rank \(slot) waits for a node with room: \(now.spec.demand.text)"
            try? await Task.sleep(for: .seconds(1))
        }
    }

    private func seat(forOneOf machine: JobMachine) async -> QueueSnapshot.SeatGiven? {
        let machines = await conductors.machines().filter(\.state.isSeated)
        let snapshot = QueueSnapshot(
            machines: machines, nodes: queue.nodes, version: queue.version, policy: policies.current, now: .now())
        return snapshot.seat(forOneOf: machine)
    }

    /// What keeps ranks of a running job from starting.
    func hindrance(of machine: JobMachine) -> String? {
        guard machine.state.isSeated, machine.ranks.contains(where: { $0.state == .starting }) else { return nil }
        let waiting = machine.ranks.indices.compactMap { queue.replacing[machine.key($0)] }
        return waiting.first ?? engine.hindrance(of: EngineRun(machine))
    }
}
