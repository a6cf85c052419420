/// What counts for how much when a queue is weighed: a job's points are the sum of weight times factor, and the most go first.
/// A weight below zero turns its factor around.
public struct QueueWeights: Codable, Equatable, Sendable {
    /// Times priority / 1 000.
    public var priority = 0.0
    /// Times how long it has waited since its submission, in parts of `ageFull`, 1 at most.
    public var age = 0.0
    /// Times 2^(-use/share) of its team: 1 for a team that uses nothing, 1/2 for one that uses just its share.
    public var share = 0.0
    /// Times the largest part of the nodes' accelerators, CPUs or memory that its least ranks take.
    public var size = 0.0
    /// Times 1 / (1 + the hours of a device that it has had).
    public var attained = 0.0
    /// Milliseconds.
    public var ageFull: Int64 = 86_400_000

    public init() {}
}

/// One part of why a job stands where it does in the queue.
public struct QueueTerm: Equatable, Sendable {
    public var name: String
    /// Nil where the terms are compared one after the other and not added up.
    public var weight: Double?
    public var factor: Double
    /// For a person.
    public var because: String
    public var points: Double? { weight.map { $0 * factor } }
}

/// What all jobs of one moment are weighed against.
struct QueueScales: Sendable {
    private let weights: QueueWeights
    /// What teams weigh; 1 where they are not named.
    private let teams: [String: Double]
    private var now: Int64
    private let (devices, cpus, memory): (Double, Double, Double)
    /// By team: what it uses now, as a part of all that is in use, over its share.
    private var useOfShare: [String: Double] = [:]
    private var shareOfTeam: [String: Double] = [:]

    init(_ weights: QueueWeights, teams: [String: Double], jobs: some Sequence<QueuedJob>, on cluster: Cluster, now: Int64) {
        (self.weights, self.teams, self.now) = (weights, teams, now)
        devices = Double(cluster.nodes.reduce(0) { $0 + $1.devices.reduce(0) { $0 + $1.count } })
        (cpus, memory) = (cluster.nodes.reduce(0) { $0 + Double($1.cpus) }, cluster.nodes.reduce(0) { $0 + Double($1.memory) })
        var used: [String: Double] = [:]
        for job in jobs { used[job.team, default: 0] += job.running == nil ? 0 : Double(job.rate) }
        see(used, now: now)
    }

    /// Another moment. `used`: by team that has jobs, what it uses.
    mutating func see(_ used: [String: Double], now: Int64) {
        self.now = now
        // In order, since sums of fractions depend on it.
        let (all, shares) = (used.values.reduce(0, +), used.keys.sorted().reduce(0) { $0 + (teams[$1] ?? 1) })
        useOfShare = used.reduce(into: [:]) { $0[$1.key] = all > 0 ? $1.value / all / ((teams[$1.key] ?? 1) / shares) : 0 }
        shareOfTeam = useOfShare.mapValues(share)
    }

    /// What of a job's points stays the same while it waits: a long queue has no time for all of it at every look.
    struct Lasting: Sendable {
        fileprivate let priority: Double
        fileprivate let size: Double
        fileprivate let attained: Double
        fileprivate let submitted: Int64
    }

    func lasting(_ job: QueuedJob) -> Lasting {
        Lasting(
            priority: weights.priority * (Double(job.priority) / 1_000), size: weights.size == 0 ? 0 : weights.size * size(of: job),
            attained: weights.attained * attained(job), submitted: job.submitted)
    }

    /// Of a team: 1 where it uses nothing.
    func share(of team: String) -> Double { shareOfTeam[team] ?? 1 }

    /// The sum of what `terms` tells.
    func points(of lasting: Lasting, share: Double) -> Double {
        let age = weights.age * age(max(0, now - lasting.submitted))
        return lasting.priority + age + weights.share * share + lasting.size + lasting.attained
    }

    func points(of job: QueuedJob) -> Double { points(of: lasting(job), share: share(of: job.team)) }

    /// As if its team used nothing.
    func pointsAtRest(of job: QueuedJob) -> Double { points(of: lasting(job), share: 1) }

    private func age(_ waited: Int64) -> Double { min(1, Double(waited) / Double(max(1, weights.ageFull))) }
    private func attained(_ job: QueuedJob) -> Double { 1 / (1 + Double(job.attained) / 3_600_000) }

    func terms(of job: QueuedJob) -> [QueueTerm] {
        let use = useOfShare[job.team] ?? 0
        let waited = max(0, now - job.submitted)
        let hours = Double(job.attained) / 3_600_000
        let size = size(of: job)
        let team = job.team.isEmpty ? "jobs without a team" : "team \(job.team)"
        return [
            QueueTerm(
                name: "priority", weight: weights.priority, factor: Double(job.priority) / 1_000,
                because: "priority \(job.priority) of 1000"),
            QueueTerm(
                name: "age", weight: weights.age, factor: age(waited),
                because: "\(waited / 1_000) s since its submission, of \(weights.ageFull / 1_000) s"),
            QueueTerm(
                name: "share", weight: weights.share, factor: share(use),
                because: use == 0
                    ? "\(team) use\(job.team.isEmpty ? "" : "s") nothing now" : "\(team): \(Self.percent(use)) of the share in use"),
            QueueTerm(name: "size", weight: weights.size, factor: size, because: "\(Self.percent(size)) of the nodes"),
            QueueTerm(
                name: "attained", weight: weights.attained, factor: attained(job),
                because: "\(Double(Int(hours * 100)) / 100) hours of a device until now"),
        ].filter { $0.weight != 0 }
    }

    /// Two to the power of minus `use`, by halving and a short series: the same number on every machine.
    private func share(_ use: Double) -> Double {
        var (whole, factor) = (Int(min(use, 64)), 1.0)
        let x = (min(use, 64) - Double(whole)) * 0.693_147_180_559_945_3
        var (term, sum) = (1.0, 1.0)
        for power in 1...18 {
            term *= -x / Double(power)
            sum += term
        }
        while whole > 0 {
            factor /= 2
            whole -= 1
        }
        return factor * sum
    }

    private func size(of job: QueuedJob) -> Double {
        let ranks = Double(job.running?.ranks ?? job.gang.ranks.lowerBound)
        func part(_ wanted: Double, _ all: Double) -> Double { all > 0 ? min(1, wanted / all) : 0 }
        let each = job.gang.each
        return max(
            part(ranks * Double(each.accelerators.first?.count ?? 0), devices), part(ranks * Double(each.cpus), cpus),
            part(ranks * Double(each.memory), memory))
    }

    private static func percent(_ part: Double) -> String { "\(Double(Int((part * 1_000).rounded())) / 10) %" }
}
