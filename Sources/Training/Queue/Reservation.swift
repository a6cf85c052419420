/// When something is expected of a running job: that it is gone, say.
struct Due: Comparable, Sendable {
    /// In the clock's milliseconds.
    var at: Int64
    var number: Int
    var ticket: JobQueue.Ticket
    static func < (a: Due, b: Due) -> Bool { a.at != b.at ? a.at < b.at : a.number < b.number }
}

extension SortedChunks<Due> {
    /// Whose moment has come, the first first.
    func through(_ now: Int64) -> [JobQueue.Ticket] {
        var tickets: [JobQueue.Ticket] = []
        walk { due in
            if due.at <= now { tickets.append(due.ticket) }
            return due.at > now
        }
        return tickets
    }
}

/// The earliest time and place for a job that has none now, kept free of jobs that would not be gone by then (EASY backfill;
/// Lifka, JSSPP 1995). It stands on how long running jobs are expected to run; one of unknown length is taken to run on.
struct Reservation {
    let job: JobQueue.Ticket
    /// When its place is free.
    let from: Int64
    /// The nodes as they will be then, with the place taken.
    private var then: Cluster

    /// Nil when its place comes free at no known time. `cluster` has no room for the gang.
    init?(
        for job: JobQueue.Ticket, _ gang: Gang, on cluster: Cluster, ends: SortedChunks<Due>,
        places: (JobQueue.Ticket) -> Placement?
    ) {
        var later = cluster.prepared(onlyFor: gang)
        var from: Int64?
        // What ends at one time ends together.
        ends.walk { end in
            if let from, end.at > from { return true }
            if let placement = places(end.ticket) { later.giveBack(placement) }
            if from == nil, later.holds(gang) { from = end.at }
            return false
        }
        guard let from, let placement = later.placement(of: gang) else { return nil }
        later.take(placement)
        (self.job, self.from, then) = (job, from, later)
    }

    /// Whether a job placed so is in nobody's way, however long it runs.
    func leavesRoom(beside placement: Placement) -> Bool { then.hasRoom(for: placement) }

    /// A job that runs on past the reservation takes room then as well.
    mutating func admit(_ placement: Placement, until end: Int64?) {
        if let end, end <= from { return }
        then.take(placement)
    }
}
