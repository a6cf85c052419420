import Conducting
public import Faults
public import JSON
import Telemetry

extension TrainingService {
    /// Where a job's time went, what its failures cost, and what to change.
    public func report(_ name: String) async throws(Fault) -> JSONValue {
        let status = try await status(name)
        guard let machine = await (try known(name)).machine else { return status }
        return JobReport(machine: machine, board: board(of: machine), status: status, now: .now()).json
    }
}

/// The figures of one submission, made from what was recorded and what its ranks told.
struct JobReport {
    let machine: JobMachine
    let board: JobBoard
    let status: JSONValue
    let now: Timestamp

    /// Past this share of the steps' time, it is what a job is bound by.
    private static let boundAt = 0.35

    var json: JSONValue {
        var members = status.objectValue ?? [:]
        members["reported_at"] = .string(now.rfc3339)
        members["phases"] = phases
        members["per_rank"] = .array(board.ranks.sorted { $0.key < $1.key }.map { perRank($0.key, $0.value) })
        members["steps"] = steps
        members["wire"] = wire
        members["stalls"] = stalls
        members["failures_cost"] = failures
        members["checkpoints"] = checkpoints
        members["samples"] = [
            "repeated": .integer(board.ranks.values.map(\.repeated).max() ?? 0),
            "lost": .integer(board.ranks.values.map(\.lost).max() ?? 0),
        ]
        members["curves"] = .object(
            board.curves.mapValues { .array($0.map(point)) }.merging(["samples_per_s": .array(board.throughput.map(point))]) {
                mine, _ in mine
            })
        members["bound_by"] = .string(bound.name)
        members["advice"] = .array(advice.map { .string($0) })
        return .object(members)
    }

    private func point(_ sample: JobBoard.Sample) -> JSONValue {
        ["at": .string(Timestamp(milliseconds: sample.at).rfc3339), "step": .integer(sample.step), "value": .number(sample.value)]
    }

    // MARK: Time

    private var end: Timestamp { machine.endedAt ?? now }

    private var phases: JSONValue {
        func seconds(_ from: Timestamp?, _ to: Timestamp?) -> JSONValue {
            guard let from, let to else { return .null }
            return .number(Double(max(0, (to - from).wholeMilliseconds)) / 1_000)
        }
        let (first, last) = (moment(board.course.firstStepAt), moment(board.course.lastStepAt))
        return [
            "waiting_s": seconds(machine.submittedAt, machine.firstPlacedAt ?? end),
            "starting_s": seconds(machine.firstPlacedAt, first), "training_s": seconds(first, last),
            "finishing_s": seconds(last, machine.endedAt), "running_s": seconds(machine.firstPlacedAt, end),
            "total_s": seconds(machine.submittedAt, end),
        ]
    }

    private func moment(_ milliseconds: Int64) -> Timestamp? {
        milliseconds > 0 ? Timestamp(milliseconds: milliseconds) : nil
    }

    private func perRank(_ slot: Int, _ rank: JobBoard.RankFigures) -> JSONValue {
        let ran = machine.firstPlacedAt.map { Double((end - $0).wholeMilliseconds) / 1_000 } ?? 0
        var members: [String: JSONValue] = [
            "rank": .integer(Int64(slot)), "step": .integer(rank.step), "samples": .integer(rank.samplesSeen),
            "memory_peak_bytes": .integer(rank.memoryPeak),
            "cpu_s": .number(Double(rank.cpuBefore + rank.cpuMilliseconds) / 1_000),
        ]
        if ran > 0 { members["cpu_share"] = .number(Double(rank.cpuBefore + rank.cpuMilliseconds) / 1_000 / ran) }
        if let median = JobBoard.median(rank.recent) { members["step_s"] = .number(median) }
        if rank.step > 0, rank.steps > 0, rank.stepSeconds > 0 {
            members["samples_per_s"] = .number(Double(rank.samplesSeen) / rank.stepSeconds)
            members["compute_share"] = .number(rank.computeSeconds / rank.stepSeconds)
            members["communication_share"] = .number(rank.communicationSeconds / rank.stepSeconds)
            members["wait_share"] = .number(rank.waitSeconds / rank.stepSeconds)
        }
        return .object(members)
    }

    /// Shares of the steps' time, over all ranks.
    private var shares: (compute: Double, communication: Double, wait: Double, rest: Double)? {
        let all = board.ranks.values.reduce(into: (step: 0.0, compute: 0.0, communication: 0.0, wait: 0.0)) { sum, rank in
            sum.step += rank.stepSeconds
            sum.compute += rank.computeSeconds
            sum.communication += rank.communicationSeconds
            sum.wait += rank.waitSeconds
        }
        guard all.step > 0 else { return nil }
        let (compute, communication, wait) = (all.compute / all.step, all.communication / all.step, all.wait / all.step)
        return (compute, communication, wait, max(0, 1 - compute - communication - wait))
    }

