/// Where the ranks of a gang run.
public struct Placement: Equatable, Sendable {
    /// Devices that each rank of a seat gets.
    public struct Devices: Hashable, Sendable {
        /// Of the cluster's `kinds`.
        public var kind: Int
        public var perRank: Int
    }
    /// Ranks on one node, with the devices they got.
    public struct Seat: Equatable, Sendable {
        /// Of the cluster's `nodes`.
        public var node: Int
        public var ranks: Int
        public var devices: Devices?
    }
    public var seats: [Seat]
    public var each: Demand
    /// The cluster's version that this was decided on.
    public var seen: UInt64

    public var ranks: Int { seats.reduce(0) { $0 + $1.ranks } }
    public var devices: Int { seats.reduce(0) { $0 + $1.ranks * ($1.devices?.perRank ?? 0) } }
}

/// Where the ranks go, or what is missing.
public enum PlacementAnswer: Equatable, Sendable {
    case placed(Placement)
    case waiting(Shortfall)
}

/// Where a job is placed: one snapshot in, one explained decision out. As many ranks as the gang allows and the nodes hold,
/// on one kind of accelerator, the gang's preferred kinds first; ties break by the nodes' order.
public func place(_ gang: Gang, on cluster: Cluster) -> PlacementAnswer {
    let look = GangLook(gang, on: cluster)
    if let placement = cluster.placement(of: look) { return .placed(placement) }
    return .waiting(Shortfall(look, on: cluster))
}

extension Cluster {
    /// Where the ranks go; nil where there is no room, without a word about why.
    func placement(of gang: Gang) -> Placement? { placement(of: GangLook(gang, on: self)) }

    func holds(_ gang: Gang) -> Bool { holds(GangLook(gang, on: self)) }

    /// The kinds of device that each rank could be given, in the order in which they are tried: those that the gang prefers,
    /// then as it wished for them. One nil where none is asked for.
    func choices(for gang: Gang) -> [Placement.Devices?] {
        if gang.each.accelerators.isEmpty { return [nil] }
        var choices: [Placement.Devices?] = []
        for wish in gang.each.accelerators {
            for kind in kinds.indices where wish.accepts(kinds[kind]) {
                choices.append(Placement.Devices(kind: kind, perRank: wish.count))
            }
        }
        if gang.preference.isEmpty { return choices }
        let ranked = choices.enumerated().map { place, choice in
            (choice.flatMap { gang.preference.firstIndex(of: kinds[$0.kind]) } ?? gang.preference.count, place)
        }
        return ranked.sorted { $0 < $1 }.map { choices[$0.1] }
    }
}
