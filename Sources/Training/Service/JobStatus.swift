import Conducting
import JSON
import Ledger
import Telemetry
import YAML

/// How a job stands, for people and programs.
struct JobStatus {
    let machine: JobMachine
    let board: JobBoard
    let head: Position
    let wait: QueueDesk.Wait?
    /// Among waiting jobs.
    let place: Int?
    /// Why ranks of a job that was placed have not started.
    let hindrance: String?

    var json: JSONValue {
        let spec = machine.spec
        var members: [String: JSONValue] = [
            "name": .string(machine.name), "state": .string(machine.state.rawValue), "submission": .integer(Int64(machine.attempt)),
            "run": .integer(Int64(machine.run)), "epoch": .integer(Int64(machine.epoch)), "command": .string(spec.run),
            "directory": .string(machine.plan.directory), "priority": .integer(Int64(spec.priority)),
            "ranks_wanted": [
                "min": .integer(Int64(machine.ranksWanted.lowerBound)), "max": .integer(Int64(machine.ranksWanted.upperBound)),
            ],
            "world": .integer(Int64(machine.world)), "ranks": .array(machine.ranks.indices.map(rank)),
            "failures": .integer(Int64(machine.failures)), "max_failures": .integer(Int64(spec.failuresMax)),
            "losses": .array(machine.losses.map(loss)), "preemptions": .integer(Int64(machine.preemptions)),
            "progress": board.progress, "warnings": .array(warnings), "entry": .integer(head.index), "next": .array(next),
        ]
        if !machine.changes.isEmpty { members["changes"] = .array(machine.changes.map(change)) }
        if !spec.team.isEmpty { members["team"] = .string(spec.team) }
        if let at = machine.submittedAt { members["submitted_at"] = .string(at.rfc3339) }
        if let at = machine.firstPlacedAt { members["started_at"] = .string(at.rfc3339) }
        if let at = machine.endedAt { members["ended_at"] = .string(at.rfc3339) }
        if let checkpoint = machine.checkpoint {
            members["checkpoint"] = [
                "path": .string(checkpoint.path), "step": .integer(checkpoint.step), "bytes": .integer(checkpoint.bytes),
                "at": .string(checkpoint.at.rfc3339), "count": .integer(Int64(machine.checkpoints)),
            ]
        }
        if machine.state == .queued { members["waits"] = .string(waits) }
        if machine.state == .queued, let until = Self.until(wait) { members["until"] = .string(until.rfc3339) }
        if let place, machine.state == .queued { members["queue_place"] = .integer(Int64(place + 1)) }
        if let because = machine.endedBecause { members["because"] = .string(because) }
        if machine.state == .failed || machine.state == .stopping, let cause = machine.firstCause {
            members["first_cause"] = first(cause)
        }
        if let version = machine.version { members["version"] = .string(version) }
        if let output = spec.output { members["output"] = ["register": .string(output.register), "path": .string(output.path)] }
        if let trouble = machine.trouble { members["trouble"] = trouble.json }
        return .object(members)
    }

    private func rank(_ slot: Int) -> JSONValue {
        let rank = machine.ranks[slot]
        var members: [String: JSONValue] = [
            "rank": .integer(Int64(slot)), "node": .string(rank.seat.node),
            "state": .string(rank.isNew && !rank.isGone ? "joining" : rank.state.rawValue),
            "life": .integer(Int64(rank.life)),
        ]
        if !rank.seat.devices.isEmpty {
            members["devices"] = .array(rank.seat.devices.map { .integer(Int64($0)) })
            members["resource"] = .string(rank.seat.resource ?? "")
        }
        if let figures = board.ranks[slot] {
            if figures.step > 0 { members["step"] = .integer(figures.step) }
            if figures.process > 0, !rank.isGone { members["pid"] = .integer(Int64(figures.process)) }
            members["memory_bytes"] = .integer(figures.memoryPeak)
            if !figures.framework.isEmpty { members["framework"] = .string(figures.framework) }
            if let survives = figures.survives { members["survives"] = .bool(survives) }
        }
        return .object(members)
    }

