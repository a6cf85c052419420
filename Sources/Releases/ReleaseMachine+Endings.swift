import Conducting
public import Faults
import Telemetry

// MARK: Promotion

extension ReleaseMachine {
    /// All traffic is the candidate's: it is promoted, and watched on fresh evidence for the bake.
    mutating func bake() -> [Order] {
        if ending == nil { end(.promoted, plan.spec.gates.isEmpty ? "its steps are done" : "every gate passes") }
        canaryLook = look
        marks.crowned = true
        marks.keepsServing = deployment?.process != nil
        guard plan.spec.promote.bake > 0 else { return [Order(.crown)] + settle() }
        (state, marks.bakeSince) = (.baking, now)
        return [Order(.crown), Order(.watch)]
    }

    /// The promotion stands: the route is free for the next release, and what answers nothing any more is stopped in a while.
    mutating func settle() -> [Order] {
        if ending == nil { end(.promoted, "its stages are done; no traffic to move") }
        (state, endedAt) = (.promoted, now)
        guard plan.route != nil else { return [] }
        marks.holdsRoute = false
        marks.previousMayBeDown = true
        return [Order(.leave), Order(.retirePrevious, delay: plan.spec.promote.scaleDownDelay)]
    }
}

extension ReleaseMachine {
    /// The look a verdict rests on: the bake begins with fresh evidence, and does not take a promotion's reasons away.
    public var decisiveLook: Look? {
        switch ending?.cause {
        case .promoted, .overridden: canaryLook ?? look
        case .finished, .gateFailed, .undecided, .metricSilent, .rolledBackByHand, .aborted, .replaced, .serverDied, .stageFailed,
            nil:
            look
        }
    }
}

// MARK: The way back

extension ReleaseMachine {
    mutating func end(_ cause: Ending.Cause, _ text: String, by: String? = nil, verdict: Verdict? = nil, trouble: Trouble? = nil) {
        ending = Ending(cause: cause, text: text, by: by, verdict: verdict, trouble: trouble, at: now)
    }

    /// Ends a release that must not go on: traffic first, at once, whatever else was under way.
    mutating func giveUp(
        _ cause: Ending.Cause, _ text: String, by: String? = nil, verdict: Verdict? = nil, trouble: Trouble? = nil
    ) -> [Order] {
        end(cause, text, by: by, verdict: verdict, trouble: trouble)
        if let trouble { self.trouble = trouble }
        (hold, parked) = (nil, nil)
        intents.removeAll()
        guard marks.touchedTraffic else { return close(cause == .stageFailed || cause == .serverDied ? .failed : .rolledBack) }
        state = .rollingBack
        return wayBack()
    }

    /// The next thing between here and the previous version: the route, its server, the traffic.
    mutating func wayBack() -> [Order] {
        guard marks.holdsRoute else {
            marks.holdsRoute = true
            return [Order(.claim)]
        }
        return [Order(marks.previousMayBeDown ? .revivePrevious : .route(share: 0))]
    }

    /// No traffic is at stake any more: give everything back.
    mutating func close(_ end: State) -> [Order] {
        (state, endedAt) = (end, now)
        var orders: [Order] = []
        if marks.crowned { orders.append(Order(.uncrown)) }
        if marks.holdsRoute { orders.append(Order(.leave)) }
        if mayHaveProcesses {  // requests under way may still be answered by a server that had traffic
            orders.append(Order(.stop, delay: marks.touchedTraffic ? plan.spec.promote.scaleDownDelay : 0))
        }
        (marks.crowned, marks.holdsRoute, marks.touchedTraffic, marks.keepsServing) = (false, false, false, false)
        return orders
    }

    private var mayHaveProcesses: Bool { plan.runs(.buildArtifact) || (plan.needsServer && plan.serving == .started) }

