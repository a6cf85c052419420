import Conducting
import JSON
import Telemetry
import YAML

extension ExperimentMachine {
    /// The whole course of an experiment. Answers are only heard while they are asked for (`handle`).
    mutating func next(_ event: Event) -> [Order] {
        switch event {
        case .applied:
            guard state == .planned else { return [] }
            (state, appliedAt) = (.attaching, now)
            return [Order(.attach(coverage: plan.spec.targeting.ramp[0].coverage))]
        case .attached(let found, let table): return begin(found, table)

        // What was seen, and what time brings.
        case .looked(let seen): return consider(seen)
        case .reweighted(let shares, let scorer):
            guard takesShares, !areStale(shares) else { return [] }
            self.scorer = scorer
            return [Order(.move(shares: shares))]
        case .moved(let shares, let table): return moved(to: shares, table)
        case .covered(let step):
            (rampStep, rampSince) = (step, now)
            return []
        case .timePassed: return advance()

        // A changed file.
        case .changed(let spec): return change(to: spec)
        case .joined(let arm, let id): return joined(arm, as: id)
        case .retired, .overridden: return []

        // The way out.
        case .detached: return left()
        case .settled(let base):
            self.base = base
            return end()
        case .gated(let version):
            guard state == .settling else { return [] }
            state = .makingWay(version: version)
            return [Order(.detach)]
        case .released(let outcome):
            release = outcome
            return end()
        case .commanded(let command, let by, let reason): return obey(command, by: by, because: reason)
        case .failed: return []
        }
    }

    private mutating func begin(_ found: ExperimentLayer, _ table: Int64) -> [Order] {
        (layer, self.table) = (found, table)
        arms.note(found)
        guard state == .attaching else { return [] }  // it was stopped meanwhile; the way out is ordered already
        (state, startedAt, rampSince) = (.running, now, now)
        course.note(shares, at: now)
        return []
    }

    // MARK: Evidence

    private mutating func consider(_ seen: ExperimentLook) -> [Order] {
        guard isWatched else { return [] }
        look = seen
        course.note(seen, at: now)
        if let mark = seen.mark { self.mark = mark }
        if let guardrail = seen.stoppedBy { return conclude(.guardrail, guardrail) }
        guard seen.blockedBy == nil else {
            if case .asking = state { state = .running }
            return []
        }
        return decide(seen)
    }

    /// What follows from a verdict. A question that is open stays open until the evidence changes its answer.
    private mutating func decide(_ seen: ExperimentLook) -> [Order] {
        guard let startedAt, now >= startedAt + .milliseconds(plan.spec.decision.minDuration) else { return [] }
        let control = plan.spec.control.name
        switch (seen.outcome, plan.spec.decision.auto) {
        case (.undecided, _), (_, .none):
            if case .asking = state { state = .running }
            return []
        case (.better, .promote):
            guard let winner = seen.winner, arms.place(of: winner) != nil else { return [] }
            return promote(winner, .better, seen.reason)
        case (.worse, .promote): return conclude(.worse, seen.reason)
        case (.equivalent, .promote): return conclude(.equivalent, seen.reason)
        case (.better, .ask):
            let winner = seen.winner ?? control
            state = .asking(question: "\(seen.reason). Promote \(winner)? openclaw experiment promote \(plan.spec.name) \(winner)")
            return []
        case (.worse, .ask), (.equivalent, .ask):
            state = .asking(question: "\(seen.reason). End it? openclaw experiment stop \(plan.spec.name)")
            return []
        }
    }

    private mutating func advance() -> [Order] {
        guard isWatched, let startedAt else { return [] }
        if state == .running, now >= startedAt + .milliseconds(plan.spec.decision.maxDuration) { return runOut() }
        if let nextStep, now >= nextStep { return [Order(.cover(step: rampStep + 1))] }
        guard let look, look.blockedBy == nil else { return [] }
        return decide(look)
    }

    /// The time is over and nothing was decided.
    private mutating func runOut() -> [Order] {
        let span = Quantity.text(.milliseconds(plan.spec.decision.maxDuration))
        let found = look?.reason ?? "nothing was seen"
        guard plan.spec.decision.auto == .ask else { return conclude(.undecided, "no verdict within \(span): \(found)") }
        state = .asking(question: "No verdict within \(span): \(found). End it? openclaw experiment stop \(plan.spec.name)")
        return []
    }

    // MARK: The way out

    private mutating func obey(_ command: ExperimentCommand, by: String, because reason: String?) -> [Order] {
        guard refusal(of: command) == nil else { return [] }
        let because = reason.map { ": \($0)" } ?? ""
        switch command {
        case .stop: return conclude(.stoppedByHand, "stopped by \(by)\(because)", by: by)
        case .promote(let variant): return promote(variant, .promotedByHand, "\(variant) was promoted by \(by)\(because)", by: by)
        }
    }

    private mutating func conclude(_ cause: ExperimentEnding.Cause, _ text: String, by: String? = nil) -> [Order] {
        ending = ExperimentEnding(cause: cause, text: text, winner: nil, by: by, at: now)
        state = .detaching
        dropWaiting()
        return [Order(.detach)]
    }

    private mutating func promote(_ winner: String, _ cause: ExperimentEnding.Cause, _ text: String, by: String? = nil) -> [Order] {
        ending = ExperimentEnding(cause: cause, text: text, winner: winner, by: by, at: now)
        state = .settling
        dropWaiting()
        return [Order(.settle(variant: winner))]
    }

    /// Shares and ramps no longer matter. What is under way comes first all the same: it has an older fence.
    private mutating func dropWaiting() {
        target = nil
        intents.removeAll { [.attach, .move, .cover, .put, .retire, .override].contains($0.effect.kind) }
    }

    private mutating func left() -> [Order] {
        guard case .makingWay(let version) = state else { return end() }
        state = .releasing(version: version)
        return [Order(.release(version: version))]
    }

    private mutating func end() -> [Order] {
        (state, endedAt, trouble) = (.ended, now, nil)
        return []
    }

    // MARK: Failure

    static let delayMax: Int64 = 30_000
    /// With the pauses between them about half a minute.
    static let joinTriesMax = 8

    /// What cannot begin ends; what must end is tried until it does; shares come again by themselves.
    mutating func retryOrGiveUp(_ intent: Intent, _ trouble: Trouble) -> [Order] {
        self.trouble = trouble
        switch intent.effect {
        case .attach:
            guard state == .attaching else { return [] }
            ending = ExperimentEnding(cause: .failed, text: trouble.what, winner: nil, by: nil, at: now)
            (state, endedAt) = (.ended, now)
            return []
        case .move(let wanted) where !mustMove(to: wanted): return []
        case .put(let place) where trouble.mayPass != true || intent.tries >= Self.joinTriesMax: return giveUp(joining: place)
        case .release(let version):
            release = ReleaseOutcome(
                name: version, isPromoted: false, text: "\(version) must be released by hand: \(trouble.what) \(trouble.why)")
            (state, endedAt) = (.ended, now)
            return []
        case .move, .cover, .detach, .settle, .put, .retire, .override:
            let delay = min(250 << Int64(min(intent.tries, 7)), Self.delayMax)
            return [Order(intent.effect, tries: intent.tries + 1, delay: delay)]
        }
    }
}
