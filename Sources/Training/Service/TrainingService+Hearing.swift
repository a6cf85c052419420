import Conducting
import Faults
import JSON
import Telemetry
import Worker

extension TrainingService {
    /// What a rank's Worker told. What must be recorded is, when this returns.
    func hear(_ report: Report, from key: RankKey) async {
        guard let conductor = conductors[key.job], let machine = await conductor.machine, machine.attempt == key.attempt,
            machine.run == key.run, machine.ranks.indices.contains(key.slot), machine.ranks[key.slot].life == key.life
        else { return }
        boards[key.job, default: JobBoard()].hear(report, from: key.slot)
        keepBoards()
        do throws(Fault) {
            if report.hello != nil || report.mesh != nil { try await hear(report, key, machine, conductor) }
            if report.hello?.scales == true, machine.ranksAsked.map({ $0 != machine.world }) == true { considerSoon() }
            if let joined = report.joined {
                try await conductor.tell(.joined(slot: key.slot, life: key.life, step: joined.step), by: "worker")
            }
            if let rescaled = report.rescaled {
                let event = JobMachine.Event.rescaled(
                    epoch: Int(clamping: rescaled.epoch), ranks: Int(rescaled.world), step: rescaled.step)
                try await conductor.tell(event, by: "worker")
            }
            if let checkpoint = report.checkpoint {
                try await conductor.tell(
                    .checkpointed(path: checkpoint.path, step: checkpoint.step, bytes: checkpoint.size), by: "worker")
            }
            if let ended = report.ended { try await conductor.tell(event(of: ended, key, machine), by: "worker") }
        } catch {
            log.warning(error.what, ["job": .string(key.job), "rank": .integer(Int64(key.slot)), "why": .string(error.why)])
        }
    }

    private func hear(_ report: Report, _ key: RankKey, _ machine: JobMachine, _ conductor: Conductor<JobMachine>)
        async throws(Fault)
    {
        var roll = rolls[machine.rollKey] ?? RunRoll()
        let before = roll.mesh(of: key.slot, life: key.life)
        roll.hear(report, slot: key.slot, life: key.life)
        rolls[machine.rollKey] = roll
        guard let mesh = report.mesh else { return }
        if machine.epoch == 0 {
            if roll.isComplete(for: machine) { try await conductor.tell(.formed, by: "worker") }
        } else if !machine.ranks[key.slot].hasMet || (before.map { $0.address != mesh.address } ?? false) {
            try await conductor.tell(.met(slot: key.slot, life: key.life), by: "worker")
        } else if unpublished[machine.rollKey] != nil {
            await publish(machine, dead: [])
        }
    }

    /// How a rank's end is told to its job.
    func event(of ended: Ended, _ key: RankKey, _ machine: JobMachine) -> JobMachine.Event {
        guard ended.code != 0 || ended.signal != 0 || !ended.fault.isEmpty else { return .left(slot: key.slot, life: key.life) }
        return died(key, death(ended, key, machine), machine)
    }

    func died(_ key: RankKey, _ death: RankDeath, _ machine: JobMachine) -> JobMachine.Event {
        let isSurvivable = death.kind != .needsRestart && survives(machine)
        return .died(
            slot: key.slot, life: key.life, death: death, survivable: isSurvivable, step: boards[key.job]?.step ?? 0)
    }

    /// Whether every rank has said that it goes on without another. (Before they have met nobody does.)
    private func survives(_ machine: JobMachine) -> Bool {
        machine.ranks.indices.allSatisfy { !machine.ranks[$0].stays || boards[machine.name]?.ranks[$0]?.survives == true }
    }

    private func death(_ ended: Ended, _ key: RankKey, _ machine: JobMachine) -> RankDeath {
        let detail = ended.isOutOfMemory ? Self.memory(used: ended.memoryPeakBytes, of: machine.spec.demand.memory) : ""
        if !ended.fault.isEmpty { return RankDeath(.notStarted, detail: ended.fault) }
        if let hung = hanging[key] { return hung }
        // A shell tells of a command that a signal ended by 128 and its number.
        if ended.signal == 0, (129...159).contains(ended.code), ended.exception.isEmpty {
            return RankDeath(
                ended.isOutOfMemory ? .outOfMemory : .killed, signal: Int(ended.code) - 128, lastLines: ended.lastLines,
                detail: detail)
        }
        var death = RankDeath(
            ended.isOutOfMemory ? .outOfMemory : ended.signal != 0 ? .killed : .exited, code: Int(ended.code),
            signal: Int(ended.signal), exception: ended.exception, lastLines: ended.lastLines, detail: detail)
        if ended.code == 76 { death.kind = .needsRestart }
        return death
    }

    /// `100 MiB are its limit, and 98 MiB were seen in use`
    private static func memory(used: Int64, of limit: Int64) -> String {
        guard limit > 0 else { return "" }
        return "\(limit >> 20) MiB are its limit" + (used > 0 ? ", and \(used >> 20) MiB were seen in use" : "")
    }

    /// The Worker's process has ended: normally it told how before; else what it left on disk tells, or nothing does.
    func workerEnded(_ run: Int, _ slot: Int, _ life: Int, _ handle: EngineHandle, _ conductor: Conductor<JobMachine>) async {
        if engine.isRemote { await engine.look() }
        for _ in 0..<40 {
            guard let machine = await conductor.machine, machine.run == run, machine.ranks.indices.contains(slot),
                machine.ranks[slot].life == life, !machine.ranks[slot].isGone
            else { return }
            let folder = machine.plan.rankFolder(run: run, slot: slot, life: life)
            let key = machine.key(slot)
            if let record = ExitRecord(in: folder) {
                // The report may still be on its way; both say the same.
                try? await conductor.tell(event(of: record.ended, key, machine), by: "engine")
                return
            }
            if await desk?.isConnected(key) != true {
                await engine.kill(nil, mark: mark(of: key))
                try? await conductor.tell(died(key, lostWorker(of: key, in: machine, folder), machine), by: "engine")
                return
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
        // Its engine has given it up, and it speaks on: nobody would end it at the end.
        if let machine = await conductor.machine, machine.run == run, machine.ranks.indices.contains(slot),
            machine.ranks[slot].life == life, !machine.ranks[slot].isGone
        {
            await lose(machine.key(slot), RankDeath(.workerLost, detail: "\(engine.name) ended its step"), of: machine)
        }
    }

    private func lostWorker(of key: RankKey, in machine: JobMachine, _ folder: String) -> RankDeath {
        if let why = loss(of: machine.ranks[key.slot].seat.node) { return RankDeath(.nodeLost, detail: why) }
        let said = engine.isRemote ? engine.log(in: folder).split(separator: "\n").last.map { ": \($0)" } ?? "" : ""
        return RankDeath(.workerLost, detail: "the process that watched it was killed, and the rank with it\(said)")
    }
}
