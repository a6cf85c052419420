import Conducting
import Faults
import JSON
import Ledger
import Registry
import Routing
import Telemetry

/// What happened to a release and why, told from its ledger entries alone: whoever has the ledger can tell it again.
struct ReleaseStory {
    /// A moment at which something was decided.
    struct Decision {
        var entry: Position
        var at: Timestamp
        var share: Int?
        var what: String
        var because: String
        /// What would have changed it.
        var wouldHave: String
        var verdicts: [Verdict]
    }

    /// One attempt, from its plan to its end or to now.
    struct Chapter {
        var machine: ReleaseMachine
        var decisions: [Decision] = []
        /// The entry that ended it (promoted, rolled back, failed), or its last one.
        var ended: Position?
        var last: Position
        /// The candidate's share when it was decided.
        var shareAtEnd: Int?
    }

    private(set) var chapters: [Chapter] = []
    private var chronicle = Chronicle<ReleaseMachine>()

    init(_ entries: [LedgerEntry]) throws(Fault) {
        for entry in entries { try tell(entry) }
    }

    private mutating func tell(_ entry: LedgerEntry) throws(Fault) {
        let before = chronicle.machine
        chronicle.fold(entry)
        guard let after = chronicle.machine else { return }
        if before?.attempt != after.attempt { chapters.append(Chapter(machine: after, last: entry.position)) }
        let isNew = before?.attempt != after.attempt
        var chapter = chapters.removeLast()
        if let decision = decision(from: isNew ? nil : before, to: after, at: entry) { chapter.decisions.append(decision) }
        if after.ending != nil, isNew || before?.ending != after.ending {
            (chapter.ended, chapter.shareAtEnd) = (entry.position, before?.share)
        }
        (chapter.machine, chapter.last) = (after, entry.position)
        chapters.append(chapter)
    }

    // MARK: Decisions

    private func decision(from before: ReleaseMachine?, to after: ReleaseMachine, at entry: LedgerEntry) -> Decision? {
        func decided(_ what: String, _ because: String, wouldHave: String) -> Decision {
            Decision(
                entry: entry.position, at: after.now, share: after.share, what: what, because: because, wouldHave: wouldHave,
                verdicts: after.look?.verdicts ?? [])
        }
        guard let before else {
            return decided(
                "planned as attempt \(after.attempt)", "applied by \(entry.by)", wouldHave: "an unusable file is refused here")
        }
        if before.hold != after.hold, let hold = after.hold {
            switch hold {
            case .paused(let by, _):
                return decided("paused", "by \(by)", wouldHave: "resume lets it go on; a failing gate still takes it back")
            case .asked(let question): return decided("asks a person", question, wouldHave: "promote, resume or rollback decides")
            }
        }
        if before.ending != after.ending, let ending = after.ending {
            return decided(verb(of: ending, after), ending.text, wouldHave: Self.wouldHave(after))
        }
        switch (before.state, after.state) {
        case (_, .queued(let owner)) where before.state != after.state:
            return decided("queued", "\(owner) owns the route", wouldHave: "--when-busy replace or refuse")
        case (.canary(let from), .canary(let to)) where from != to:
            let step = after.plan.steps[from]
            return decided(
                "goes on to \(Share.text(after.plan.steps[to].share))",
                "\(after.look?.stepRequests ?? 0) requests at \(Share.text(step.share)), and no gate has failed",
                wouldHave:
                    "fewer than \(step.samplesMin) requests or less than \(step.hold / 1_000) s at this share keep it; a failed gate "
                    + "takes it back")
        case (.canary, .deciding):
            let open = after.look?.verdicts.filter { $0.outcome != .pass }.map(\.gate) ?? []
            return decided(
                "is at its last share", "the last step has its samples",
                wouldHave: open.isEmpty ? "nothing stands in its way" : "it waits for " + open.joined(separator: ", "))
        case (_, _): return nil
        }
    }

    private func verb(of ending: Ending, _ machine: ReleaseMachine) -> String {
        switch ending.cause {
        case .promoted, .overridden: "promoted"
        case .finished: "finished"
        case .gateFailed, .undecided, .metricSilent, .rolledBackByHand, .aborted, .replaced, .serverDied, .stageFailed:
            machine.state == .failed ? "failed" : "rolled back"
        }
    }

    /// What would have changed the end.
    static func wouldHave(_ machine: ReleaseMachine) -> String {
        guard let ending = machine.ending else { return "" }
        switch ending.cause {
        case .gateFailed:
            guard let verdict = ending.verdict else { return "" }
            let others = machine.look?.verdicts.filter { $0.outcome == .fail && $0.gate != verdict.gate }.map(\.gate) ?? []
            return verdict.whatWouldChange + ": "
                + (others.isEmpty ? "nothing else stood in its way" : "but \(others.joined(separator: ", ")) failed too")
        case .undecided:
            let open = machine.look?.verdicts.filter { $0.outcome == .undecided }.map { "\($0.gate) \($0.whatWouldChange)" } ?? []
            return (open + ["on_undecided: extend or ask would have gone on"]).joined(separator: "; ")
        case .metricSilent: return "labels that keep arriving, or a longer metric_timeout"
        case .promoted:
            let limits = machine.decisiveLook?.verdicts.map { "\($0.gate) \($0.whatWouldChange)" } ?? []
            return limits.isEmpty ? "a gate that fails would have taken it back" : limits.joined(separator: "; ")
        case .overridden, .rolledBackByHand, .aborted: return "a person decided it"
        case .replaced: return "without --when-busy replace the newer one would have waited"
        case .serverDied: return "a server that stays up"
        case .stageFailed: return ending.trouble?.fix ?? ""
        case .finished: return "promote_or_rollback as a last stage promotes it"
        }
    }
}
