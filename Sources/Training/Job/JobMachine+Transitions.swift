public import Conducting
import Faults
import Telemetry

extension JobMachine {
    public mutating func handle(_ input: Input) -> [Intent] {
        let answered = input.answering.flatMap { id in intents.first { $0.id == id } }
        if let id = input.answering {
            guard answered != nil else { return [] }  // nobody waits for this answer any more
            intents.removeAll { $0.id == id }
        }
        let orders = decide(input.event, answering: answered?.effect, at: input.at)
        var decided: [Intent] = []
        for order in orders {
            decided.append(Intent(id: nextIntent, order, at: input.at))
            nextIntent += 1
        }
        intents += decided
        return decided
    }

    private mutating func decide(_ event: Event, answering effect: Effect?, at now: Timestamp) -> [Order] {
        switch event {
        case .applied:
            submittedAt = now
            return []
        case .placed(let seats, let port, let why): return place(seats, port, why, at: now)
        case .launched(let slot, let life, let handle): return launched(slot, life, handle, at: now)
        case .formed:
            epoch = 1
            for slot in ranks.indices { ranks[slot].hasMet = true }
            mend(at: now, withMesh: true)
            return []
        case .met(let slot, _):
            guard epoch > 0 else { return [] }
            if ranks[slot].isNew { return cameNear(slot) }
            epoch += 1
            if !ranks[slot].hasMet, ranks[slot].state == .up { ranks[slot].state = .joining }
            ranks[slot].hasMet = true
            return []
        case .joined(let slot, _, _):
            ranks[slot].state = .up
            mend(at: now, withMesh: true)
            cameIn(slot, at: now)
            return []
        case .reseated(let slot, _, let seat):
            ranks[slot].seat = seat
            return []
        case .left(let slot, _): return left(slot, at: now)
        case .died(let slot, _, let death, let survivable, let step):
            return died(slot, death, survivable: survivable, step: step, at: now)
        case .checkpointed(let path, let step, let bytes):
            checkpoint = KnownCheckpoint(path: path, step: step, bytes: bytes, at: now)
            checkpoints += 1
            return []
        case .stopAsked: return []
        case .killed: return killed(at: now)
        case .registered(let version, _):
            self.version = version
            end(.finished, at: now)
            return []
        case .failed(let trouble): return failed(trouble, doing: effect, at: now)
        case .cancelled(let by, let reason):
            return stop(.cancelled, because: "cancelled by \(by)" + (reason.map { ": \($0)" } ?? ""), at: now)
        case .scaled(let ranks, _):
            (ranksAsked, resizeTo) = (ranks, nil)
            return state == .queued || world == ranks ? [] : stop(.rescaled(ranks), at: now)
        case .preempted(let other):
            // What it is only about to get is given first.
            if state == .running, ranks.contains(where: { $0.isNew }) {
                return withdrawGrowth(because: "\(other) needs room and comes first", at: now)
            }
            return stop(.preempted(by: other), at: now)
        case .resized(let ranks, let why):
            guard state == .running else { return [] }
            note(RankChange(at: now, run: run, from: world, to: ranks, why: why, isLive: false))
            (resizeTo, resizedBecause, resizes) = (ranks, why, resizes + (ranksAsked == nil ? 1 : 0))
            return stop(.rescaled(ranks), at: now)
        case .scaleAsked(let ranks, _):
            (ranksAsked, resizeTo) = (ranks, nil)
            return []
        case .changing(let ranks, let seats, let why): return change(to: ranks, seats, why, at: now)
        case .rescaled(_, _, let step): return rescaled(step, at: now)
        case .dismissed(let slot, let life):
            guard ranks.indices.contains(slot), ranks[slot].life == life, !ranks[slot].stays else { return [] }
            return dismissed(slot, at: now)
        case .drained(let node): return stop(.drained(node: node), at: now)
        case .timePassed:
            if state == .running { return changeIsLate(at: now) }
            guard state == .stopping else { return [] }
            killAt = now + .seconds(60)  // asked again, should the engine not manage it
            return [Order(.kill)]
        }
    }

    // MARK: Beginning

    private mutating func place(_ seats: [Seat], _ port: Int, _ why: String, at now: Timestamp) -> [Order] {
        guard state == .queued else { return [] }
        run += 1
        (state, epoch, cause, resizeTo) = (.starting, 0, nil, nil)
        (lives, changeDue, settledAt) = ([:], nil, now)
        (self.master, self.port, placedBecause) = (seats.first?.host ?? "127.0.0.1", port, why)
        ranks = seats.map { Rank(seat: $0) }
        (placedAt, firstPlacedAt) = (now, firstPlacedAt ?? now)
        return seats.indices.map { Order(.launch(slot: $0, life: 0)) }
    }

