import Conducting
import JSON
import Ledger
import Registry
import Routing
import Telemetry

extension ReleaseStory.Chapter {
    /// What `release explain --json` prints:
    ///
    ///     {"name","version","attempt","state","summary","because","trouble":{what,why,fix},"regressions":["case 3"],"others":["..."],
    ///      "users":{"answers","wrong","stable_wrong","text"},"would_have","seconds_to_decision","entry","proof",
    ///      "decisions":[{"entry","at","share","what","because","would_have","verdicts"}]}
    var explanation: JSONValue {
        [
            "name": .string(machine.plan.name), "version": .string(machine.plan.version.version),
            "attempt": .integer(Int64(machine.attempt)), "state": .string(machine.stateText), "summary": .string(summary),
            "because": machine.ending.map { .string($0.text) } ?? .null, "trouble": machine.ending?.trouble?.json ?? .null,
            "regressions": .array((machine.smoked?.regressions ?? []).map(JSONValue.string)),
            "others": .array(others.map(JSONValue.string)),
            "users": users, "would_have": machine.ending == nil ? .null : .string(ReleaseStory.wouldHave(machine)),
            "seconds_to_decision": seconds.map(JSONValue.number) ?? .null, "entry": .integer(entry.index),
            "proof": .string("openclaw audit prove \(entry.index)"),
            "decisions": .array(
                decisions.map {
                    [
                        "entry": .integer($0.entry.index), "at": .string($0.at.rfc3339), "share": $0.share.map(fraction) ?? .null,
                        "what": .string($0.what), "because": .string($0.because), "would_have": .string($0.wouldHave),
                        "verdicts": .array($0.verdicts.map(ReleaseStatus.json(of:))),
                    ]
                }),
        ]
    }

    /// One line of `release history`:
    ///
    ///     {"name","version","attempt","route","state","cause","because","by","started_at","ended_at","first_request_at",
    ///      "seconds_to_decision","answers","wrong","entry"}
    var line: JSONValue {
        let ending = machine.ending
        return [
            "name": .string(machine.plan.name), "version": .string(machine.plan.version.version),
            "attempt": .integer(Int64(machine.attempt)), "route": machine.plan.route.map(JSONValue.string) ?? .null,
            "state": .string(machine.stateText), "cause": ending.map { .string($0.cause.rawValue) } ?? .null,
            "because": ending.map { .string($0.text) } ?? .null, "by": ending?.by.map(JSONValue.string) ?? .null,
            "started_at": machine.appliedAt.map { .string($0.rfc3339) } ?? .null,
            "ended_at": machine.endedAt.map { .string($0.rfc3339) } ?? .null,
            "first_request_at": machine.firstRequest.map { .string($0.rfc3339) } ?? .null,
            "seconds_to_decision": seconds.map(JSONValue.number) ?? .null, "answers": .integer(answers),
            "wrong": .integer(wrong(candidate)), "entry": .integer(entry.index),
        ]
    }

    private var entry: Position { ended ?? last }

    /// From the candidate's first request to the decision about it.
    private var seconds: Double? {
        guard let first = machine.firstRequest, let ending = machine.ending else { return nil }
        return Double((ending.at - first).milliseconds) / 1_000
    }

    private var summary: String {
        guard let ending = machine.ending else { return "\(machine.stateText), in stage \(machine.stageText)" }
        let verb =
            switch machine.state {
            case .failed: machine.share ?? 0 > 0 ? "failed on its way back" : "failed before any traffic moved"
            case .promoted, .baking: ending.cause == .overridden ? "promoted by hand" : "promoted"
            case .finished: "done, and not promoted"
            case .planned, .claiming, .queued, .building, .starting, .smoking, .canary, .deciding, .promoting, .rollingBack,
                .rolledBack:
                "rolled back"
            }
        let share = shareAtEnd.map { $0 > 0 ? " at share \(Share.text($0))" : "" } ?? ""
        let after = seconds.map { ", \(Self.tenths($0)) s after its first request" } ?? ""
        return "\(verb)\(share)\(after) (ledger entry \(entry.index))"
    }

    private var others: [String] {
        guard let failed = machine.ending?.verdict?.gate else {
            return machine.decisiveLook?.verdicts.map { "\($0.gate) \($0.outcome.rawValue): \($0.reason)" } ?? []
        }
        return machine.look?.verdicts.filter { $0.gate != failed }.map {
            $0.outcome == .undecided ? "\($0.gate) undecided (\($0.reason))" : "\($0.gate) \($0.outcome.rawValue)"
        } ?? []
    }

    // MARK: Users

    /// All that the candidate answered: in the canary, and in the bake where there was one.
    private var candidate: [Tally] { looks.map(\.candidate) }
    private var looks: [Look] {
        guard let canary = machine.canaryLook else { return [machine.look].compactMap { $0 } }
        return [canary, machine.look == canary ? nil : machine.look].compactMap { $0 }
    }
    private var answers: Int64 { candidate.reduce(0) { $0 + $1.requests } }

    /// Errors, and labels that say wrong.
    private func wrong(_ tallies: [Tally]) -> Int64 {
        tallies.reduce(0) { $0 + $1.errors + Int64((Double($1.labels) - $1.labelSum).rounded()) }
    }

    /// How many of the same answers the stable version would have got wrong; nil when it answered nothing meanwhile.
    private var stableWrong: Int64? {
        let all = looks.map(\.stable)
        let (requests, errors) = (all.reduce(0) { $0 + $1.requests }, all.reduce(0) { $0 + $1.errors })
        let (labels, sum) = (all.reduce(0) { $0 + $1.labels }, all.reduce(0.0) { $0 + $1.labelSum })
        guard requests > 0 else { return nil }
        let labelled = candidate.reduce(0) { $0 + $1.labels }
        let badLabels = labels > 0 ? (1 - sum / Double(labels)) * Double(labelled) : 0
        return Int64((Double(errors) / Double(requests) * Double(answers) + badLabels).rounded())
    }

    private var users: JSONValue {
        let version = machine.plan.version.version
        let bad = wrong(candidate)
        let instead =
            stableWrong.map { ", \(machine.baseline?.stable ?? "the stable version") would have given about \($0)" } ?? ""
        let text =
            answers == 0
            ? "no user was answered by \(version)"
            : "\(answers) answers came from \(version); about \(bad) of them were wrong\(instead)"
        return [
            "answers": .integer(answers), "wrong": .integer(bad), "stable_wrong": stableWrong.map(JSONValue.integer) ?? .null,
            "text": .string(text),
        ]
    }

    private static func tenths(_ seconds: Double) -> String {
        let tenths = Int64((seconds * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
