/// The queue of a policy that may take places from running jobs: those ahead get one, those behind give it. A job that keeps its
/// turn keeps its place, and of those behind the last give first, so that nobody moves for nothing.
///
/// Jobs that ask for the same stand in one line in the order of their turns, and running ones in another. Only the first of a line
/// is looked at: where there is no room for it even without all running jobs behind it, there is none for the others of its line.
/// Which room that is, a `SettledView` of the line keeps.
public struct PreemptingQueue: KeptQueue {
    struct Entry: Comparable, Sendable {
        /// Where time changes it, as it is at the moment 0.
        let turn: Turn
        let ticket: Ticket
        static func < (a: Entry, b: Entry) -> Bool { a.turn < b.turn }
    }
    struct Held: Sendable {
        var job: QueuedJob
        let shape: Int
        var turn: Turn
        /// When what it had and has left was last counted.
        var since: Int64
    }
    /// Jobs that ask for the same.
    struct Shape: Sendable {
        let look: GangLook
        /// Those that wait.
        var line = SortedChunks<Entry>()
        var view: SettledView?
        /// In the last pass: what was missing. The same finds none later in a pass.
        var shortfall: Shortfall?
    }

    public internal(set) var cluster: Cluster
    public let policy: QueuePolicy
    var jobs: [Held?] = []
    private var vacant: [Ticket] = []
    var shapes: [Shape] = []
    private var shapeOf: [Gang: Int] = [:]
    /// Those that may be stopped.
    var running = SortedChunks<Entry>()
    private var ends = SortedChunks<Due>()
    /// When running jobs fall behind for what they have had.
    private var falls = SortedChunks<Due>()
    var use: TeamUse
    public private(set) var waiting = 0

    /// So many running jobs are asked to give way before a view is made that knows whether that helps.
    var patience = 32
    /// So many lines have a view of their own.
    var viewsMax = 64

    // Of the pass under way, and until the next one begins.
    var passes = 0
    /// The first of each line that is still to be looked at.
    var heads = Heap<Entry>()
    /// Those that gave up their places and have their turn yet, the last first.
    var displaced: [Entry] = []
    var overQuota: [Ticket: String] = [:]

    /// Of running jobs that are submitted, the places are taken on this cluster.
    public init(_ cluster: Cluster, by policy: QueuePolicy, quotas: [String: TeamQuota] = [:]) {
        precondition(policy.preempts, "a policy that stops nobody has a cheaper queue: see `JobQueue`")
        precondition(policy.isOrderedByJob, "jobs that give places are ordered by what they are, and not by others")
        (self.cluster, self.policy, use) = (cluster, policy, TeamUse(quotas))
    }

    public subscript(ticket: Ticket) -> QueuedJob? { jobs.indices.contains(ticket) ? jobs[ticket]?.job : nil }
    public var nextEnd: Int64? { ends.first?.at }
    public var nextChange: Int64? { waiting > 0 ? falls.first?.at : nil }

    public func ended(by now: Int64) -> [Ticket] { ends.through(now) }

    // MARK: Turns

    /// Of a running job the least time left is the first end: the order of two does not change as time goes on.
    private func runningTurn(_ job: QueuedJob, since: Int64) -> Turn {
        let turn = policy.turn(of: job, by: nil)
        return policy.order == .remaining ? turn.later(by: since) : turn
    }

    /// A waiting job's among those that run.
    func turn(_ turn: Turn, at now: Int64) -> Turn { policy.order == .remaining ? turn.later(by: now) : turn }

    // MARK: Coming and going

    public mutating func submit(_ job: QueuedJob, now: Int64) -> Ticket {
        precondition(job.running == nil || passes == 0, "running jobs come before the first pass")
        let ticket = vacant.popLast() ?? jobs.count
        let turn = job.running == nil ? policy.turn(of: job, by: nil) : runningTurn(job, since: now)
        let held = Held(job: job, shape: shape(of: job.gang), turn: turn, since: now)
        if ticket == jobs.count { jobs.append(held) } else { jobs[ticket] = held }
        if let placement = job.running { seat(ticket, held, placement) } else { queue(ticket, held) }
        return ticket
    }

    public mutating func end(_ ticket: Ticket) {
        guard jobs.indices.contains(ticket), let held = jobs[ticket] else { return }
        if let placement = held.job.running {
            cluster.giveBack(placement)
            leave(ticket, held, placement)
        } else {
            leaveLine(ticket, held)
        }
        jobs[ticket] = nil
        vacant.append(ticket)
    }

    private mutating func shape(of gang: Gang) -> Int {
        if let known = shapeOf[gang] { return known }
        cluster.prepare(for: gang)
        shapes.append(Shape(look: GangLook(gang, on: cluster)))
        shapeOf[gang] = shapes.count - 1
        return shapes.count - 1
    }

