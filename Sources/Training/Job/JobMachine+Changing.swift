import Conducting
public import Telemetry

/// Another number of ranks that a job was given while it ran.
public struct RankChange: Equatable, Sendable {
    public var at: Timestamp
    public var run: Int
    public var from: Int
    public var to: Int
    public var why: String
    /// While the others train on; else the job stopped at a checkpoint for it.
    public var isLive: Bool
    /// The boundary from which on they trained in that number; 0 before it.
    public var step: Int64 = 0
    /// When the job trained in that number.
    public var endedAt: Timestamp?
    /// Why it never came to that.
    public var failure: String?
    /// New ranks that died before they took part.
    var tries = 0

    var isOver: Bool { endedAt != nil || failure != nil }
}

/// Ranks come and go while the others train on. Those with the highest numbers leave; those that come are told of to the others
/// when all of them can be met. What the ranks agreed on at a step boundary their Worker tells (`rescaled`).
extension JobMachine {
    static let changesMax = 100
    /// How long ranks that were asked to leave may take for a step boundary; past it the job stops at a checkpoint instead.
    static let leavingMax = Duration.seconds(120)
    /// How long new ranks may take from their start until they take part; past it the job goes on without them.
    static let comingMax = Duration.seconds(900)
    /// For the process of a rank that the others go on without already, and between two tries to end it.
    static let endingMax = Duration.seconds(15)
    /// Deaths of new ranks before the job goes on without them.
    static let triesMax = 2

    public var isChanging: Bool { ranks.contains { !$0.stays } }
    /// How many ranks it goes on with, those that come counted.
    public var worldToBe: Int { ranks.count { !$0.leaves } }
    /// A change that the ranks have not agreed on yet.
    var awaitsRescaling: Bool { ranks.contains { $0.state == .leaving && !$0.isOut || $0.isNew && $0.hasMet } }

    func canChange(to count: Int, seats: Int) -> Bool {
        guard state == .running, epoch > 0, !isChanging, count >= 1, count != world else { return false }
        guard ranks.allSatisfy({ $0.state == .up && $0.hasMet }) else { return false }
        return seats == max(0, count - world)
    }

    mutating func note(_ change: RankChange) {
        if changes.count >= Self.changesMax { changes.removeFirst() }
        changes.append(change)
    }

    /// Adds up what was used until now, before the number of ranks changes.
    mutating func settle(at now: Timestamp) {
        guard let since = settledAt else { return }
        let rate = Int64(ranks.reduce(0) { $0 + max(1, $1.seat.devices.count) })
        served += (now - since).wholeMilliseconds * rate
        settledAt = now
    }

    // MARK: Beginning

    mutating func change(to count: Int, _ seats: [Seat], _ why: String, at now: Timestamp) -> [Order] {
        guard canChange(to: count, seats: seats.count) else { return [] }
        note(RankChange(at: now, run: run, from: world, to: count, why: why, isLive: true))
        if ranksAsked == nil { (resizedBecause, resizes) = (why, resizes + 1) }
        if count < world {
            for slot in count..<world { ranks[slot].state = .leaving }
            epoch += 1
            changeDue = now + Self.leavingMax
            return []
        }
        settle(at: now)
        let first = world
        for (index, seat) in seats.enumerated() {
            var rank = Rank(seat: seat)
            (rank.life, rank.isNew) = (lives[first + index] ?? 0, true)
            ranks.append(rank)
        }
        changeDue = now + Self.comingMax
        return (first..<world).map { Order(.launch(slot: $0, life: ranks[$0].life)) }
    }

    // MARK: Coming

    /// A new rank can be met; the others hear of all new ones at once.
    mutating func cameNear(_ slot: Int) -> [Order] {
        ranks[slot].hasMet = true
        if ranks[slot].state == .up { ranks[slot].state = .joining }
        if ranks.allSatisfy({ !$0.isNew || $0.hasMet }) { epoch += 1 }
        return []
    }

    mutating func cameIn(_ slot: Int, at now: Timestamp) {
        ranks[slot].isNew = false
        endChange(at: now)
    }

    /// The ranks agreed at a step boundary: whoever leaves is out, whoever came is one of them.
    mutating func rescaled(_ step: Int64, at now: Timestamp) -> [Order] {
        for slot in ranks.indices {
            if ranks[slot].state == .leaving { ranks[slot].isOut = true }
            ranks[slot].isNew = false
        }
        if let last = changes.indices.last { changes[last].step = step }
        if isChanging { changeDue = now + Self.endingMax }
        endChange(at: now)
        return []
    }

    private mutating func endChange(at now: Timestamp) {
        guard !awaitsRescaling, !ranks.contains(where: { $0.isNew || $0.state == .joining }) else { return }
        if let last = changes.indices.last, changes[last].isLive, !changes[last].isOver { changes[last].endedAt = now }
        if !isChanging { changeDue = nil }
    }

    // MARK: Going