    private func change(_ change: RankChange) -> JSONValue {
        var members: [String: JSONValue] = [
            "at": .string(change.at.rfc3339), "run": .integer(Int64(change.run)), "from": .integer(Int64(change.from)),
            "to": .integer(Int64(change.to)), "why": .string(change.why),
            "how": .string(change.isLive ? "while it trained" : "at a checkpoint"),
        ]
        if change.step > 0 { members["step"] = .integer(change.step) }
        if let ended = change.endedAt {
            members["took_s"] = .number(Double((ended - change.at).wholeMilliseconds) / 1_000)
        }
        // Where all stopped for it, that is what it cost.
        let cost = change.isLive ? board.course.rescaling(of: change)?.seconds : members["took_s"]?.numberValue
        if let cost { members["stood_still_s"] = .number(cost) }
        if let failure = change.failure { members["failure"] = .string(failure) }
        return .object(members)
    }

    private func loss(_ loss: JobMachine.Loss) -> JSONValue {
        var members = loss.death.json.objectValue ?? [:]
        members["rank"] = .integer(Int64(loss.slot))
        members["run"] = .integer(Int64(loss.run))
        members["life"] = .integer(Int64(loss.life))
        members["at"] = .string(loss.at.rfc3339)
        members["step"] = .integer(loss.step)
        members["survived"] = .bool(loss.wasSurvived)
        if loss.wasSurvived, let resumption = board.course.resumption(after: loss) {
            members["went_on_after_s"] = .number(resumption.seconds)
            members["went_on_at"] = .string(Timestamp(milliseconds: resumption.at).rfc3339)
            members["went_on_with_step"] = .integer(resumption.step)
        }
        if loss.wasSurvived, let arrival = board.course.arrival(after: loss) {
            members["replaced_at_step"] = .integer(arrival.step)
        }
        if let mended = loss.mendedAt { members["mended_after_s"] = .number(Double((mended - loss.at).wholeMilliseconds) / 1_000) }
        return .object(members)
    }

    private func first(_ loss: JobMachine.Loss) -> JSONValue {
        var members = loss.death.json.objectValue ?? [:]
        members["rank"] = .integer(Int64(loss.slot))
        members["node"] = .string(machine.ranks.indices.contains(loss.slot) ? machine.ranks[loss.slot].seat.node : "")
        members["text"] = .string("rank \(loss.slot) \(loss.death.text)")
        return .object(members)
    }

    private var warnings: [JSONValue] {
        var notes = board.notes
        let reasons = Set(board.ranks.values.filter { $0.survives == false }.flatMap(\.whyNot)).sorted()
        // The adapter says it itself, with what to do.
        if !reasons.isEmpty, !notes.contains(where: { $0.what == "A rank's death cannot be hidden from this script." }) {
            notes.append(
                .init(
                    what: "a rank that dies means a whole-job restart", why: reasons.joined(separator: "; "),
                    fix: "see docs/training.md on what survives"))
        }
        if let hindrance {
            notes.append(.init(what: "ranks are not started yet", why: hindrance, fix: "nothing: they start by themselves"))
        }
        return notes.map { ["what": .string($0.what), "why": .string($0.why), "fix": .string($0.fix)] }
    }

    /// Why it waits.
    private var waits: String {
        switch wait {
        case nil: return "the scheduler looks at it now"
        case .noRoom(let shortfall, let until):
            let forEver =
                shortfall.isForEver ? "; these nodes can never hold it" : until == nil ? "; nobody knows when that changes" : ""
            return shortfall.text + forEver
        case .keptFree(let other, _): return "it would delay \(other), which a place is kept free for"
        case .behind(let other): return "\(other) is before it, and this policy skips nobody"
        case .overQuota(let team, let limit): return "team \(team) has a quota of \(limit)"
        case .makingRoom(let others):
            return "room is being made: \(others.joined(separator: ", ")) give\(others.count == 1 ? "s" : "") way at a checkpoint"
        }
    }

    private static func until(_ wait: QueueDesk.Wait?) -> Timestamp? {
        switch wait {
        case .noRoom(_, let until): until
        case .keptFree(_, let until): until
        case .behind, .overQuota, .makingRoom, nil: nil
        }
    }

    private var next: [JSONValue] {
        switch machine.state {
        case .queued, .starting, .running: ["explain", "logs", "cancel"].map { .string("\($0) \(machine.name)") }
        case .stopping, .registering: [.string("logs \(machine.name)")]
        case .finished, .failed, .cancelled: ["report", "logs"].map { .string("\($0) \(machine.name)") }
        }
    }
}
