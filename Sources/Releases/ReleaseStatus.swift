import Conducting
import JSON
import Ledger
import Registry
import Routing
import Telemetry

/// How a release stands, for the API:
///
///     {"name","model","version","route","previous","attempt","state","stage","share","baking",
///      "because","cause","by","question","queued_behind","trouble":{what,why,fix},
///      "stages":[{"name","state":"done|running|pending|failed|idle","does","note"}],
///      "verdicts":[{"gate","limit","unit","outcome","seen","lower","upper","samples","reason"}],
///      "bake":{"verdicts":[...],"candidate":{...}} (while it bakes),
///      "candidate":{"requests","errors","labels","quality"},"stable":{...},
///      "started_at","since","ended_at","first_request_at","entry","next":["explain","pause","rollback"]}
struct ReleaseStatus {
    let machine: ReleaseMachine
    let head: Position
    /// The newest look, where it is newer than the recorded one.
    let look: Look?

    var json: JSONValue {
        let plan = machine.plan
        let now = look ?? machine.look
        let seen = decisive ?? now
        return [
            "name": .string(plan.name), "model": .string(plan.version.model), "version": .string(plan.version.version),
            "route": text(plan.route), "previous": text(machine.baseline?.previous ?? plan.previous),
            "attempt": .integer(Int64(machine.attempt)), "state": .string(machine.stateText), "stage": .string(machine.stageText),
            "share": machine.share.map(fraction) ?? 0, "baking": .bool(machine.isBaking),
            "because": text(machine.ending?.text), "cause": text(machine.ending?.cause.rawValue), "by": text(machine.ending?.by),
            "question": text(question), "queued_behind": text(queuedBehind), "trouble": machine.trouble?.json ?? .null,
            "stages": .array(plan.work.map(stage)),
            "verdicts": .array((seen?.verdicts ?? []).map(Self.json(of:))),
            "bake": machine.isBaking ? now.map(bake) ?? .null : .null,
            "candidate": seen.map { Self.json(of: $0.candidate) } ?? .null,
            "stable": seen.map { Self.json(of: $0.stable) } ?? .null,
            "started_at": text(machine.appliedAt?.rfc3339), "since": text(machine.marks.stepSince?.rfc3339),
            "ended_at": text(machine.endedAt?.rfc3339), "first_request_at": text(machine.firstRequest?.rfc3339),
            "entry": .integer(head.index), "next": .array(next.map { .string($0.rawValue) }),
        ]
    }

    private func text(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }

    /// What the promotion rests on, once there is one.
    private var decisive: Look? { machine.ending == nil ? nil : machine.decisiveLook }

    /// What the gates have seen since the promotion, on evidence of its own.
    private func bake(_ look: Look) -> JSONValue {
        ["verdicts": .array(look.verdicts.map(Self.json(of:))), "candidate": Self.json(of: look.candidate)]
    }

    private var question: String? {
        if case .asked(let question) = machine.hold { return question }
        guard machine.state == .finished else { return nil }
        return "every stage it names is done: release it with a pipeline that promotes, or leave it"
    }
    private var queuedBehind: String? { if case .queued(let owner) = machine.state { owner } else { nil } }

    /// What a person may ask of it now.
    private var next: [ReleaseCommand] {
        ReleaseCommand.allCases.filter { command in
            guard machine.refusal(of: command) == nil else { return false }
            switch command {
            case .promote: return !machine.isBaking && !machine.isOver && machine.state != .promoting
            case .pause: return machine.hold == nil
            case .resume: return machine.hold != nil
            case .rollback: return machine.share.map { $0 > 0 } ?? false
            case .abort: return !machine.isOver && (machine.state != .rollingBack || machine.isStuck)
            }
        }
    }

    // MARK: Stages

    private func stage(_ work: ReleasePlan.StageWork) -> JSONValue {
        let state = work.idle ? "idle" : progress(of: work.stage)
        return [
            "name": .string(work.stage.rawValue), "state": .string(state), "does": .string(work.does),
            "note": text(work.idle ? nil : note(of: work.stage)),
        ]
    }

