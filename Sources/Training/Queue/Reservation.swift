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
        let gang = jobs[job].gang
        let choices = cluster.choices(for: gang.each, preference: [])
        /// The nodes when all that end by then are gone.
        func nodes(at time: Int64) -> Cluster {
            var later = cluster
            for end in ends.prefix(while: { $0.at <= time }) { later.giveBack(end.placement) }
            return later
        }
        // Room only becomes more as jobs end: the first end that makes enough is found by halving.
        var (low, high) = (0, ends.count)
        while low < high {
            let middle = (low + high) / 2
            if nodes(at: ends[middle].at).placement(of: gang, choices) == nil { low = middle + 1 } else { high = middle }
        }
        guard low < ends.count else { return nil }
        var later = nodes(at: ends[low].at)
        guard let placement = later.placement(of: gang, choices) else { return nil }
        later.take(placement)
        (self.job, from, then) = (job, ends[low].at, later)
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
