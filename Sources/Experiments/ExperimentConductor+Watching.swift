import Faults
import JSON
import Telemetry

extension ExperimentConductor {
    /// How long it rests after each read, so that a busy route is read in batches.
    static let pace = Duration.milliseconds(20)
    /// Between two looks at the evidence at least.
    static let lookPace = Duration.milliseconds(250)
    /// Statistics that change no verdict are recorded this often at first, and then as the experiment grows older.
    static let recordPace = Duration.seconds(10)
    /// Shares that differ by less are not worth a table, in basis points.
    static let shareDifferenceMin = 25
    static let patience = Duration.seconds(5)

    /// When something is done next.
    private struct Pacing {
        var nextLook: Timestamp
        var nextShares: Timestamp
        /// There is something that was not looked at, and rewards that were not weighed.
        var hasNews = true
        var hasRewards = true
    }

    /// Folds observations as they come: a verdict, or new shares, are out within a moment of their data.
    func keepLooking(_ plan: ExperimentPlan, _ layer: ExperimentLayer, from mark: ExperimentLook.Mark?) async {
        board = await recall(plan, layer, mark)
        var pacing = Pacing(nextLook: handlers.now(), nextShares: handlers.now())
        while !Task.isCancelled, !isStopped, let cursor = board?.cursor {
            do {
                let (observations, next) = try await handlers.observations(layer.route, cursor)
                guard !Task.isCancelled, !isStopped else { return }
                board?.fold(observations, upTo: next, at: handlers.now())
                if !observations.isEmpty { (pacing.hasNews, pacing.hasRewards) = (true, true) }
                // A restart folds again what it had seen; while there is more to read nothing is said.
                if observations.count == ExperimentHandlers.observationsMax { continue }
                await act(plan, &pacing)
                await rest(pacing, isIdle: observations.isEmpty)
            } catch {
                log.error("cannot read outcomes", ["experiment": .string(name), "why": .string(error.what)])
                await handlers.sleep(handlers.now() + .seconds(1))
            }
        }
    }

    /// The evidence as it was written down last, or from the beginning: it is a pure fold, so both come to the same.
    private func recall(_ plan: ExperimentPlan, _ layer: ExperimentLayer, _ mark: ExperimentLook.Mark?) async -> ExperimentBoard {
        let fresh = ExperimentBoard(plan, layer)
        guard let mark, let bytes = await handlers.kept(name, mark.digest) else { return fresh }
        do {
            return try ExperimentBoard(plan, layer, evidence: bytes)
        } catch {
            log.warning(
                "evidence that was written down cannot be read; outcomes are read from the beginning",
                ["experiment": .string(name), "why": .string(error.why)])
            return fresh
        }
    }

    private func act(_ plan: ExperimentPlan, _ pacing: inout Pacing) async {
        let now = handlers.now()
        if pacing.hasRewards || plan.spec.allocation.discount != nil, plan.spec.allocation.strategy.isAdaptive,
            now >= pacing.nextShares
        {
            pacing.hasRewards = !weigh(at: now)
            pacing.nextShares = now + sharesPace(plan.spec.allocation, now)
        }
        guard pacing.hasNews, now >= pacing.nextLook else { return }
        pacing.hasNews = false
        let started = handlers.now()
        await consider(plan)
        // However much there is to look at, most of the time is left to everybody else.
        let took = handlers.now() - started
        pacing.nextLook = handlers.now() + max(Self.lookPace, min(took * 10, Self.patience))
    }

    private func rest(_ pacing: Pacing, isIdle: Bool) async {
        isResting = true
        defer { isResting = false }
        let now = handlers.now()
        guard isIdle else { return await handlers.sleep(now + Self.pace) }
        var until = now + Self.patience
        if pacing.hasNews { until = min(until, pacing.nextLook) }
        if pacing.hasRewards, machine?.plan.spec.allocation.strategy.isAdaptive == true { until = min(until, pacing.nextShares) }
        guard let cursor = board?.cursor else { return }
        await handlers.waitForNews(cursor, max(.milliseconds(1), until - now))
    }

    // MARK: Shares

    /// A scorer is written down whole: one that learns for hours is published a little less often than one that begins.
    private func sharesPace(_ allocation: Allocation, _ now: Timestamp) -> Duration {
        let pace = Duration.milliseconds(allocation.reweightEvery)
        guard allocation.strategy.isContextual, let startedAt = machine?.startedAt else { return pace }
        return max(pace, min(.seconds(4), (now - startedAt) / 200))
    }

    /// False when new shares have to wait for the last ones.
    private func weigh(at now: Timestamp) -> Bool {
        guard let machine, machine.isWatched, let board else { return true }
        guard machine.takesShares else { return false }
        guard let wanted = board.allocation(at: now) else { return true }
        let moved = zip(wanted.shares, machine.shares).map { abs($0 - $1) }.max() ?? 0
        guard moved >= Self.shareDifferenceMin || wanted.isNews else { return true }
        self.board?.wasPublished()
        return post(.reweighted(shares: wanted.shares, scorer: wanted.scorer))
    }

    // MARK: Evidence

    /// A look is recorded when it changes something, or some time later. What it rests on is written down first.
    func consider(_ plan: ExperimentPlan, isDue: Bool = false) async {
        guard let machine, machine.isWatched, let board else { return }
        var seen = board.look()
        look = seen
        let last = posted?.look ?? machine.look
        let now = handlers.now()
        let age = machine.startedAt.map { now - $0 } ?? .zero
        let isOld = (posted?.at ?? machine.startedAt).map { now - $0 >= max(Self.recordPace, age / 100) } ?? true
        guard seen.standing != last?.standing || ((isOld || isDue) && !seen.isSame(as: last)) else { return }
        let cursor = board.cursor
        guard reach(ExperimentBoundary.beforeKeep) else { return }
        do throws(Fault) {
            seen.mark = .init(cursor: cursor, digest: try await handlers.keep(name, board.evidence))
        } catch {
            // The look stands without it: a restart reads from an earlier mark.
            log.warning("evidence could not be written down", ["experiment": .string(name), "why": .string(error.why)])
        }
        guard reach(ExperimentBoundary.afterKeep), !Task.isCancelled, !isStopped, self.machine?.isWatched == true else { return }
        if post(.looked(look: seen)) { posted = (seen, now) }
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
