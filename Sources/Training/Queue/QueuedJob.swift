/// A job as the scheduler sees it: what it needs, how it stands, what it has had. Times are milliseconds of one clock.
public struct QueuedJob: Equatable, Sendable {
    /// In order of submission, and unique: the last tie-breaker.
    public var number: Int
    public var gang: Gang
    public var submitted: Int64
    /// 0 to 1 000, higher first.
    public var priority: Int
    public var team: String
    public var isPreemptible: Bool
    /// How long it would still run, where that is known.
    public var remaining: Int64?
    /// Device-milliseconds (or rank-milliseconds, without devices) that it has had until now.
    public var attained: Int64
    public var firstStart: Int64?
    /// Where it runs now; nil while it waits.
    public var running: Placement?
    /// How fast it is, where that is known.
    public var throughputs: Throughputs

    public init(
        number: Int, gang: Gang, submitted: Int64, priority: Int = 500, team: String = "", isPreemptible: Bool = true,
        remaining: Int64? = nil, attained: Int64 = 0, firstStart: Int64? = nil, running: Placement? = nil,
        throughputs: Throughputs = .unknown
    ) {
        (self.number, self.gang, self.submitted, self.priority, self.team) = (number, gang, submitted, priority, team)
        (self.isPreemptible, self.remaining, self.attained) = (isPreemptible, remaining, attained)
        (self.firstStart, self.running, self.throughputs) = (firstStart, running, throughputs)
    }

    /// What it receives for each millisecond that it runs: its devices, or its ranks where it has none.
    public var rate: Int64 {
        guard let running else { return Int64(gang.ranks.lowerBound * (gang.each.accelerators.first?.count ?? 1)) }
        return Int64(max(running.devices, running.devices == 0 ? running.ranks : 0))
    }
}
