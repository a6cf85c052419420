/// The earliest time and place for a job that has none now, kept free of jobs that would not be gone by then (EASY backfill;
/// Lifka, JSSPP 1995). It stands on how long running jobs are expected to run; one of unknown length is taken to run on.
struct Reservation {
    let job: Int
    /// When its place is free.
    let from: Int64
    /// The nodes as they will be then, with the place taken.
    private var then: Cluster

    /// Nil when its place comes free at no known time.
    init?(for job: Int, of jobs: [QueuedJob], started: [Schedule.Start], on cluster: Cluster, now: Int64) {
        var ends: [(at: Int64, number: Int, placement: Placement)] = []
        for other in jobs {
            if let placement = other.running, let remaining = other.remaining {
                ends.append((now + remaining, other.number, placement))
            }
        }
        for start in started {
            if let remaining = jobs[start.job].remaining { ends.append((now + remaining, jobs[start.job].number, start.placement)) }
        }
        ends.sort { ($0.at, $0.number) < ($1.at, $1.number) }
        var later = cluster
        var next = 0
        while next < ends.count {
            let at = ends[next].at
            while next < ends.count, ends[next].at == at {
                later.giveBack(ends[next].placement)
                next += 1
            }
            if case .placed(let placement) = place(jobs[job].gang, on: later) {
                later.take(placement)
                (self.job, from, then) = (job, at, later)
                return
            }
        }
        return nil
    }

    /// Whether a job placed so would be gone in time, or in nobody's way.
    func admits(_ placement: Placement, until end: Int64?) -> Bool {
        if let end, end <= from { return true }
        return then.hasRoom(for: placement)
    }

    /// A job that runs on past the reservation takes room then as well.
    mutating func admit(_ placement: Placement, until end: Int64?) {
        if let end, end <= from { return }
        then.take(placement)
    }
}