    /// A newer release takes this one's place: what is promoted stays, anything else goes back.
    mutating func makeWay(for other: String) -> [Order] {
        switch state {
        case .baking: return settle()
        case .planned, .claiming, .queued, .building, .starting, .smoking, .canary, .deciding, .promoting:
            return giveUp(.replaced, "replaced by \(other)", by: other)
        case .promoted, .rollingBack, .rolledBack, .failed, .finished: return []
        }
    }
}

// MARK: What goes wrong on the way

extension ReleaseMachine {
    /// While it is judged, a candidate without a server goes back; afterwards a server that is to stay up is started again,
    /// later each time (after ten quiet minutes the count begins anew).
    mutating func lostServer(_ how: String) -> [Order] {
        switch state {
        case .smoking, .canary, .deciding, .promoting, .baking:
            return giveUp(.serverDied, "the candidate's server ended: \(how)")
        case .planned, .claiming, .queued, .building, .starting, .rollingBack: return []
        case .promoted, .rolledBack, .failed, .finished: break
        }
        guard marks.keepsServing else {
            deployment = nil
            return []
        }
        trouble = Trouble(
            what: "the server of \(plan.version) ended and is started again", why: how,
            fix: "read its output: openclaw release explain \(plan.name)")
        if let last = marks.lastRestart, now - last > .seconds(600) { marks.restarts = 0 }
        (marks.restarts, marks.lastRestart) = (marks.restarts + 1, now)
        return [Order(.start, delay: Self.pause(before: marks.restarts))]
    }

    /// Another release was promoted over this version.
    mutating func retire() -> [Order] {
        marks.keepsServing = false
        return deployment?.process == nil ? [] : [Order(.stop)]
    }

    /// Another release goes back to this version.
    mutating func revive() -> [Order] {
        intents.removeAll { $0.effect == .stop }
        marks.keepsServing = true
        return [Order(.start)]
    }

    /// What must happen is tried again, more slowly each time and for ever. What would carry the candidate on is tried again
    /// for half a minute where the fault may pass by itself (a disk that is full for a moment), and else given up.
    mutating func retryOrGiveUp(_ intent: Intent, _ found: Trouble) -> [Order] {
        trouble = found
        let again = [Order(intent.effect, tries: intent.tries + 1, delay: Self.pause(before: intent.tries))]
        switch (intent.effect, state) {
        case (.crown, _), (.uncrown, _), (.leave, _), (.stop, _), (.retirePrevious, _), (.revivePrevious, _): return again
        case (_, .rollingBack), (_, .baking), (_, .promoted), (_, .rolledBack), (_, .failed), (_, .finished): return again
        case (_, _) where found.mayPass == true && intent.tries < Self.forwardTriesMax: return again
        case (.claim, _), (.build, _), (.start, _), (.smoke, _), (.watch, _), (.route, _):
            return giveUp(.stageFailed, found.what, trouble: found)
        }
    }

    /// With the pauses between them about half a minute.
    static let forwardTriesMax = 8

    /// 0.25 s, doubling up to 30 s.
    static func pause(before tries: Int) -> Int64 { min(30_000, 250 << Int64(min(tries - 1, 7))) }
}

// MARK: People

