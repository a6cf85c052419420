import Conducting
import Faults
import JSON
import Outcomes
import Routing
import Telemetry

/// Looks at what the users of one experiment did, and tells its conductor what has consequences: verdicts, and the shares that
/// follow from what was earned.
actor ExperimentWatcher {
    /// How long it rests after each read, so that a busy route is read in batches.
    static let pace = Duration.milliseconds(20)
    /// Between two looks at the evidence at least.
    static let lookPace = Duration.milliseconds(250)
    /// Statistics that change no verdict are recorded this often at first, and then as the experiment grows older.
    static let recordPace = Duration.seconds(10)
    /// Shares that differ by less are not worth a table, in basis points.
    static let shareDifferenceMin = 25
    static let patience = Duration.seconds(5)

    typealias Conductor = Conducting.Conductor<ExperimentMachine>

    private let name: String
    private let handlers: ExperimentHandlers
    private let log = Log("experiment")
    /// What was seen, recorded or not.
    private var board: ExperimentBoard?
    /// Everything that was there is read, and time or news have to come.
    private(set) var isResting = false
    /// The newest look, recorded or not, and the last one that was posted to be recorded.
    private(set) var look: ExperimentLook?
    private var posted: (look: ExperimentLook, at: Timestamp)?

    init(name: String, handlers: ExperimentHandlers) { (self.name, self.handlers) = (name, handlers) }

    /// How the experiment's conductor reaches the world.
    nonisolated var hands: Handlers<ExperimentMachine> {
        Handlers(
            perform: handlers.perform, watch: { [self] watch, conductor in await keepLooking(watch, conductor) },
            beforeTimePasses: { [self] conductor in await consider(conductor, isDue: true) }, now: handlers.now,
            sleep: handlers.sleep, boundaries: handlers.boundaries)
    }

    /// When something is done next.
    private struct Pacing {
        var nextLook: Timestamp
        var nextShares: Timestamp
        /// There is something that was not looked at, and rewards that were not weighed.
        var hasNews = true
        var hasRewards = true
    }

    /// Folds observations as they come: a verdict, or new shares, are out within a moment of their data.
    private func keepLooking(_ watch: ExperimentWatch, _ conductor: Conductor) async {
        guard let machine = await conductor.machine, machine.attempt == watch.attempt, let route = machine.layer?.route else {
            return
        }
        let plan = machine.plan
        (board, look, posted) = (nil, nil, nil)
        var recalled = await recall(plan, machine.arms, machine.mark)
        guard let pasts = await pasts(plan, route, conductor) else { return }
        recalled.pasts = pasts
        board = recalled
        await remember(plan, all: true)
        var pacing = Pacing(nextLook: handlers.now(), nextShares: handlers.now())
        while !Task.isCancelled, await !conductor.isStopped, let cursor = board?.cursor {
            do {
                let (observations, next) = try await handlers.observations(route, cursor)
                guard !Task.isCancelled, await !conductor.isStopped else { return }
                if let arms = await conductor.machine?.arms, board?.follow(arms) == true {
                    (pacing.hasNews, pacing.hasRewards) = (true, true)
                }
                board?.fold(observations, upTo: next, at: handlers.now())
                await remember(plan)
                if !observations.isEmpty { (pacing.hasNews, pacing.hasRewards) = (true, true) }
                // A restart folds again what it had seen; while there is more to read nothing is said.
                if observations.count == ExperimentHandlers.observationsMax { continue }
                await act(plan, &pacing, conductor)
                await rest(plan, pacing, isIdle: observations.isEmpty)
            } catch {
                log.error("cannot read outcomes", ["experiment": .string(name), "why": .string(error.what)])
                await handlers.sleep(handlers.now() + .seconds(1))
            }
        }
    }

    /// What units were worth before the experiment: read once, and tried again until it can be. Nil when it was stopped.
    private func pasts(
        _ plan: ExperimentPlan, _ route: RouteID, _ conductor: Conductor
    ) async -> [String: PastValues]? {
        var pasts: [String: PastValues] = [:]
        for name in Set(plan.spec.metrics.all.compactMap(\.covariate)).sorted() {
            while pasts[name] == nil {
                guard !Task.isCancelled, await !conductor.isStopped else { return nil }
                do throws(Fault) {
                    pasts[name] = try await handlers.pasts(route, name, plan.cursor)
                } catch {
                    log.error(
                        "cannot read what was before",
                        ["experiment": .string(self.name), "covariate": .string(name), "why": .string(error.why)])
                    await handlers.sleep(handlers.now() + .seconds(1))
                }
            }
        }
        return pasts
    }

    private func remember(_ plan: ExperimentPlan, all: Bool = false) async {
        guard let news = board?.historyToPublish(all: all) else { return }
        await handlers.remember(plan.spec, news.rows, news.means)
    }

    /// The evidence as it was written down last, or from the beginning: it is a pure fold, so both come to the same.
    private func recall(_ plan: ExperimentPlan, _ arms: ExperimentArms, _ mark: ExperimentLook.Mark?) async -> ExperimentBoard {
        let fresh = ExperimentBoard(plan, arms)
        guard let mark, let bytes = await handlers.kept(name, mark.digest) else { return fresh }
        do {
            return try ExperimentBoard(plan, arms, evidence: bytes)
        } catch {
            log.warning(
                "evidence that was written down cannot be read; outcomes are read from the beginning",
                ["experiment": .string(name), "why": .string(error.why)])
            return fresh
        }
    }

    private func act(_ plan: ExperimentPlan, _ pacing: inout Pacing, _ conductor: Conductor) async {
        let now = handlers.now()
        if pacing.hasRewards || plan.spec.allocation.discount != nil, plan.spec.allocation.strategy.isAdaptive,
            now >= pacing.nextShares
        {
            pacing.hasRewards = await !weigh(at: now, conductor)
            pacing.nextShares = now + sharesPace(plan.spec.allocation, now, startedAt: await conductor.machine?.startedAt)
        }
        guard pacing.hasNews, now >= pacing.nextLook else { return }
        pacing.hasNews = false
        let started = handlers.now()
        await consider(conductor)
        // However much there is to look at, most of the time is left to everybody else.
        let took = handlers.now() - started
        pacing.nextLook = handlers.now() + max(Self.lookPace, min(took * 10, Self.patience))
    }

    private func rest(_ plan: ExperimentPlan, _ pacing: Pacing, isIdle: Bool) async {
        isResting = true
        defer { isResting = false }
        let now = handlers.now()
        guard isIdle else { return await handlers.sleep(now + Self.pace) }
        var until = now + Self.patience
        if pacing.hasNews { until = min(until, pacing.nextLook) }
        if pacing.hasRewards, plan.spec.allocation.strategy.isAdaptive { until = min(until, pacing.nextShares) }
        guard let cursor = board?.cursor else { return }
        await handlers.waitForNews(cursor, max(.milliseconds(1), until - now))
    }

    // MARK: Shares

    /// A scorer is written down whole: one that learns for hours is published a little less often than one that begins.
    private func sharesPace(_ allocation: Allocation, _ now: Timestamp, startedAt: Timestamp?) -> Duration {
        let pace = Duration.milliseconds(allocation.reweightEvery)
        guard allocation.strategy.isContextual, let startedAt else { return pace }
        return max(pace, min(.seconds(4), (now - startedAt) / 200))
    }

    /// False when new shares have to wait for the last ones.
    private func weigh(at now: Timestamp, _ conductor: Conductor) async -> Bool {
        guard let machine = await conductor.machine, machine.isWatched, let board else { return true }
        guard machine.takesShares else { return false }
        guard let wanted = board.allocation(at: now, besides: machine.shares) else { return true }
        let moved = zip(wanted.shares, machine.shares).map { abs($0 - $1) }.max() ?? 0
        guard moved >= Self.shareDifferenceMin || wanted.isNews else { return true }
        self.board?.wasPublished()
        return await conductor.post(.reweighted(shares: wanted.shares, scorer: wanted.scorer), attempt: machine.attempt)
    }

    // MARK: Evidence

    /// A look is recorded when it changes something, or some time later. What it rests on is written down first.
    private func consider(_ conductor: Conductor, isDue: Bool = false) async {
        guard let machine = await conductor.machine, machine.isWatched, let board else { return }
        var seen = board.look()
        look = seen
        let last = posted?.look ?? machine.look
        let now = handlers.now()
        let age = machine.startedAt.map { now - $0 } ?? .zero
        let isOld = (posted?.at ?? machine.startedAt).map { now - $0 >= max(Self.recordPace, age / 100) } ?? true
        guard seen.standing != last?.standing || ((isOld || isDue) && !seen.isSame(as: last)) else { return }
        let cursor = board.cursor
        guard await conductor.reach(ExperimentBoundary.beforeKeep) else { return }
        do throws(Fault) {
            seen.mark = .init(cursor: cursor, digest: try await handlers.keep(name, board.evidence))
        } catch {
            // The look stands without it: a restart reads from an earlier mark.
            log.warning("evidence could not be written down", ["experiment": .string(name), "why": .string(error.why)])
        }
        guard await conductor.reach(ExperimentBoundary.afterKeep), !Task.isCancelled, await !conductor.isStopped else { return }
        if await conductor.post(.looked(look: seen), attempt: machine.attempt) { posted = (seen, now) }
    }
}

extension Conductor<ExperimentMachine> {
    func command(_ command: ExperimentCommand, by: String, reason: String?) async throws(Fault) {
        try await tell(.commanded(command: command, by: by, reason: reason), by: by)
    }
}

extension ExperimentLook {
    /// What has consequences; everything else is detail.
    struct Standing: Equatable {
        var outcome: Outcome
        var winner: String?
        var isBlocked: Bool
        var isStopped: Bool
        var hasBegun: Bool
    }
    /// The same, wherever it was written down.
    func isSame(as other: ExperimentLook?) -> Bool {
        guard var other else { return false }
        other.mark = mark
        return self == other
    }

    var standing: Standing {
        Standing(
            outcome: outcome, winner: winner, isBlocked: blockedBy != nil, isStopped: stoppedBy != nil,
            hasBegun: firstExposure != nil)
    }
}
