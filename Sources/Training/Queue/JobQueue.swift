/// The jobs that wait and run on a cluster, kept in such an order that a look at them costs what has changed and not what waits:
/// jobs that ask for the same stand in one line, and where the first of a line finds no room the whole line is passed over.
/// Running jobs keep their places. A value: the same calls give the same answers.
///
/// Lines stand in lanes. Most policies have one; under `fair` each team has its own for each priority, and the lane that has the
/// least for its weight is looked at first.
public struct JobQueue: KeptQueue {
    /// A job's place in its line, with what is asked of every one on the way.
    private struct Entry: Sendable {
        var turn: Turn
        let ticket: Ticket
        /// `.max` where it is not known.
        let remaining: Int64
    }
    private struct Line: Sendable {
        let shape: Int
        /// In order of turns, from `first` on: those before it have gone.
        var entries: [Entry] = []
        var first = 0
        /// Those before it have been looked at in this pass, and stay.
        var cursor = 0

        mutating func remove(at place: Int) {
            // Most go from the front, and the others do not move up for each.
            guard place == first else {
                _ = entries.remove(at: place)
                return
            }
            first += 1
            cursor = max(cursor, first)
            guard first > 64, first > entries.count / 2 else { return }
            entries.removeFirst(first)
            (first, cursor) = (0, cursor - first)
        }

        mutating func insert(_ entry: Entry) {
            var (low, high) = (first, entries.count)
            if let last = entries.last, last.turn < entry.turn { low = high }
            while low < high {
                let middle = (low + high) / 2
                if entries[middle].turn < entry.turn { low = middle + 1 } else { high = middle }
            }
            entries.insert(entry, at: low)
        }
    }
    private struct Lane: Sendable {
        let priority: Int
        let team: String
        var lines: [Line] = []
        var lineOfShape: [Int: Int] = [:]
        /// Nobody of the lane up to this one is looked at again in this pass.
        var passed: Turn?
    }
    /// What is known of a gang in this pass.
    private enum Answer: Sendable {
        case unknown
        /// The same finds none later in this pass: room only becomes less.
        case roomless
        /// As long as nothing else has started since.
        case fits(Placement, afterStarts: Int)
    }
    /// Where a pass found one to look at.
    private struct Find {
        let lane: Int
        let line: Int
        let place: Int
    }

    public private(set) var cluster: Cluster
    public let policy: QueuePolicy
    private var jobs: [QueuedJob?] = []
    private var vacant: [Ticket] = []
    private var shapes: [Gang] = []
    private var shapeOf: [Gang: Int] = [:]
    private var lanes: [Lane] = []
    private var laneOf: [String: [Int: Int]] = [:]
    private var served: [String: Double] = [:]
    /// Where jobs are weighed; and by ticket then, what of it lasts.
    private var scales: QueueScales?
    private var lasting: [(points: QueueScales.Lasting, team: Int)] = []
    /// Teams that ever had a job, and how many each has now.
    private var teams: [String] = []
    private var teamOf: [String: Int] = [:]
    private var members: [Int] = []
    private var use: TeamUse
    private var ends = SortedChunks<Due>()
    private var endOf: [Ticket: Due] = [:]
    public private(set) var waiting = 0

    // Of the pass under way, and until the next one begins.
    private var answers: [Answer] = []
    /// By shape: what is missing, once for all that ask for the same.
    private var shortfalls: [Shortfall?] = []
    private var starts = 0
    private var reservation: Reservation?
    private var overQuota: [Ticket: String] = [:]
    private var head: Ticket?
    private var isMatched = false

    /// Of running jobs that are submitted, the places are taken on this cluster.
    public init(_ cluster: Cluster, by policy: QueuePolicy, quotas: [String: TeamQuota] = [:]) {
        precondition(!policy.preempts, "a policy that stops running jobs has a queue of its own: see `PreemptingQueue`")
        (self.cluster, self.policy, use) = (cluster, policy, TeamUse(quotas))
        scales = policy.scales(for: [], on: cluster, now: 0)
    }