    private mutating func launched(_ slot: Int, _ life: Int, _ handle: EngineHandle, at now: Timestamp) -> [Order] {
        guard ranks.indices.contains(slot), ranks[slot].life == life, state.isSeated else { return [] }
        ranks[slot].handle = handle
        if ranks[slot].state == .starting { ranks[slot].state = .up }
        if state == .starting, ranks.allSatisfy({ $0.state == .up }) {
            state = .running
            mend(at: now, withMesh: false)
            if let last = changes.indices.last, !changes[last].isOver { changes[last].endedAt = now }
        }
        // It began while it was not needed any more, or while the job was already asked to end.
        if ranks[slot].isOut { return [Order(.dismiss(slot: slot, life: life))] }
        return state == .stopping ? [Order(.stop(withinSeconds: 0, checkpoint: false))] : []
    }

    /// The last unmended loss is over: the job trains as before.
    private mutating func mend(at now: Timestamp, withMesh: Bool) {
        for index in losses.indices where losses[index].mendedAt == nil && losses[index].hadMesh == withMesh {
            losses[index].mendedAt = now
        }
    }

    // MARK: Ends of ranks

    private mutating func left(_ slot: Int, at now: Timestamp) -> [Order] {
        if state != .stopping, !ranks[slot].stays { return retire(slot, at: now) }
        ranks[slot].state = .done
        if state == .stopping { return ranks.allSatisfy(\.isGone) ? stopped(at: now) : [] }
        return completeIfDone(at: now)
    }

    /// Ranks that were on their way in or out are not waited for.
    mutating func completeIfDone(at now: Timestamp) -> [Order] {
        guard ranks.allSatisfy({ $0.isGone || !$0.stays }), ranks.contains(where: { $0.stays }) else { return [] }
        if ranks.allSatisfy(\.isGone) { return complete(at: now) }
        changeDue = now + Self.endingMax
        return dismissals { !$0.stays }
    }

    /// Every rank has done its part.
    private mutating func complete(at now: Timestamp) -> [Order] {
        intents.removeAll { $0.effect.kind != .register }
        release(at: now)
        guard spec.output != nil else {
            end(.finished, at: now)
            return []
        }
        state = .registering
        return [Order(.register)]
    }

    private mutating func died(_ slot: Int, _ death: RankDeath, survivable: Bool, step: Int64, at now: Timestamp) -> [Order] {
        let stays = ranks[slot].stays
        if ranks[slot].state == .leaving, state == .stopping { ranks[slot].isOut = true }
        ranks[slot].state = .dead
        if state == .stopping {
            if stopping == .restart || stopping == .failed { reconsider(slot, death, step, at: now) }
            return ranks.allSatisfy(\.isGone) ? stopped(at: now) : []
        }
        if !stays { return diedOnTheWay(slot, death, step, at: now) }
        let isFailure = death.kind != .needsRestart && !wasCounted(death, at: now)
        if isFailure { failures += 1 }
        let isSpent = failures > spec.failuresMax
        // A replacement that has not taken part yet has no state to go on from: alone it would wait for ever.
        let others = ranks.indices.contains {
            $0 != slot && ranks[$0].stays && ranks[$0].state == .up && ranks[$0].hasMet
        }
        let survives = survivable && epoch > 0 && others && !isSpent && !ranks.contains { $0.state == .done && $0.stays }
        let isHopeless = isFailure && !survives && failsAlike(death, step: step)
        record(slot, death, step, survived: survives, at: now)
        if survives {
            epoch += 1
            ranks[slot].life += 1
            (ranks[slot].state, ranks[slot].handle, ranks[slot].hasMet) = (.starting, nil, false)
            return [Order(.launch(slot: slot, life: ranks[slot].life))]
        }
        cause = losses.count - 1
        if isSpent || isHopeless {
            let why =
                isSpent
                ? "more deaths than recovery.max_failures (\(spec.failuresMax))"
                : "it failed in the same way before, at the same step"
            return stop(.failed, because: why, at: now)
        }
        return stop(.restart, at: now)
    }

    /// A node takes all its ranks with it: that is one failure.
    private func wasCounted(_ death: RankDeath, at now: Timestamp) -> Bool {
        death.kind == .nodeLost
            && losses.contains {
                $0.run == run && $0.death.kind == .nodeLost && $0.death.detail == death.detail && now - $0.at < .seconds(60)
            }
    }