    mutating func queue(_ ticket: Ticket, _ held: Held) {
        shapes[held.shape].line.insert(Entry(turn: held.turn, ticket: ticket))
        waiting += 1
    }

    mutating func leaveLine(_ ticket: Ticket, _ held: Held) {
        shapes[held.shape].line.remove(Entry(turn: held.turn, ticket: ticket))
        waiting -= 1
    }

    /// Its place is taken on the cluster already.
    mutating func seat(_ ticket: Ticket, _ held: Held, _ placement: Placement) {
        use.add(placement, of: held.job.team)
        if let remaining = held.job.remaining {
            ends.insert(Due(at: held.since + remaining, number: held.job.number, ticket: ticket))
        }
        tell(placement, held.job.isPreemptible, from: nil, to: held.turn)
        guard held.job.isPreemptible else { return }
        running.insert(Entry(turn: held.turn, ticket: ticket))
        if let fall = fall(of: ticket, held) { falls.insert(fall) }
    }

    /// Its place is given back on the cluster already.
    mutating func leave(_ ticket: Ticket, _ held: Held, _ placement: Placement) {
        use.remove(placement, of: held.job.team)
        if let remaining = held.job.remaining {
            ends.remove(Due(at: held.since + remaining, number: held.job.number, ticket: ticket))
        }
        tell(placement, held.job.isPreemptible, from: held.turn, to: nil)
        guard held.job.isPreemptible else { return }
        running.remove(Entry(turn: held.turn, ticket: ticket))
        if let fall = fall(of: ticket, held) { falls.remove(fall) }
    }

    private mutating func tell(_ placement: Placement, _ isPreemptible: Bool, from: Turn?, to: Turn?) {
        for shape in shapes.indices where shapes[shape].view != nil {
            if isPreemptible {
                shapes[shape].view?.change(placement, from: from, to: to)
            } else if from == nil {
                shapes[shape].view?.take(placement)
            } else {
                shapes[shape].view?.giveBack(placement)
            }
        }
    }

    private func fall(of ticket: Ticket, _ held: Held) -> Due? {
        policy.nextFall(of: held.job).map { Due(at: held.since + $0, number: held.job.number, ticket: ticket) }
    }

    // MARK: Time

    /// What it has had and has left, until now.
    static func count(_ held: inout Held, now: Int64) {
        guard held.job.running != nil else { return }
        let passed = max(0, now - held.since)
        held.job.attained += passed * held.job.rate
        held.job.remaining = held.job.remaining.map { max(0, $0 - passed) }
        held.since = now
    }

    /// Those that have had so much that they stand further behind.
    mutating func fall(by now: Int64) {
        while let due = falls.first, due.at <= now {
            falls.remove(due)
            guard var held = jobs[due.ticket], let placement = held.job.running else { continue }
            running.remove(Entry(turn: held.turn, ticket: due.ticket))
            let before = held.turn
            if let remaining = held.job.remaining {
                ends.remove(Due(at: held.since + remaining, number: held.job.number, ticket: due.ticket))
            }
            Self.count(&held, now: now)
            if let remaining = held.job.remaining {
                ends.insert(Due(at: held.since + remaining, number: held.job.number, ticket: due.ticket))
            }
            held.turn = runningTurn(held.job, since: now)
            jobs[due.ticket] = held
            running.insert(Entry(turn: held.turn, ticket: due.ticket))
            tell(placement, true, from: before, to: held.turn)
            if let fall = fall(of: due.ticket, held) { falls.insert(fall) }
        }
    }

    /// It runs from now on, on a place that is taken on the cluster already.
    mutating func start(_ ticket: Ticket, on placement: Placement, now: Int64) {
        guard var held = jobs[ticket] else { return }
        held.job.running = placement
        held.job.firstStart = held.job.firstStart ?? now
        held.since = now
        held.turn = runningTurn(held.job, since: now)
        jobs[ticket] = held
        seat(ticket, held, placement)
    }

    /// It waits from now on, and has given its place back; it comes into its line when the pass is over.
    mutating func stop(_ ticket: Ticket, now: Int64) {
        guard var held = jobs[ticket], let placement = held.job.running else { return }
        leave(ticket, held, placement)
        Self.count(&held, now: now)
        held.job.running = nil
        held.turn = policy.turn(of: held.job, by: nil)
        jobs[ticket] = held
    }
}

extension Turn {
    /// The same so much later, where its second part is a time.
    fileprivate func later(by time: Int64) -> Turn {
        let (moment, isOver) = second.addingReportingOverflow(time)
        return Turn(first, isOver ? .max : moment, then: third, number)
    }
}