    private var steps: JSONValue {
        var members: [String: JSONValue] = ["taken": .integer(board.step)]
        if let seconds = board.stepSeconds { members["step_s"] = .number(seconds) }
        if let rate = board.samplesPerSecond { members["samples_per_s"] = .number(rate) }
        if let shares {
            members["compute_share"] = .number(shares.compute)
            members["communication_share"] = .number(shares.communication)
            members["wait_share"] = .number(shares.wait)
            members["input_and_other_share"] = .number(shares.rest)
        }
        return .object(members)
    }

    private var wire: JSONValue {
        let bytes = board.ranks.values.reduce(0) { $0 + $1.wireBefore + $1.wireBytes }
        let logical = board.ranks.values.reduce(0) { $0 + $1.logicalBefore + $1.logicalBytes }
        return [
            "bytes": .integer(bytes), "logical_bytes": .integer(logical), "saved_bytes": .integer(max(0, logical - bytes)),
            "format": .string(machine.spec.wire.rawValue),
            // Ranks of one host meet in its memory, and nothing crosses a wire.
            "in_shared_memory": .bool(bytes == 0 && logical > 0), "choices": .array(board.course.wires.map(choice)),
            "chosen_because": wireReason(isOnWire: bytes > 0, any: logical > 0).map { .string($0) } ?? JSONValue.null,
        ]
    }

    private func choice(_ choice: JobCourse.WireChoice) -> JSONValue {
        [
            "at": .string(Timestamp(milliseconds: choice.at).rfc3339), "rank": .integer(Int64(choice.slot)),
            "step": .integer(choice.step), "format": .string(choice.format), "before": .string(choice.before),
            "compute_s": .number(choice.computeSeconds), "wait_s": .number(choice.waitSeconds), "because": .string(choice.why),
        ]
    }

    /// Why `wire: auto` sends what it sends.
    private func wireReason(isOnWire: Bool, any: Bool) -> String? {
        guard machine.spec.wire == .auto, any else { return nil }
        if let last = board.course.wires.last { return last.why }
        guard isOnWire else { return "float32: the ranks are on one host, and no bytes cross a wire" }
        let least = board.ranks.values.filter { $0.stepSeconds > 0 }.map { $0.waitSeconds / $0.stepSeconds }.min()
        return "float32: "
            + (least.map { "\(Int(($0 * 100).rounded())) % of a step was waiting for bytes" } ?? "no step was measured")
    }

    /// Steps that took much longer than usual, and what happened then.
    private var stalls: JSONValue {
        .array(
            board.course.stalls.map { stall in
                let end = stall.at + Int64(stall.seconds * 1_000)
                let loss = machine.losses.first { (stall.at - 1_000...end).contains($0.at.milliseconds) }
                return [
                    "at": .string(Timestamp(milliseconds: stall.at).rfc3339), "step": .integer(stall.step),
                    "seconds": .number(stall.seconds),
                    "because": loss.map { .string("rank \($0.slot) \($0.death.text)") } ?? JSONValue.null,
                ]
            })
    }

    // MARK: Failures and checkpoints

    private var failures: JSONValue {
        let items = machine.losses.map { loss -> JSONValue in
            let seconds = loss.mendedAt.map { Double(($0 - loss.at).wholeMilliseconds) / 1_000 }
            let resumption = loss.wasSurvived ? board.course.resumption(after: loss) : nil
            return [
                "stood_still_s": (loss.wasSurvived ? resumption?.seconds : seconds).map { .number($0) } ?? .null,
                "replaced_at_step": (loss.wasSurvived ? board.course.arrival(after: loss)?.step : nil).map { .integer($0) }
                    ?? JSONValue.null,
                "steps_redone": stepsRedone(loss).map { .integer($0) } ?? .null,
                "rank": .integer(Int64(loss.slot)), "how": .string(loss.death.text), "at": .string(loss.at.rfc3339),
                "survived": .bool(loss.wasSurvived), "step": .integer(loss.step),
                "mended_after_s": seconds.map { .number($0) } ?? .null,
            ]
        }
        let still = machine.losses.reduce(0.0) { sum, loss in
            let whole = loss.mendedAt.map { Double(($0 - loss.at).wholeMilliseconds) / 1_000 } ?? 0
            return sum + (loss.wasSurvived ? board.course.resumption(after: loss)?.seconds ?? 0 : whole)
        }
        return [
            "count": .integer(Int64(machine.failures)), "restarts": .integer(Int64(max(0, machine.run - 1))),
            "preemptions": .integer(Int64(machine.preemptions)),
            "seconds_without_training": .number(still), "items": .array(items),
        ]
    }

