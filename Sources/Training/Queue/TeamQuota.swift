/// What one team may use at a time.
public struct TeamQuota: Codable, Equatable, Sendable {
    public var ranks: Int?
    public var accelerators: Int?
    /// Thousandths of a core.
    public var cpus: Int64?
    /// Bytes.
    public var memory: Int64?

    public init() {}

    struct Usage: Equatable, Sendable {
        var ranks = 0
        var accelerators = 0
        var cpus: Int64 = 0
        var memory: Int64 = 0

        mutating func add(_ ranks: Int, _ accelerators: Int, _ each: Demand) {
            self.ranks += ranks
            self.accelerators += accelerators
            cpus += each.cpus * Int64(ranks)
            memory += each.memory * Int64(ranks)
        }

        mutating func add(_ placement: Placement) { add(placement.ranks, placement.devices, placement.each) }
        mutating func remove(_ placement: Placement) { add(-placement.ranks, -placement.devices, placement.each) }
    }

    /// The limit that this would be too much for.
    func exceeded(by usage: Usage) -> String? {
        if let ranks, usage.ranks > ranks { return "\(ranks) ranks" }
        if let accelerators, usage.accelerators > accelerators { return "\(accelerators) accelerators" }
        if let cpus, usage.cpus > cpus { return "\(Double(cpus) / 1_000) CPUs" }
        if let memory, usage.memory > memory { return "\(memory >> 20) MiB of memory" }
        return nil
    }
}

/// What teams use at one moment, against what they may.
struct TeamUse: Sendable {
    let quotas: [String: TeamQuota]
    private var used: [String: TeamQuota.Usage] = [:]

    init(_ quotas: [String: TeamQuota]) { self.quotas = quotas }

    mutating func add(_ placement: Placement, of team: String) {
        if quotas[team] != nil { used[team, default: .init()].add(placement) }
    }

    mutating func remove(_ placement: Placement, of team: String) {
        if quotas[team] != nil { used[team, default: .init()].remove(placement) }
    }

    /// The limit that another so large job would be too much for.
    func limit(for placement: Placement, of team: String) -> String? {
        guard let quota = quotas[team] else { return nil }
        var usage = used[team] ?? .init()
        usage.add(placement)
        return quota.exceeded(by: usage)
    }

    /// What the quota leaves of a gang that may have fewer ranks: its least at least.
    func capped(_ gang: Gang, of team: String) -> Gang {
        guard let quota = quotas[team], gang.ranks.count > 1 else { return gang }
        let most = gang.ranks.last { ranks in
            var usage = used[team] ?? .init()
            usage.add(ranks, ranks * (gang.each.accelerators.first?.count ?? 0), gang.each)
            return quota.exceeded(by: usage) == nil
        }
        var capped = gang
        capped.ranks = gang.ranks.lowerBound...(most ?? gang.ranks.lowerBound)
        return capped
    }
}
