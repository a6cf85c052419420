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
/// on one kind of accelerator; ties break by the nodes' order. `preference` names kinds to try first (the fastest, say).
public func place(_ gang: Gang, on cluster: Cluster, preference: [AcceleratorKind] = []) -> PlacementAnswer {
    let choices = cluster.choices(for: gang.each, preference: preference)
    if let placement = cluster.placement(of: gang, choices) { return .placed(placement) }
    return .waiting(Shortfall(gang, on: cluster, choices: choices))
}

extension Cluster {
    /// Where the ranks go; nil where there is no room, without a word about why.
    func placement(of gang: Gang, _ choices: [Placement.Devices?]) -> Placement? {
        for ranks in gang.ranks.reversed() {
            for choice in choices {
                if let seats = seats(for: ranks, of: gang, choice) {
                    return Placement(seats: seats, each: gang.each, seen: version)
                }
            }
        }
        return nil
    }

    func placement(of gang: Gang) -> Placement? { placement(of: gang, choices(for: gang.each, preference: [])) }

    /// The kinds of device that each rank could be given, the preferred first; one nil where none is asked for.
    func choices(for demand: Demand, preference: [AcceleratorKind]) -> [Placement.Devices?] {
        if demand.accelerators.isEmpty { return [nil] }
        var choices: [Placement.Devices?] = []
        for wish in demand.accelerators {
            let matching = kinds.indices.filter { wish.accepts(kinds[$0]) }
            let ranked = matching.map { kind in (preference.firstIndex(of: kinds[kind]) ?? preference.count, kind) }
            choices += ranked.sorted { $0 < $1 }.map { Placement.Devices(kind: $0.1, perRank: wish.count) }
        }
        return choices
    }

    /// Seats for exactly so many ranks, or nil.
    func seats(for ranks: Int, of gang: Gang, _ devices: Placement.Devices?) -> [Placement.Seat]? {
        if let devices, devicesFreeInAll[devices.kind] < ranks * devices.perRank { return nil }
        switch gang.spread {
        case .count: return anywhere(ranks, nodes.indices, gang.each, devices)
        case .consolidate:
            return tightest(ranks, gang.each, devices) ?? whole(ranks, gang.each, devices)
        case .pack:
            if let seats = tightest(ranks, gang.each, devices) ?? whole(ranks, gang.each, devices) { return seats }
            let rooms = nodes.indices.map { room(on: $0, for: gang.each, devices) }
            // Each counts for no more than is asked, so that the sum stays a number.
            guard rooms.reduce(0, { $0 + min($1, ranks) }) >= ranks else { return nil }
            let emptiest = nodes.indices.filter { rooms[$0] > 0 }.sorted { (-rooms[$0], $0) < (-rooms[$1], $1) }
            return anywhere(ranks, emptiest, gang.each, devices)
        }
    }

    /// Filled up node by node.
    private func anywhere(_ ranks: Int, _ order: some Sequence<Int>, _ demand: Demand, _ devices: Placement.Devices?)
        -> [Placement.Seat]?
    {
        var seats: [Placement.Seat] = []
        var left = ranks
        for node in order {
            let here = min(left, room(on: node, for: demand, devices))
            if here <= 0 { continue }
            seats.append(Placement.Seat(node: node, ranks: here, devices: devices))
            left -= here
            if left == 0 { return seats }
        }
        return nil
    }

    /// All on the node where the least room is left over.
    private func tightest(_ ranks: Int, _ demand: Demand, _ devices: Placement.Devices?) -> [Placement.Seat]? {
        var best: (node: Int, room: Int)?
        for node in nodes.indices {
            let room = room(on: node, for: demand, devices)
            guard room >= ranks, room < best?.room ?? .max || best == nil else { continue }
            best = (node, room)
            if room == ranks { break }
        }
        return best.map { [Placement.Seat(node: $0.node, ranks: ranks, devices: devices)] }
    }

    /// On nodes that run nothing else, as many as it takes; only for a gang that is too large for every node.
    private func whole(_ ranks: Int, _ demand: Demand, _ devices: Placement.Devices?) -> [Placement.Seat]? {
        var seats: [Placement.Seat] = []
        var left = ranks
        for node in nodes.indices {
            if capacity(of: node, for: demand, devices) >= ranks { return nil }
            guard left > 0, isWhollyFree(node) else { continue }
            let here = min(left, room(on: node, for: demand, devices))
            if here <= 0 { continue }
            seats.append(Placement.Seat(node: node, ranks: here, devices: devices))
            left -= here
        }
        return left == 0 ? seats : nil
    }
}