    /// A whole-job restart goes back to the last checkpoint; survivors do again at most the step that was under way.
    private func stepsRedone(_ loss: JobMachine.Loss) -> Int64? {
        guard !loss.wasSurvived else { return board.course.resumption(after: loss).map { max(0, loss.step + 1 - $0.step) } }
        guard loss.step > 0 else { return nil }
        return loss.step - (board.written.map(\.step).filter { $0 <= loss.step }.max() ?? 0)
    }

    private var checkpoints: JSONValue {
        let copy = board.written.reduce(0) { $0 + $1.copySeconds }
        return [
            "count": .integer(Int64(machine.checkpoints)), "failed": .integer(Int64(board.checkpointFailures)),
            "stall_share": trainingSeconds > 0 ? .number(copy / trainingSeconds) : .null,
            "stall_s": .number(copy), "write_s": .number(board.written.reduce(0) { $0 + $1.writeSeconds }),
            "bytes": .integer(board.written.last?.bytes ?? 0),
        ]
    }

    // MARK: What to change

    private enum Bound {
        case unknown, compute, communication, input, waiting
        var name: String { self == .waiting ? "waiting for the slowest rank" : "\(self)" }
    }

    private var bound: Bound {
        guard let shares else { return .unknown }
        let all: [(Double, Bound)] = [
            (shares.communication, .communication), (shares.wait, .waiting), (shares.rest, .input), (shares.compute, .compute),
        ]
        // Compute is what a job should be bound by: anything else is named where it takes enough to matter.
        let worst = all.dropLast().max { $0.0 < $1.0 }
        if let worst, worst.0 >= Self.boundAt { return worst.1 }
        return .compute
    }

    private var advice: [String] {
        var advice: [String] = []
        switch bound {
        case .unknown: advice.append("its script told no steps: with the adapter it would be known where the time goes")
        case .compute: advice.append(computeAdvice)
        case .communication:
            advice.append(
                machine.spec.wire == .int8
                    ? "communication-bound even as int8: fewer ranks, or more work in a step, would pay"
                    : "communication-bound: `sync: { wire: int8 }` or bfloat16 sends less; more ranks would not pay")
        case .input: advice.append("input-bound: more data-loader workers would pay; more ranks would not, until they are fed")
        case .waiting: advice.append("its ranks wait for the slowest: equal nodes, or equal work, would pay")
        }
        if let slowest = unequal { advice.append("rank \(slowest) is the slowest by far: look at its node") }
        let stall = board.written.reduce(0) { $0 + $1.copySeconds }
        if trainingSeconds > 0, stall / trainingSeconds > 0.05 {
            advice.append("checkpoints stall training by \(Int(stall / trainingSeconds * 100)) %: write them less often")
        }
        if board.checkpointFailures > 0 { advice.append("\(board.checkpointFailures) checkpoints failed: see the warnings") }
        if machine.run > 1, machine.checkpoints == 0 {
            advice.append("a restart began from nothing, because no checkpoint was written")
        }
        return advice
    }

    private var trainingSeconds: Double {
        max(0, Double(board.course.lastStepAt - board.course.firstStepAt) / 1_000)
    }

    /// Of the time in which its ranks compute, how much a core really worked for them. Nil with accelerators, which compute
    /// without one, and where too little was seen.
    private var coreShare: Double? {
        guard let shares, trainingSeconds >= 2, shares.compute > 0, !board.ranks.isEmpty, machine.spec.demand.accelerators.isEmpty,
            !machine.spec.takesAnyAccelerator
        else { return nil }
        let used = board.ranks.values.reduce(0) { $0 + Double($1.cpuBefore + $1.cpuMilliseconds) / 1_000 }
        let computed = shares.compute * (trainingSeconds + startingSeconds) * Double(board.ranks.count)
        return used / computed
    }

    private var startingSeconds: Double {
        guard let placed = machine.firstPlacedAt, board.course.firstStepAt > 0 else { return 0 }
        return max(0, Double(board.course.firstStepAt - placed.milliseconds) / 1_000)
    }

    private var computeAdvice: String {
        guard let share = coreShare, share < 0.7 else { return "compute-bound: more ranks would pay, nearly in proportion" }
        return
            "compute-bound, and its ranks had a core for \(Int((share * 100).rounded())) % of the time they computed: more ranks on"
            + " this node would not pay, fewer beside others or another node would"
    }

    /// A rank whose own work takes half as long again as the others'.
    private var unequal: Int? {
        let means = board.ranks.compactMapValues {
            // A rank that was there for a while only is not measured by the same steps.
            $0.steps > board.step / 2 && $0.computeSeconds > 0 ? $0.computeSeconds / Double($0.steps) : nil
        }
        guard means.count > 1, let worst = means.max(by: { $0.value < $1.value }) else { return nil }
        let others = means.filter { $0.key != worst.key }.values
        let mean = others.reduce(0, +) / Double(others.count)
        return worst.value > mean * 1.5 ? worst.key : nil
    }
}