    /// A rank of the run before died in the same way, and no step or checkpoint came between: another start would be the same.
    private func failsAlike(_ death: RankDeath, step: Int64) -> Bool {
        guard let before = losses.last(where: { $0.run == run - 1 }), death.kind != .killed, death.kind != .nodeLost else {
            return false
        }
        let hasNewCheckpoint = checkpoint.map { $0.at > before.at } ?? false
        return death.isSame(as: before.death) && step <= before.step && !hasNewCheckpoint
    }

    mutating func record(_ slot: Int, _ death: RankDeath, _ step: Int64, survived: Bool, at now: Timestamp) {
        if losses.count >= Self.lossesMax { losses.remove(at: 1) }  // the first one tells most
        losses.append(
            Loss(
                at: now, run: run, slot: slot, life: ranks[slot].life, death: death, wasSurvived: survived,
                hadMesh: epoch > 0, step: step))
    }

    /// Others die of the first death. Where the first to be heard of only lost its connection, it was not the first to die.
    private mutating func reconsider(_ slot: Int, _ death: RankDeath, _ step: Int64, at now: Timestamp) {
        guard let first = firstCause, first.death.isLikelyConsequence, !death.isLikelyConsequence, now - first.at < .seconds(10),
            death.kind == .exited && !death.exception.isEmpty || death.kind == .outOfMemory
        else { return }
        record(slot, death, step, survived: false, at: now)
        cause = losses.count - 1
    }

    // MARK: Stopping

    mutating func stop(_ reason: StopReason, because: String? = nil, at now: Timestamp) -> [Order] {
        if let because { endedBecause = because }
        switch state {
        case .queued:
            if reason == .cancelled { end(.cancelled, at: now) }
            return []
        case .starting, .running, .stopping:
            // What ends the job overrules what would start it again.
            if state == .stopping, reason != .cancelled { return [] }
            let seconds = Self.seconds(for: reason)
            abandonChange(because: "the job was stopped first", at: now)
            (state, stopping) = (.stopping, reason)
            killAt = now + .milliseconds(Int64(seconds) * 1_000 + Self.killAfter)
            intents.removeAll { $0.effect.kind == .launch && $0.due > now }
            if ranks.allSatisfy(\.isGone) { return stopped(at: now) }
            return [Order(.stop(withinSeconds: seconds, checkpoint: seconds > 0))]
        case .registering, .finished, .failed, .cancelled: return []
        }
    }

    private static func seconds(for reason: StopReason) -> Int {
        switch reason {
        case .preempted, .rescaled, .drained: stopSeconds
        case .cancelled, .restart, .failed: 0
        }
    }

    /// Nothing of the run is left.
    mutating func stopped(at now: Timestamp) -> [Order] {
        let reason = stopping
        let isComplete = ranks.allSatisfy { $0.state == .done || !$0.stays } && ranks.contains { $0.stays }
        intents.removeAll { $0.effect.kind != .register }
        stopping = nil
        killAt = nil
        switch reason {
        case .cancelled: finish(.cancelled, at: now)
        case .failed: finish(.failed, at: now)
        case .preempted, .drained, .rescaled, .restart, nil:
            // Asked to stop, it came to its end instead.
            if isComplete { return complete(at: now) }
            if case .preempted = reason { preemptions += 1 }
            release(at: now)
            state = .queued
        }
        return []
    }

    private mutating func killed(at now: Timestamp) -> [Order] {
        guard state == .stopping else { return [] }
        for slot in ranks.indices where !ranks[slot].isGone { ranks[slot].state = .dead }
        return stopped(at: now)
    }

    private mutating func failed(_ trouble: Trouble, doing effect: Effect?, at now: Timestamp) -> [Order] {
        switch effect {
        case .launch(let slot, let life):
            guard ranks.indices.contains(slot), ranks[slot].life == life, !ranks[slot].isGone else { return [] }
            let death = RankDeath(.notStarted, detail: "\(trouble.what) \(trouble.why)")
            return died(slot, death, survivable: false, step: 0, at: now)
        case .register:
            self.trouble = trouble
            endedBecause = "its output could not be registered: \(trouble.what)"
            end(.failed, at: now)
            return []
        case .kill, .stop, .dismiss, nil: return []  // asked again when the time has passed
        }
    }

    // MARK: Ending

    private mutating func release(at now: Timestamp) {
        settle(at: now)
        if let placedAt { ran += (now - placedAt).wholeMilliseconds }
        (placedAt, settledAt, changeDue) = (nil, nil, nil)
        ranks = []
    }

    private mutating func finish(_ state: State, at now: Timestamp) {
        release(at: now)
        end(state, at: now)
    }

    private mutating func end(_ state: State, at now: Timestamp) {
        (self.state, endedAt) = (state, now)
        intents = []
    }
}

extension Duration {
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