extension ReleaseMachine {
    /// Why a command makes no sense now; nil when it does, also when it has been carried out already (a client that repeats
    /// a command whose answer got lost is told how things stand).
    public func refusal(of command: ReleaseCommand) -> Fault? {
        func no(_ why: String, _ fix: String) -> Fault {
            Fault(.conflict, what: "\(plan.name) cannot \(command.rawValue) now", why: why, fix: fix)
        }
        let status = "see: openclaw release status \(plan.name)"
        switch (command, state) {
        case (.promote, .canary), (.promote, .deciding), (.promote, .promoting), (.promote, .baking), (.promote, .promoted):
            return nil
        case (.promote, .rolledBack), (.promote, .rollingBack), (.promote, .failed):
            return no("it went back: \(ending?.text ?? "")", "release it again: openclaw release apply FILE")
        case (.promote, .planned), (.promote, .claiming), (.promote, .queued), (.promote, .building), (.promote, .starting),
            (.promote, .smoking), (.promote, .finished):
            return no("no traffic has reached \(plan.version) yet", status)
        case (.pause, .promoted), (.pause, .rollingBack), (.pause, .rolledBack), (.pause, .failed), (.pause, .finished),
            (.resume, .promoted), (.resume, .rollingBack), (.resume, .rolledBack), (.resume, .failed), (.resume, .finished):
            return no("it is over", status)
        case (.abort, .promoted):
            return no("it was promoted", "go back with: openclaw release rollback \(plan.name)")
        case (.rollback, .promoted) where plan.route == nil && !marks.crowned, (.rollback, .finished):
            return no("it moved no traffic", status)
        case (.pause, _), (.resume, _), (.abort, _), (.rollback, _): return nil
        }
    }

    mutating func obey(_ command: ReleaseCommand, by: String, because reason: String?) -> [Order] {
        guard refusal(of: command) == nil else { return [] }
        let because = reason.map { ": \($0)" } ?? ""
        switch command {
        case .pause:
            if case .paused = hold { return [] }
            hold = .paused(by: by, since: now)
            return []
        case .resume: return resume()
        case .promote:
            guard state != .promoting, state != .baking, state != .promoted else { return [] }
            (hold, parked) = (nil, nil)
            end(.overridden, "promoted by hand\(because)", by: by)
            intents.removeAll()
            return enter(.promoting)
        case .rollback where isOver && state != .promoted && !isAbandoned, .abort where isOver: return []
        case .rollback: return state == .rollingBack ? [] : giveUp(.rolledBackByHand, "rolled back by hand\(because)", by: by)
        case .abort where isStuck: return abandon(because, by: by)
        case .abort: return state == .rollingBack ? [] : giveUp(.aborted, "aborted\(because)", by: by)
        }
    }

    /// The way back was tried and does not work: nobody else may move the route until it does, or until a person gives it up.
    var isStuck: Bool { state == .rollingBack && intents.contains { $0.tries > 1 } }

    /// A person gave its way back up, and users may still be answered by it: going back may be asked for again.
    var isAbandoned: Bool { state == .failed && marks.touchedTraffic }

    /// Ends a way back that does not work: traffic stays where it is, and the route is free for whoever mends it.
    private mutating func abandon(_ because: String, by: String) -> [Order] {
        let obstacle = trouble.map { " (\($0.what))" } ?? ""
        end(.aborted, "its way back was aborted\(because); traffic stays where it is\(obstacle)", by: by)
        intents.removeAll()
        (state, endedAt) = (.failed, now)
        // Users may still be answered by it.
        marks.keepsServing = deployment?.process != nil
        guard marks.holdsRoute else { return [] }
        marks.holdsRoute = false
        return [Order(.leave)]
    }

    /// Goes on where it was held; the time it was held does not count towards its deadline.
    private mutating func resume() -> [Order] {
        switch hold {
        case nil: return []
        case .paused(_, let since): marks.watchSince = marks.watchSince.map { $0 + (now - since) }
        case .asked: (marks.watchSince, marks.extensions) = (marks.watchSince.map { _ in now }, 0)
        }
        hold = nil
        if let next = parked {
            parked = nil
            return enter(next)
        }
        if case .queued = state { return enter(.claiming) }
        return advance()
    }

    /// Nothing of this attempt is to come but giving back what it used.
    public var isOver: Bool {
        switch state {
        case .promoted, .rolledBack, .failed, .finished: true
        case .planned, .claiming, .queued, .building, .starting, .smoking, .canary, .deciding, .promoting, .baking, .rollingBack:
            false
        }
    }

    /// The same version may be released again: all that is left of this attempt is a server waiting to be stopped.
    var mayBeFollowed: Bool { isOver && intents.allSatisfy { $0.effect == .stop } }
}