    /// A rank that came or left is no process any more, and its place is given back.
    mutating func retire(_ slot: Int, at now: Timestamp) -> [Order] {
        ranks[slot].state = .done
        ranks[slot].isOut = true
        if state == .stopping { return ranks.allSatisfy(\.isGone) ? stopped(at: now) : [] }
        settle(at: now)
        while let last = ranks.last, last.isOut, last.isGone {
            let slot = ranks.count - 1
            lives[slot] = last.life + 1
            intents.removeAll { $0.effect.concerns(slot) }
            ranks.removeLast()
        }
        if let last = changes.indices.last, changes[last].to > world, !changes[last].isOver {
            changes[last].failure = "the job came to its end first"
        }
        endChange(at: now)
        return completeIfDone(at: now)
    }

    /// Its Worker is gone. One that is being started at this moment is ended when it has been.
    mutating func dismissed(_ slot: Int, at now: Timestamp) -> [Order] {
        let life = ranks[slot].life
        guard !intents.contains(where: { $0.effect == .launch(slot: slot, life: life) }) else { return [] }
        return retire(slot, at: now)
    }

    /// Not counted: nobody was lost that the job needs.
    mutating func diedOnTheWay(_ slot: Int, _ death: RankDeath, _ step: Int64, at now: Timestamp) -> [Order] {
        // Its end was asked for.
        if ranks[slot].isOut { return dismissed(slot, at: now) }
        record(slot, death, step, survived: true, at: now)
        losses[losses.count - 1].mendedAt = now
        // Those that had been told of it hear that it is gone.
        let wasTold = ranks[slot].isNew ? ranks.allSatisfy { !$0.isNew || $0.hasMet } : true
        if wasTold { epoch += 1 }
        guard ranks[slot].isNew else { return retire(slot, at: now) }
        guard let last = changes.indices.last else { return retire(slot, at: now) }
        changes[last].tries += 1
        if changes[last].tries < Self.triesMax, death.kind != .nodeLost, ranks.contains(where: { $0.stays && !$0.isGone }) {
            ranks[slot].life += 1
            (ranks[slot].state, ranks[slot].handle, ranks[slot].hasMet) = (.starting, nil, false)
            return [Order(.launch(slot: slot, life: ranks[slot].life))]
        }
        changes[last].failure = "rank \(slot) \(death.text)"
        let orders = dismissals { $0.isNew }
        return orders + retire(slot, at: now)
    }

    /// Ends the ranks that are not needed. They are out from now on: no membership names them.
    mutating func dismissals(_ isMeant: (Rank) -> Bool) -> [Order] {
        var orders: [Order] = []
        for slot in ranks.indices where !ranks[slot].isGone && isMeant(ranks[slot]) {
            (ranks[slot].state, ranks[slot].isOut, ranks[slot].isNew) = (.leaving, true, false)
            let dismissal = Effect.dismiss(slot: slot, life: ranks[slot].life)
            if !intents.contains(where: { $0.effect == dismissal }) { orders.append(Order(dismissal)) }
        }
        return orders
    }

    /// The job goes on with the ranks that it has.
    mutating func withdrawGrowth(because why: String, at now: Timestamp) -> [Order] {
        // Those that heard of the new ranks hear that they are gone.
        if ranks.allSatisfy({ !$0.isNew || $0.hasMet }) { epoch += 1 }
        changeDue = now + Self.endingMax
        if let last = changes.indices.last { changes[last].failure = why }
        return dismissals { $0.isNew }
    }

    mutating func changeIsLate(at now: Timestamp) -> [Order] {
        guard let due = changeDue, due <= now else { return [] }
        changeDue = now + Self.endingMax
        if ranks.contains(where: { $0.isNew }) {
            return withdrawGrowth(because: "they did not take part within \(Self.comingMax.text)", at: now)
        }
        if ranks.contains(where: { $0.state == .leaving && !$0.isOut }) {
            let count = worldToBe
            if let last = changes.indices.last { changes[last].failure = "no step boundary came within \(Self.leavingMax.text)" }
            note(RankChange(at: now, run: run, from: world, to: count, why: "as before", isLive: false))
            resizeTo = ranksAsked == nil ? count : nil
            return stop(.rescaled(count), at: now)
        }
        if isChanging { return dismissals { $0.isOut } }
        changeDue = nil
        return []
    }

    mutating func abandonChange(because why: String, at now: Timestamp) {
        changeDue = nil
        if let last = changes.indices.last, changes[last].isLive, !changes[last].isOver { changes[last].failure = why }
    }
}

extension JobMachine.Effect {
    /// Starts or ends this slot.
    func concerns(_ slot: Int) -> Bool {
        switch self {
        case .launch(slot, _), .dismiss(slot, _): true
        case .launch, .dismiss, .stop, .kill, .register: false
        }
    }
}

extension Duration {
    /// `120 s`
    fileprivate var text: String { "\(components.seconds) s" }
}
