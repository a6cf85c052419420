/// A pass over the queue of a policy that may take places.
extension PreemptingQueue {
    /// For so many passes a view is kept that nobody asks.
    private static let idleMax = 256

    public mutating func pass(now: Int64) -> Schedule {
        fall(by: now)
        begin(now)
        var schedule = Schedule()
        var stopped: [Ticket] = []
        while let (entry, wasRunning) = next() {
            guard let held = jobs[entry.ticket] else { continue }
            if wasRunning { schedule.stops.append(entry.ticket) }
            let placement = shapes[held.shape].shortfall == nil ? place(entry, held, now) : nil
            if let placement { schedule.starts.append(.init(job: entry.ticket, placement: placement)) }
            if wasRunning {
                if placement == nil { stopped.append(entry.ticket) }
            } else {
                if placement != nil { leaveLine(entry.ticket, held) }
                follow(Entry(turn: held.turn, ticket: entry.ticket), in: held.shape, now)
            }
            if let placement { start(entry.ticket, on: placement, now: now) }
        }
        for ticket in stopped { if let held = jobs[ticket] { queue(ticket, held) } }
        return schedule
    }

    public func wait(of ticket: Ticket) -> Schedule.Wait? {
        guard jobs.indices.contains(ticket), let held = jobs[ticket], held.job.running == nil else { return nil }
        if let limit = overQuota[ticket] { return .overQuota(limit: limit) }
        return shapes[held.shape].shortfall.map { .noRoom($0) }
    }

    private mutating func begin(_ now: Int64) {
        passes += 1
        overQuota.removeAll(keepingCapacity: true)
        var first: [Entry] = []
        for shape in shapes.indices {
            shapes[shape].shortfall = nil
            if let head = shapes[shape].line.first { first.append(Entry(turn: turn(head.turn, at: now), ticket: head.ticket)) }
            if let view = shapes[shape].view, passes - view.asked > Self.idleMax { shapes[shape].view = nil }
        }
        heads = Heap(first)
    }

    /// The next one in the order of turns.
    private mutating func next() -> (entry: Entry, wasRunning: Bool)? {
        if let last = displaced.last, heads.first.map({ last < $0 }) ?? true {
            displaced.removeLast()
            return (last, true)
        }
        return heads.removeFirst().map { ($0, false) }
    }

    /// The next of a line is looked at in its turn, unless there is no room for any.
    private mutating func follow(_ entry: Entry, in shape: Int, _ now: Int64) {
        guard shapes[shape].shortfall == nil, let next = shapes[shape].line.first(after: entry) else { return }
        heads.insert(Entry(turn: turn(next.turn, at: now), ticket: next.ticket))
    }

    // MARK: A place

    /// Finds the job a place and takes it, at the cost of jobs behind it where it must be.
    private mutating func place(_ entry: Entry, _ held: Held, _ now: Int64) -> Placement? {
        let shape = held.shape
        if use.quotas[held.job.team] != nil {
            // Its quota counts what it would get if nobody behind it were there.
            settle(shape, for: entry)
            guard let view = shapes[shape].view, let anyway = view.cluster.placement(of: view.look) else {
                return refuse(shape, byView: true)
            }
            if let limit = use.limit(for: anyway, of: held.job.team) {
                overQuota[entry.ticket] = limit
                return nil
            }
        }
        if let placement = cluster.placement(of: shapes[shape].look) {
            cluster.take(placement)
            return placement
        }
        guard let last = running.last, entry < last else { return refuse(shape, byView: false) }
        // Who was refused before mostly is again; for one that is new, those at the end are mostly enough.
        if shapes[shape].view?.head != entry.ticket,
            let placement = evict(for: shape, behind: entry, atMost: patience, now)
        {
            return placement
        }
        settle(shape, for: entry)
        guard shapes[shape].view?.holds == true else { return refuse(shape, byView: true) }
        return evict(for: shape, behind: entry, atMost: .max, now)
    }

    private mutating func refuse(_ shape: Int, byView: Bool) -> Placement? {
        if byView, let view = shapes[shape].view {
            shapes[shape].shortfall = Shortfall(view.look, on: view.cluster)
        } else {
            shapes[shape].shortfall = Shortfall(shapes[shape].look, on: cluster)
        }
        return nil
    }

    /// Takes places from the last on until there is room. Those whose places were not needed after all keep them.
    private mutating func evict(for shape: Int, behind entry: Entry, atMost count: Int, _ now: Int64) -> Placement? {
        var (evicted, found): ([(Entry, Placement)], Placement?) = ([], nil)
        let (all, look) = (self.running, shapes[shape].look)
        all.walkBack { other in
            guard entry < other, evicted.count < count else { return true }
            guard let place = jobs[other.ticket]?.job.running else { return false }
            cluster.giveBack(place)
            evicted.append((other, place))
            found = cluster.placement(of: look)
            return found != nil
        }
        if let found { cluster.take(found) }
        for (other, place) in evicted.reversed() {
            if cluster.contains(place) { cluster.take(place) } else { displace(other, now) }
        }
        return found
    }

    private mutating func displace(_ entry: Entry, _ now: Int64) {
        stop(entry.ticket, now: now)
        displaced.insert(entry, at: displaced.firstIndex { $0 < entry } ?? displaced.count)
    }

    // MARK: Views

    /// Brings the line's view to a job's turn.
    private mutating func settle(_ shape: Int, for entry: Entry) {
        let target = running.countBefore(entry)
        func steps(to view: SettledView) -> Int {
            abs(running.countBefore(Entry(turn: view.bound, ticket: -1)) - target)
        }
        // To copy the view of another line costs a look at every node.
        let copying = cluster.nodes.count / 4
        let own = shapes[shape].view.map(steps) ?? .max
        if own > copying {
            var (least, source): (Int, Int?) = (running.count - target, nil)
            for other in shapes.indices where other != shape {
                guard let view = shapes[other].view, steps(to: view) < least else { continue }
                (least, source) = (steps(to: view), other)
            }
            if own == .max || own - copying > least {
                let base = source.flatMap { shapes[$0].view }
                if own == .max { makeRoomForView() }
                shapes[shape].view = SettledView(
                    for: shapes[shape].look.gang, head: entry.ticket, on: base?.cluster ?? cluster, bound: base?.bound ?? .end,
                    asked: passes)
            }
        }
        let all = jobs
        shapes[shape].view?.move(to: entry.turn, past: running) { all[$0]?.job.running }
        shapes[shape].view?.head = entry.ticket
        shapes[shape].view?.asked = passes
    }

    /// The one that nobody has asked for longest goes where there are too many.
    private mutating func makeRoomForView() {
        let viewed = shapes.indices.filter { shapes[$0].view != nil }
        guard viewed.count >= viewsMax else { return }
        if let oldest = viewed.min(by: { (shapes[$0].view?.asked ?? 0) < (shapes[$1].view?.asked ?? 0) }) {
            shapes[oldest].view = nil
        }
    }
}
