import Conducting
import JSON
import Ledger
import Routing
import Telemetry

/// An experiment as the API tells it: `GET /api/v1/experiments/NAME`. Shares are fractions.
struct ExperimentStatus {
    let machine: ExperimentMachine
    /// The newest ledger entry about it.
    let head: Position
    /// The newest look, recorded or not.
    let look: ExperimentLook?
    /// Billionths of a dollar of its budget's present period; nil where nobody knows.
    var spent: Int64?

    private var spec: ExperimentSpec { machine.plan.spec }
    private var seen: ExperimentLook? { machine.isWatched ? look ?? machine.look : machine.look }

    var json: JSONValue {
        var members: [String: JSONValue] = [
            "name": .string(spec.name), "route": .string(spec.route), "unit": .string(machine.plan.unit.text),
            "attempt": .integer(Int64(machine.attempt)), "state": .string(machine.stateText),
            "question": text(machine.question), "because": text(machine.ending?.text), "by": text(machine.ending?.by),
            "cause": text(machine.ending?.cause.rawValue), "winner": text(machine.ending?.winner), "base": text(machine.base),
            "control": .string(spec.control.name), "variants": .array(variants), "verdict": verdict,
            "evidence": seen?.evidence ?? .null, "units": .integer(seen?.units ?? 0),
            "primary": .string(spec.metrics.primary.name),
            "guardrails": .array(
                spec.metrics.guardrails.map { ["name": .string($0.metric.name), "max_harm": .number($0.maximumHarm)] }),
            "trouble": machine.trouble?.json ?? .null, "course": course, "coverage": .number(coverage),
            "expectation": machine.plan.expectation?.json ?? .null, "notes": .array(machine.plan.notes.map(JSONValue.string)),
            "entry": .integer(head.index), "next": .array(next.map(JSONValue.string)),
        ]
        members["allocation"] = [
            "strategy": .string(spec.allocation.strategy.rawValue), "sticky": .string(spec.allocation.stickiness.rawValue),
            "reweighted_at": spec.allocation.strategy.isAdaptive ? moment(machine.course.shares.last?.at) : .null,
        ]
        members["budget"] = budget
        members["release"] =
            machine.release.map {
                ["name": .string($0.name), "promoted": .bool($0.isPromoted), "text": .string($0.text)]
            } ?? .null
        for (name, value) in times { members[name] = value }
        return .object(members)
    }

    /// In dollars; null where it has none.
    private var budget: JSONValue {
        guard let budget = spec.budget else { return .null }
        return [
            "text": .string(budget.text), "usd": .number(Double(budget.nanoUSD) / 1e9), "per": .string(budget.per.rawValue),
            "spent_usd": spent.map { JSONValue.number(Double($0) / 1e9) } ?? .null,
            "left_usd": spent.map { JSONValue.number(Double(max(0, budget.nanoUSD - $0)) / 1e9) } ?? .null,
        ]
    }

    private var times: [String: JSONValue] {
        let applied = machine.appliedAt
        let first = seen?.firstExposure
        let seconds: (Timestamp?) -> JSONValue = { end in
            guard let applied, let end else { return .null }
            return .number(Double(end.milliseconds - applied.milliseconds) / 1_000)
        }
        return [
            "applied_at": moment(applied), "started_at": moment(machine.startedAt), "ended_at": moment(machine.endedAt),
            "decided_at": moment(machine.ending?.at), "first_exposure_at": moment(first),
            "seconds_to_first_user": seconds(first), "seconds_to_decision": seconds(machine.ending?.at),
        ]
    }

    private var variants: [JSONValue] {
        machine.arms.all.enumerated().map { place, arm in
            let variant = spec.variant(named: arm.variant.name) ?? arm.variant
            let tally = seen.flatMap { $0.tallies.indices.contains(place) ? $0.tallies[place] : nil } ?? .init()
            return [
                "name": .string(variant.name), "serves": .string(variant.servingText),
                "version": text(variant.version), "share": .number(Double(machine.shares[place]) / 10_000),
                "requests": .integer(tally.requests), "errors": .integer(tally.errors), "outcomes": .integer(tally.outcomes),
                "retired": .bool(arm.isRetired), "value": variant.value ?? .null,
                "offline_score": variant.offlineScore.map(JSONValue.number) ?? .null,
            ]
        }
    }

    private var verdict: JSONValue {
        guard let seen else { return .null }
        return [
            "outcome": .string(seen.outcome.rawValue), "winner": text(seen.winner), "reason": .string(seen.reason),
            "blocked_by": text(seen.blockedBy), "stopped_by": text(seen.stoppedBy), "still_needed": text(seen.stillNeeded),
            "difference": number(seen.difference), "lower": number(seen.lower), "upper": number(seen.upper),
        ]
    }

    private var course: JSONValue {
        [
            "shares": .array(
                machine.course.shares.map { point in
                    ["at": moment(point.at), "shares": .array(padded(point.shares).map { .number(Double($0) / 10_000) })]
                }),
            "differences": .array(
                machine.course.differences.map { point in
                    [
                        "at": moment(point.at), "units": .integer(point.units), "difference": .number(point.difference),
                        "lower": .number(point.lower), "upper": .number(point.upper),
                    ]
                }),
        ]
    }

    /// Variants that joined later had no share before.
    private func padded(_ shares: [Int]) -> [Int] { shares + Array(repeating: 0, count: max(0, machine.arms.count - shares.count)) }

    private var coverage: Double { Double(spec.targeting.ramp[machine.rampStep].coverage) / 10_000 }

    private var next: [String] {
        switch machine.state {
        case .planned, .attaching, .detaching, .settling, .makingWay, .releasing: ["explain"]
        case .running: ["explain", "stop", "promote"]
        case .asking: ["promote", "stop", "explain"]
        case .ended: ["explain", "report"]
        }
    }

    private func text(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }
    private func number(_ number: Double?) -> JSONValue { number.map(JSONValue.number) ?? .null }
    private func moment(_ moment: Timestamp?) -> JSONValue { moment.map { .string($0.rfc3339) } ?? .null }
}
