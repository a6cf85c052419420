import Conducting
public import Telemetry

extension ReleaseMachine {
    /// The whole course of a release. Answers are only heard while they are asked for (`handle`): one that comes after the
    /// release turned round never gets here.
    mutating func next(_ event: Event) -> [Order] {
        switch event {
        // The way forward: each answer opens the next stage.
        case .applied: return state == .planned ? begin() : []
        case .claimed(let found): return claimed(found)
        case .busy(let owner): return busy(owner)
        case .routeFree: return awaitsRoute ? enter(.claiming) : []
        case .built(let report):
            built = report
            return goOn()
        case .serving(let found):
            (deployment, trouble) = (found, nil)
            return state == .starting ? goOn() : []
        case .smoked(let report):
            smoked = report
            return report.trouble.map { giveUp(.stageFailed, $0.what, trouble: $0) } ?? goOn()
        case .watching(let found):
            watch = found
            return state == .baking || isOver ? [] : open(state)
        case .routed(let share, let table): return routed(share, table)
        case .crowned: return state == .promoting ? settle() : []

        // What the gates see, and what time brings.
        case .judged(let seen): return judge(seen)
        case .metricSilent(let found): return fallSilent(found)
        case .timePassed: return advance()
        case .serverDied(let how): return lostServer(how)

        // The way back, one answer after another.
        case .previousUp:
            marks.previousMayBeDown = false
            return state == .rollingBack ? wayBack() : []
        case .stopped:
            deployment = nil
            return []
        case .uncrowned, .left, .previousRetired, .failed, .interrupted: return []

        // People, and other releases.
        case .commanded(let command, let by, let reason): return obey(command, by: by, because: reason)
        case .replaced(let by): return makeWay(for: by)
        case .retired: return isOver ? retire() : []
        case .revived: return isOver ? revive() : []
        }
    }

    /// It begins as soon as its route is free.
    var awaitsRoute: Bool { if case .queued = state { hold == nil } else { false } }

    private mutating func claimed(_ found: Baseline) -> [Order] {
        marks.holdsRoute = true
        if state == .rollingBack { return wayBack() }
        baseline = found
        return goOn()
    }

    private mutating func busy(_ owner: String) -> [Order] {
        marks.holdsRoute = false
        guard state == .rollingBack else {
            state = .queued(behind: owner)
            return []
        }
        trouble = Trouble(
            what: "the rollback waits for route \(plan.route ?? "")", why: "\(owner) owns it now", fix: "abort or finish \(owner)")
        return [Order(.claim, tries: 2, delay: 500)]
    }

    /// A share is served by every loop: its time begins.
    private mutating func routed(_ share: Int, _ table: Int64) -> [Order] {
        (self.share, self.table) = (share, table)
        marks.stepSince = now
        if marks.watchSince == nil { marks.watchSince = now }
        switch state {
        case .canary: return advance()
        case .promoting: return bake()
        case .rollingBack: return close(.rolledBack)
        case .planned, .claiming, .queued, .building, .starting, .smoking, .deciding, .baking, .promoted, .rolledBack, .failed,
            .finished:
            return []
        }
    }

    /// A failure in any step, or in the bake, is final; anything else may let the release go on.
    private mutating func judge(_ seen: Look) -> [Order] {
        guard isWatched else { return [] }
        look = seen
        if firstRequest == nil { firstRequest = seen.firstRequest }
        guard let failed = seen.verdicts.first(where: { $0.outcome == .fail }) else { return advance() }
        return giveUp(.gateFailed, "\(failed.gate): \(failed.reason)", verdict: failed)
    }

    /// The candidate has traffic of this release, and the gates look at it.
    public var isWatched: Bool {
        switch state {
        case .canary, .deciding, .promoting, .baking: watch != nil
        case .planned, .claiming, .queued, .building, .starting, .smoking, .promoted, .rollingBack, .rolledBack, .failed, .finished:
            false
        }
    }
}

// MARK: Forward

extension ReleaseMachine {
    private mutating func begin() -> [Order] {
        appliedAt = now
        return plan.route == nil ? goOn() : enter(.claiming)
    }

    /// The stages of this plan in order, each as the state it begins in.
    private var course: [State] {
        var course: [State] = []
        if plan.runs(.buildArtifact) { course.append(.building) }
        if plan.needsServer { course.append(.starting) }
        if plan.runs(.smokeTest) { course.append(.smoking) }
        if plan.runs(.canaryDeploy) { course.append(.canary(step: 0)) }
        if !plan.runs(.canaryDeploy) { course.append(plan.promotes ? .promoting : .finished) }
        return course
    }

    /// Opens the stage after the present one.
    mutating func goOn() -> [Order] {
        let course = course
        return open(course[course.firstIndex(of: state).map { $0 + 1 } ?? 0])
    }

    /// A paused release remembers what would open, and opens it when it is resumed.
    private mutating func open(_ next: State) -> [Order] {
        guard hold == nil else {
            parked = next
            return []
        }
        return enter(next)
    }