    public subscript(ticket: Ticket) -> QueuedJob? { jobs.indices.contains(ticket) ? jobs[ticket] : nil }

    public var nextEnd: Int64? { ends.first?.at }
    public var nextChange: Int64? { nil }

    public func ended(by now: Int64) -> [Ticket] { ends.through(now) }

    // MARK: Coming and going

    public mutating func submit(_ job: QueuedJob, now: Int64) -> Ticket {
        let ticket = vacant.popLast() ?? jobs.count
        if ticket == jobs.count { jobs.append(job) } else { jobs[ticket] = job }
        if let scales { count(in: ticket, job, by: scales) }
        if let placement = job.running {
            seat(ticket, job, placement, now: now)
        } else {
            let lane = lane(for: job)
            let line = line(for: job.gang, in: lane)
            lanes[lane].lines[line].insert(
                Entry(turn: policy.turn(of: job, by: nil), ticket: ticket, remaining: job.remaining ?? .max))
            waiting += 1
        }
        return ticket
    }

    public mutating func end(_ ticket: Ticket) {
        guard let job = self[ticket] else { return }
        if let placement = job.running {
            cluster.giveBack(placement)
            use.remove(placement, of: job.team)
            served[job.team, default: 0] -= Double(job.rate)
            if let end = endOf.removeValue(forKey: ticket) { ends.remove(end) }
        } else {
            let lane = lane(for: job)
            let line = line(for: job.gang, in: lane)
            let from = lanes[lane].lines[line].first
            if let place = lanes[lane].lines[line].entries[from...].firstIndex(where: { $0.ticket == ticket }) {
                lanes[lane].lines[line].remove(at: place)
            }
            waiting -= 1
        }
        if scales != nil { members[lasting[ticket].team] -= 1 }
        jobs[ticket] = nil
        vacant.append(ticket)
    }

    /// For the weighing.
    private mutating func count(in ticket: Ticket, _ job: QueuedJob, by scales: QueueScales) {
        let team = teamOf[job.team] ?? teams.count
        if team == teams.count {
            teams.append(job.team)
            teamOf[job.team] = team
            members.append(0)
        }
        members[team] += 1
        let its = (points: scales.lasting(job), team: team)
        if ticket == lasting.count { lasting.append(its) } else { lasting[ticket] = its }
    }

    private mutating func seat(_ ticket: Ticket, _ job: QueuedJob, _ placement: Placement, now: Int64) {
        use.add(placement, of: job.team)
        served[job.team, default: 0] += Double(job.rate)
        guard let remaining = job.remaining else { return }
        let end = Due(at: now + remaining, number: job.number, ticket: ticket)
        ends.insert(end)
        endOf[ticket] = end
    }

    private mutating func lane(for job: QueuedJob) -> Int {
        var (team, priority) = ("", 0)
        if case .share = policy.order { (team, priority) = (job.team, job.priority) }
        if let lane = laneOf[team]?[priority] { return lane }
        lanes.append(Lane(priority: priority, team: team))
        laneOf[team, default: [:]][priority] = lanes.count - 1
        return lanes.count - 1
    }

    private mutating func line(for gang: Gang, in lane: Int) -> Int {
        let shape: Int
        if let known = shapeOf[gang] {
            shape = known
        } else {
            shape = shapes.count
            shapes.append(gang)
            answers.append(.unknown)
            shapeOf[gang] = shape
            cluster.prepare(for: gang)
        }
        if let line = lanes[lane].lineOfShape[shape] { return line }
        lanes[lane].lines.append(Line(shape: shape))
        lanes[lane].lineOfShape[shape] = lanes[lane].lines.count - 1
        return lanes[lane].lines.count - 1
    }

    // MARK: A pass

