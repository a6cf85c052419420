/// What a rank takes of a node, and on which nodes it may be: gangs of one profile find the same room.
struct RoomProfile: Hashable, Sendable {
    var cpus: Int64
    var memory: Int64
    var devices: Placement.Devices?
    var rule: NodeRule

    init(_ gang: Gang, _ devices: Placement.Devices?) { self.init(gang.each, devices, rule: gang.nodes) }

    init(_ each: Demand, _ devices: Placement.Devices?, rule: NodeRule = .anywhere) {
        (cpus, memory, self.devices, self.rule) = (each.cpus, each.memory, devices, rule)
    }

    // Few profiles differ in their rules alone.
    func hash(into hasher: inout Hasher) {
        hasher.combine(cpus)
        hasher.combine(memory)
        hasher.combine(devices)
    }
}

/// How many ranks of one profile find room on each node, in order of room: whether a gang fits is known without walking over
/// the nodes, and where it fits best nearly so.
struct RoomIndex: Sendable {
    /// Nodes with the same room.
    private struct Level: Sendable {
        let room: Int32
        var nodes: NodeSet
    }
    /// A rank that needs nothing fits any number of times: as many as this.
    static let roomMax = 1 << 30

    let profile: RoomProfile
    /// Of all nodes.
    private(set) var total = 0
    /// Of nodes that run nothing.
    private(set) var totalOfWhole = 0
    /// With nothing running: of all nodes, and of the largest.
    let capacity: Int
    let capacityMax: Int
    /// By node.
    private var rooms: [Int32]
    /// Nodes that run nothing.
    private var whole: NodeSet
    private let admitted: NodeSet?
    /// Those with room, the least first.
    private var levels: [Level] = []

    init(_ profile: RoomProfile, on cluster: Cluster) {
        self.profile = profile
        let count = cluster.nodes.count
        var admitted: NodeSet?
        if !profile.rule.isAnywhere {
            var some = NodeSet(of: count)
            for node in cluster.nodes.indices where profile.rule.admits(cluster.nodes[node].labels) { some.insert(node) }
            admitted = some
        }
        self.admitted = admitted
        rooms = Array(repeating: 0, count: count)
        whole = NodeSet(of: count)
        var (capacity, capacityMax) = (0, 0)
        for node in cluster.nodes.indices where admitted?.contains(node) ?? true {
            let here = min(Self.roomMax, cluster.capacity(of: node, for: profile))
            (capacity, capacityMax) = (capacity + here, max(capacityMax, here))
        }
        (self.capacity, self.capacityMax) = (capacity, capacityMax)
        for node in cluster.nodes.indices { update(node, on: cluster) }
    }

    /// What is free on a node has changed.
    mutating func update(_ node: Int, on cluster: Cluster) {
        let isAdmitted = admitted?.contains(node) ?? true
        change(
            node, to: isAdmitted ? Int32(min(Self.roomMax, cluster.room(on: node, for: profile))) : 0,
            isWhole: cluster.isWhollyFree(node))
    }

    private mutating func change(_ node: Int, to room: Int32, isWhole: Bool) {
        let before = rooms[node]
        if whole.contains(node) { totalOfWhole -= Int(before) }
        if isWhole {
            whole.insert(node)
            totalOfWhole += Int(room)
        } else {
            whole.remove(node)
        }
        guard room != before else { return }
        rooms[node] = room
        total += Int(room - before)
        if before > 0 {
            let level = place(of: before)
            levels[level].nodes.remove(node)
            if levels[level].nodes.count == 0 { levels.remove(at: level) }
        }
        if room > 0 {
            let level = place(of: room)
            if level == levels.count || levels[level].room != room {
                levels.insert(Level(room: room, nodes: NodeSet(of: rooms.count)), at: level)
            }
            levels[level].nodes.insert(node)
        }
    }

    /// Where the first level with so much room stands, or would.
    private func place(of room: Int32) -> Int {
        var (low, high) = (0, levels.count)
        while low < high {
            let middle = (low + high) / 2
            if levels[middle].room < room { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Of one node.
    var largest: Int { levels.last.map { Int($0.room) } ?? 0 }

    /// Whether one of these numbers of ranks has a place now.
    func holds(_ ranks: ClosedRange<Int>, _ spread: Gang.Spread) -> Bool {
        let least = ranks.lowerBound
        switch spread {
        case .count, .pack: return total >= least
        case .consolidate:
            // Only so many as no node could ever hold may lie on several.
            return largest >= least || capacityMax < ranks.upperBound && totalOfWhole >= max(least, capacityMax + 1)
        }
    }

    /// Seats for exactly so many ranks, or nil.
    func seats(for ranks: Int, _ spread: Gang.Spread) -> [Placement.Seat]? {
        guard holds(ranks...ranks, spread) else { return nil }
        switch spread {
        case .count: return anywhere(ranks)
        case .consolidate: return tightest(ranks) ?? onWhole(ranks)
        case .pack: return tightest(ranks) ?? onWhole(ranks) ?? emptiest(ranks)
        }
    }

    /// Filled up node by node.
    private func anywhere(_ ranks: Int) -> [Placement.Seat]? {
        var seats: [Placement.Seat] = []
        var left = ranks
        for node in rooms.indices where rooms[node] > 0 {
            sit(on: node, &seats, &left)
            if left == 0 { return seats }
        }
        return nil
    }

    /// All on the node where the least room is left over, the first of equals.
    private func tightest(_ ranks: Int) -> [Placement.Seat]? {
        guard ranks <= largest, let node = levels[place(of: Int32(ranks))].nodes.first else { return nil }
        return [Placement.Seat(node: node, ranks: ranks, devices: profile.devices)]
    }

    /// On nodes that run nothing else, as few as it takes; only for a gang that is too large for every node.
    private func onWhole(_ ranks: Int) -> [Placement.Seat]? {
        guard capacityMax < ranks, totalOfWhole >= ranks else { return nil }
        return roomiest(ranks) { whole.contains($0) }
    }

    /// The emptiest nodes first.
    private func emptiest(_ ranks: Int) -> [Placement.Seat]? { roomiest(ranks) { _ in true } }

    /// Those with the most room first: the fewest that hold so many ranks.
    private func roomiest(_ ranks: Int, among isMeant: (Int) -> Bool) -> [Placement.Seat]? {
        var seats: [Placement.Seat] = []
        var left = ranks
        for level in levels.reversed() {
            var from = 0
            while left > 0, let node = level.nodes.first(from: from) {
                if isMeant(node) { sit(on: node, &seats, &left) }
                from = node + 1
            }
        }
        return left == 0 ? seats : nil
    }

    private func sit(on node: Int, _ seats: inout [Placement.Seat], _ left: inout Int) {
        let here = min(left, Int(rooms[node]))
        seats.append(Placement.Seat(node: node, ranks: here, devices: profile.devices))
        left -= here
    }
}