    mutating func enter(_ next: State) -> [Order] {
        state = next
        switch next {
        case .claiming:
            marks.holdsRoute = true
            return [Order(.claim)]
        case .building: return [Order(.build)]
        case .starting: return [Order(.start)]
        case .smoking: return [Order(.smoke)]
        case .canary(let step):
            marks.stepSince = nil
            return [watch == nil ? Order(.watch) : forward(plan.steps[step].share)]
        case .promoting:
            guard plan.route != nil else {
                marks.crowned = true
                return [Order(.crown)]
            }
            return [watch == nil ? Order(.watch) : forward(10_000)]
        case .finished:
            end(.finished, "every stage it names is done, and none of them promotes it")
            return close(.finished)
        case .planned, .queued, .deciding, .baking, .promoted, .rollingBack, .rolledBack, .failed: return []
        }
    }

    /// From here on users may have seen the candidate, and giving up means going back.
    private mutating func forward(_ share: Int) -> Order {
        marks.touchedTraffic = true
        return Order(.route(share: share))
    }

    /// Where a release goes on: a step when its samples and hold are reached, a decision when every gate passes, the end of
    /// the bake; and where none of it comes in time, what the pipeline says about staying undecided.
    mutating func advance() -> [Order] {
        guard hold == nil else { return [] }
        switch state {
        case .canary(let step) where isOver(step):
            if step + 1 < plan.steps.count { return enter(.canary(step: step + 1)) }
            state = .deciding
            return decide()
        case .canary: return isOverdue ? stayUndecided() : []
        case .deciding: return decide()
        case .baking: return marks.bakeSince.map { now >= $0 + .milliseconds(plan.spec.promote.bake) } == true ? settle() : []
        case .planned, .claiming, .queued, .building, .starting, .smoking, .promoting, .promoted, .rollingBack, .rolledBack,
            .failed,
            .finished:
            return []
        }
    }

    private func isOver(_ step: Int) -> Bool {
        guard let since = marks.stepSince, now >= since + .milliseconds(plan.steps[step].hold) else { return false }
        return hasSamples(for: step)
    }

    private func hasSamples(for step: Int) -> Bool {
        let wanted = plan.steps[step].samplesMin
        return wanted == 0 || (look.map { $0.table == table && $0.stepRequests >= wanted } ?? false)
    }

    private var everyGatePasses: Bool {
        plan.spec.gates.isEmpty || (look.map { !$0.verdicts.isEmpty && $0.verdicts.allSatisfy { $0.outcome == .pass } } ?? false)
    }

    /// Promotion needs every gate to pass, on the evidence of all steps.
    private mutating func decide() -> [Order] {
        guard everyGatePasses, let since = marks.stepSince, now >= since + .milliseconds(lookFor) else {
            return isOverdue ? stayUndecided() : []
        }
        if plan.promotes { return enter(.promoting) }
        hold = .asked(question: "every gate passes, and the pipeline names no promote_or_rollback: promote it or roll it back")
        return []
    }

    private var lookFor: Int64 { plan.runs(.monitorMetrics) ? plan.spec.monitor.lookFor : 0 }

    private var deadline: Timestamp? {
        marks.watchSince.map { $0 + .milliseconds(plan.spec.monitor.deadline * Int64(1 + marks.extensions)) }
    }
    private var isOverdue: Bool { deadline.map { now >= $0 } ?? false }

    private mutating func stayUndecided() -> [Order] {
        let open = look?.verdicts.filter { $0.outcome == .undecided }.map(\.gate) ?? []
        let text =
            open.isEmpty
            ? "too few requests reached the candidate before the deadline"
            : "still undecided at the deadline: " + open.joined(separator: ", ")
        switch plan.spec.monitor.onUndecided {
        case .rollback: return giveUp(.undecided, text)
        case .extend where marks.extensions < MonitorOptions.extensionsMax: marks.extensions += 1
        case .extend, .ask: hold = .asked(question: text)
        }
        return []
    }

    private mutating func fallSilent(_ found: Trouble) -> [Order] {
        guard isWatched else { return [] }
        trouble = found
        guard hold == nil, state != .baking else { return [] }
        switch plan.spec.monitor.onUndecided {
        case .rollback: return giveUp(.metricSilent, found.what, trouble: found)
        case .ask: hold = .asked(question: found.what)
        case .extend: break
        }
        return []
    }

    /// When time alone will change something; nil when only news can.
    public var due: Timestamp? {
        guard hold == nil else { return nil }
        switch state {
        case .canary(let step):
            let hold = marks.stepSince.map { $0 + .milliseconds(plan.steps[step].hold) }
            return [hasSamples(for: step) ? hold : nil, deadline].compactMap { $0 }.min()
        case .deciding:
            let look = marks.stepSince.map { $0 + .milliseconds(lookFor) }
            return [everyGatePasses ? look : nil, deadline].compactMap { $0 }.min()
        case .baking: return marks.bakeSince.map { $0 + .milliseconds(plan.spec.promote.bake) }
        case .planned, .claiming, .queued, .building, .starting, .smoking, .promoting, .promoted, .rollingBack, .rolledBack,
            .failed,
            .finished:
            return nil
        }
    }

    /// How many answers under the present table the step waits for; nil when it waits for none.
    public var samplesWanted: Int64? {
        guard case .canary(let step) = state, marks.stepSince != nil, !hasSamples(for: step) else { return nil }
        return plan.steps[step].samplesMin
    }
}