    public mutating func pass(now: Int64) -> Schedule {
        begin(now)
        var schedule = Schedule()
        while let find = next(now) {
            let entry = lanes[find.lane].lines[find.line].entries[find.place]
            guard let job = jobs[entry.ticket] else { break }
            guard let placement = placement(for: lanes[find.lane].lines[find.line].shape) else {
                if keepFree(for: entry, job, &schedule) { continue }
                break
            }
            if let limit = use.limit(for: placement, of: job.team) {
                overQuota[entry.ticket] = limit
                lanes[find.lane].lines[find.line].cursor = find.place + 1
                continue
            }
            start(find, entry, placement, now)
            schedule.starts.append(.init(job: entry.ticket, placement: placement))
        }
        if reservation == nil { match(&schedule, alike: false) }
        shortfalls = shapes.indices.map { shape in
            if case .roomless = answers[shape] { Shortfall(shapes[shape], on: cluster) } else { nil }
        }
        schedule.head = head
        return schedule
    }

    private mutating func begin(_ now: Int64) {
        for shape in shapes.indices { answers[shape] = .unknown }
        (starts, reservation, head, isMatched) = (0, nil, nil, false)
        overQuota.removeAll(keepingCapacity: true)
        var shares: [Double] = []
        if scales != nil {
            let used = teams.indices.filter { members[$0] > 0 }.map { (teams[$0], served[teams[$0]] ?? 0) }
            scales?.see(Dictionary(uniqueKeysWithValues: used), now: now)
            shares = teams.map { scales?.share(of: $0) ?? 1 }
        }
        for lane in lanes.indices {
            lanes[lane].passed = nil
            for line in lanes[lane].lines.indices {
                lanes[lane].lines[line].cursor = lanes[lane].lines[line].first
                if let scales { weigh(lane, line, scales, shares) }
            }
        }
    }

    /// Points change with time.
    private mutating func weigh(_ lane: Int, _ line: Int, _ scales: QueueScales, _ shares: [Double]) {
        let first = lanes[lane].lines[line].first
        var isSorted = true
        for place in lanes[lane].lines[line].entries.indices[first...] {
            let entry = lanes[lane].lines[line].entries[place]
            let (points, team) = lasting[entry.ticket]
            let turn = Turn(points: scales.points(of: points, share: shares[team]), entry.turn.number)
            if place > first, turn < lanes[lane].lines[line].entries[place - 1].turn { isSorted = false }
            lanes[lane].lines[line].entries[place].turn = turn
        }
        if !isSorted { lanes[lane].lines[line].entries[first...].sort { $0.turn < $1.turn } }
    }

    /// The next one in order that is to be looked at: once a place is kept free, only such as may have one.
    private mutating func next(_ now: Int64) -> Find? {
        var isTried = Array(repeating: false, count: lanes.count)
        while let lane = firstLane(isTried) {
            isTried[lane] = true
            var best: Find?
            var turn: Turn?
            for line in lanes[lane].lines.indices {
                guard let place = firstOpen(lane, line, now) else { continue }
                let its = lanes[lane].lines[line].entries[place].turn
                if let turn, turn < its { continue }
                (best, turn) = (Find(lane: lane, line: line, place: place), its)
            }
            if let best { return best }
        }
        return nil
    }

    /// By priority, then by what its team has for its weight.
    private func firstLane(_ isTried: [Bool]) -> Int? {
        guard case .share(let weights) = policy.order else { return isTried.firstIndex(of: false) }
        var best: (lane: Int, share: Double)?
        for lane in lanes.indices where !isTried[lane] {
            let share = (served[lanes[lane].team] ?? 0) / (weights[lanes[lane].team] ?? 1)
            if let best {
                let (mine, its) = (lanes[lane].priority, lanes[best.lane].priority)
                if its > mine || its == mine && (best.share, lanes[best.lane].team) < (share, lanes[lane].team) { continue }
            }
            best = (lane, share)
        }
        return best?.lane
    }