    private func progress(of stage: ReleaseSpec.StageName) -> String {
        switch (stage, machine.state) {
        case (.buildArtifact, _) where machine.built != nil: "done"
        case (.smokeTest, _) where machine.smoked != nil: machine.smoked?.trouble == nil ? "done" : "failed"
        case (.canaryDeploy, .canary), (.monitorMetrics, .canary):
            machine.share == nil && stage == .monitorMetrics ? "pending" : "running"
        case (.canaryDeploy, .deciding), (.canaryDeploy, .promoting), (.canaryDeploy, .baking), (.canaryDeploy, .promoted): "done"
        case (.monitorMetrics, .promoting), (.monitorMetrics, .baking), (.monitorMetrics, .promoted): "done"
        case (.promoteOrRollback, .promoted), (.promoteOrRollback, .rolledBack): "done"
        case (_, .rolledBack), (_, .failed): stage.rawValue == failedStage ? "failed" : "pending"
        case (_, _): stage.rawValue == machine.stageText ? "running" : "pending"
        }
    }

    /// Where a release that went back or failed was when it did.
    private var failedStage: String {
        if machine.share != nil {
            return (machine.plan.runs(.monitorMetrics) ? ReleaseSpec.StageName.monitorMetrics : .canaryDeploy).rawValue
        }
        if machine.plan.runs(.buildArtifact), machine.built == nil { return ReleaseSpec.StageName.buildArtifact.rawValue }
        if machine.plan.runs(.smokeTest), machine.smoked == nil { return ReleaseSpec.StageName.smokeTest.rawValue }
        return ReleaseSpec.StageName.canaryDeploy.rawValue
    }

    private func note(of stage: ReleaseSpec.StageName) -> String? {
        switch stage {
        case .buildArtifact: return machine.built.map { ($0.reused ? "already built, verified " : "") + $0.digest.prefix(19) + "…" }
        case .smokeTest:
            return machine.smoked.map { report in
                report.trouble?.what
                    ?? "\(report.requests) requests, \(report.regressions.count) regressions in \(report.cases) cases"
            }
        case .canaryDeploy:
            guard let share = machine.share else { return nil }
            let passed = machine.plan.steps.filter { $0.share < share }.map { "\(Share.text($0.share)) ok" }
            return share == 0 ? "back at 0 %" : (passed + ["\(Share.text(share)) now"]).joined(separator: ", ")
        case .monitorMetrics:
            guard let look = decisive ?? look ?? machine.look else { return nil }
            let passing = look.verdicts.filter { $0.outcome == .pass }.count
            return "\(passing) of \(look.verdicts.count) gates pass over \(look.candidate.requests) requests"
        case .promoteOrRollback: return machine.isBaking ? "promoted, still watched" : nil
        }
    }

    // MARK: Parts

    static func json(of verdict: Verdict) -> JSONValue {
        [
            "gate": .string(verdict.gate), "limit": .number(verdict.limit), "unit": .string(verdict.unit),
            "outcome": .string(verdict.outcome.rawValue), "seen": verdict.evidence.seen.map(JSONValue.number) ?? .null,
            "lower": verdict.evidence.lower.map(JSONValue.number) ?? .null,
            "upper": verdict.evidence.upper.map(JSONValue.number) ?? .null, "samples": .integer(verdict.evidence.samples),
            "reason": .string(verdict.reason),
        ]
    }

    static func json(of tally: Tally) -> JSONValue {
        [
            "requests": .integer(tally.requests), "errors": .integer(tally.errors), "labels": .integer(tally.labels),
            "quality": tally.quality.map(JSONValue.number) ?? .null,
        ]
    }
}

extension ReleaseMachine {
    /// Promoted, and the gates still watch.
    public var isBaking: Bool { state == .baking }
}
