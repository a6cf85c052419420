import Conducting
import Faults
import Glibc
import JSON
import Telemetry
import Worker

extension TrainingService {
    /// A rank takes no step for so many times the median of its steps, and at least for `recovery.hang_after`: it hangs.
    static let hangFactor = 20.0
    /// How long ranks have for saying what they are doing: at least the first, and three times as long as the slowest of those
    /// took that did say it. Where all are slow, the machine is busy.
    static let stackPatience = (least: Duration.seconds(2), most: Duration.seconds(10))

    func watch(_ watched: JobMachine.Watched, _ conductor: Conductor<JobMachine>) async {
        switch watched {
        case .worker(let run, let slot, let life, let handle):
            await engine.wait(for: handle)
            if Task.isCancelled { return }
            await workerEnded(run, slot, life, handle, conductor)
        case .progress(let run):
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                guard !Task.isCancelled, let machine = await conductor.machine, machine.run == run, machine.state == .running else {
                    return
                }
                if let since = stillness(of: machine) { await endStuckRank(of: machine, still: since) }
            }
        }
    }

    /// Seconds since any rank took a step, where that is too long.
    private func stillness(of machine: JobMachine) -> Double? {
        guard let board = boards[machine.name], let placed = machine.placedAt else { return nil }
        // Replacements and restarts take their own time.
        let there = machine.ranks.indices.filter { !machine.ranks[$0].isNew && !machine.ranks[$0].isOut }
        guard there.allSatisfy({ [.up, .leaving].contains(machine.ranks[$0].state) }) else { return nil }
        let ranks = there.compactMap { board.ranks[$0] }
        guard ranks.count == there.count, let seconds = board.stepSeconds,
            ranks.allSatisfy({ $0.recent.count >= 3 && $0.steppedAt > placed.milliseconds })
        else { return nil }
        let last = ranks.map(\.steppedAt).max() ?? 0
        let mended = machine.losses.compactMap(\.mendedAt).map(\.milliseconds).max() ?? 0
        let still = Double(Timestamp.now().milliseconds - max(last, mended)) / 1_000
        return still > max(Double(machine.spec.hangAfter) / 1_000, Self.hangFactor * seconds) ? still : nil
    }

    /// All of them stand still, because they wait for one. That is the one which does not answer, or which is the furthest
    /// behind, or which is not in the middle of waiting for the others.
    private func endStuckRank(of machine: JobMachine, still seconds: Double) async {
        // One that is being ended may take a while to die; what it was doing is known.
        let ending = machine.ranks.indices.map { machine.key($0) }.filter { hanging[$0] != nil }
        for key in ending { await sendAway(key) }
        if !ending.isEmpty { return }
        let asked = Timestamp.now()
        for slot in machine.ranks.indices {
            boards[machine.name]?.ranks[slot]?.stack = []
            var order = Order()
            order.stackWanted = Nudge()
            await theDesk().tell(machine.key(slot), order)
        }
        await waitForStacks(of: machine.name)
        guard let now = await conductors[machine.name]?.machine, now.run == machine.run, now.ranks == machine.ranks,
            let board = boards[machine.name], board.ranks.values.allSatisfy({ $0.steppedAt < asked.milliseconds })
        else { return }
        let ranks = machine.ranks.indices.compactMap { slot in board.ranks[slot].map { (slot: slot, rank: $0) } }
        // Where every adapter answers that its rank waits for nobody, all of them do something else than steps: they evaluate, save,
        // or leave.
        let said = ranks.map { $0.rank.stack.last { $0.hasPrefix("openclaw:") } }
        if said.allSatisfy({ $0?.contains("waits for the others") == false }) { return }
        guard let stuck = ranks.min(by: { Self.suspicion($0.rank) < Self.suspicion($1.rank) }) else { return }
        let key = machine.key(stuck.slot)
        let what =
            "no step for \(Int(seconds)) s, after steps of \(JobBoard.median(stuck.rank.recent).map { "\(Int($0 * 1_000)) ms" } ?? "?")"
        hanging[key] = RankDeath(
            .hung, detail: stuck.rank.stack.isEmpty ? "\(what); it does not answer" : what, stack: stuck.rank.stack)
        log.warning("a rank hangs", ["job": .string(machine.name), "rank": .integer(Int64(stuck.slot)), "why": .string(what)])
        await sendAway(key)
    }

    private func sendAway(_ key: RankKey) async {
        var order = Order()
        order.leave = Nudge()
        await theDesk().tell(key, order)
    }

    private func waitForStacks(of job: String) async {
        let begun = ContinuousClock.now
        var (answered, patience) = (0, Self.stackPatience.most)
        while ContinuousClock.now - begun < patience, let ranks = boards[job]?.ranks.values, answered < ranks.count {
            let answers = ranks.count { !$0.stack.isEmpty }
            if answers > answered {
                let taken = ContinuousClock.now - begun
                (answered, patience) = (answers, min(max(taken * 3, Self.stackPatience.least), Self.stackPatience.most))
                continue
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    /// The least is suspected first.
    static func suspicion(_ rank: JobBoard.RankFigures) -> (Int, Int, Int64, Int) {
        // The adapter says whether its rank waits, which is surer than steps: those are told ten times a second only.
        let said = rank.stack.last { $0.hasPrefix("openclaw:") }.map { !$0.contains("the others wait for it") }
        // Of another script the main thread, which comes first, may tell.
        let words = ["all_reduce", "allreduce", "wait", "barrier", "recv", "broadcast"]
        let isWaiting = words.contains { rank.stack.first?.contains($0) == true }
        // Who says that the others wait for it is surer than who has not answered yet: that may be for want of a processor.
        return (said == false ? 0 : 1, rank.stack.isEmpty ? 0 : 1, rank.step, isWaiting ? 1 : 0)
    }
}