    private mutating func firstOpen(_ lane: Int, _ line: Int, _ now: Int64) -> Int? {
        let shape = lanes[lane].lines[line].shape
        if case .roomless = answers[shape] { return nil }
        let count = lanes[lane].lines[line].entries.count
        var place = lanes[lane].lines[line].cursor
        if let passed = lanes[lane].passed {
            while place < count, lanes[lane].lines[line].entries[place].turn < passed { place += 1 }
            lanes[lane].lines[line].cursor = place
        }
        guard place < count else { return nil }
        guard let reservation else { return place }
        guard let placement = placement(for: shape) else { return nil }
        if reservation.leavesRoom(beside: placement) { return place }
        let limit = reservation.from - now
        return lanes[lane].lines[line].entries[place...].firstIndex { $0.remaining <= limit }
    }

    private mutating func placement(for shape: Int) -> Placement? {
        switch answers[shape] {
        case .roomless: return nil
        case .fits(let placement, starts): return placement
        case .unknown, .fits: break
        }
        let found = cluster.placement(of: shapes[shape])
        answers[shape] = found.map { .fits($0, afterStarts: starts) } ?? .roomless
        return found
    }

    /// There is no room for it: whether others may go before it, which the first such job has a time and a place kept free from.
    private mutating func keepFree(for entry: Entry, _ job: QueuedJob, _ schedule: inout Schedule) -> Bool {
        if Shortfall(job.gang, on: cluster).isForEver { return true }
        if !policy.skips {
            head = entry.ticket
            return false
        }
        guard policy.reserves, reservation == nil else { return true }
        // What is kept free is decided on the places as they stay: from here on nobody's size moves elsewhere.
        if !isMatched { match(&schedule, alike: true) }
        isMatched = true
        let jobs = jobs
        reservation = Reservation(for: entry.ticket, job.gang, on: cluster, ends: ends) { jobs[$0]?.running }
        if reservation != nil { lanes[lane(for: job)].passed = entry.turn }
        return true
    }

    private mutating func start(_ find: Find, _ entry: Entry, _ placement: Placement, _ now: Int64) {
        lanes[find.lane].lines[find.line].remove(at: find.place)
        lanes[find.lane].passed = entry.turn
        waiting -= 1
        starts += 1
        cluster.take(placement)
        reservation?.admit(placement, until: entry.remaining == .max ? nil : now + entry.remaining)
        jobs[entry.ticket]?.running = placement
        if let job = jobs[entry.ticket] { seat(entry.ticket, job, placement, now: now) }
    }

    /// Lets those that have just started change places where that gets more done.
    private mutating func match(_ schedule: inout Schedule, alike: Bool) {
        var candidates: [Matchmaker.Candidate] = []
        for (place, start) in schedule.starts.enumerated() {
            guard let job = jobs[start.job], job.throughputs.isKnown else { continue }
            candidates.append(.init(job: place, gang: job.gang, throughputs: job.throughputs, placement: start.placement))
        }
        Matchmaker.match(&candidates, on: &cluster, alike: alike)
        for candidate in candidates where schedule.starts[candidate.job].placement != candidate.placement {
            let ticket = schedule.starts[candidate.job].job
            guard var job = jobs[ticket] else { continue }
            use.remove(schedule.starts[candidate.job].placement, of: job.team)
            use.add(candidate.placement, of: job.team)
            served[job.team, default: 0] -= Double(job.rate)
            job.running = candidate.placement
            served[job.team, default: 0] += Double(job.rate)
            schedule.starts[candidate.job].placement = candidate.placement
            jobs[ticket] = job
        }
    }

    // MARK: Telling

    public func wait(of ticket: Ticket) -> Schedule.Wait? {
        guard let job = self[ticket], job.running == nil, let shape = shapeOf[job.gang] else { return nil }
        if let limit = overQuota[ticket] { return .overQuota(limit: limit) }
        if shortfalls.indices.contains(shape), let shortfall = shortfalls[shape] { return .noRoom(shortfall) }
        return reservation.map { .keptFree(for: $0.job, until: $0.from) }
    }
}
