/// A machine that ranks can run on, and what it has in all.
public struct Node: Equatable, Sendable, Codable {
    public enum Health: String, Sendable, Codable {
        case ready
        /// Runs what it has, takes nothing new.
        case draining
        case lost
    }
    public struct Devices: Equatable, Sendable, Codable {
        public var kind: AcceleratorKind
        public var count: Int
        public init(_ kind: AcceleratorKind, count: Int) { (self.kind, self.count) = (kind, count) }
    }
    /// What is used by others than jobs of this installation.
    public struct Taken: Equatable, Sendable, Codable {
        /// Thousandths of a core.
        public var cpus: Int64 = 0
        /// Bytes.
        public var memory: Int64 = 0
        public init(cpus: Int64 = 0, memory: Int64 = 0) { (self.cpus, self.memory) = (cpus, memory) }
    }

    public var name: String
    /// Thousandths of a core.
    public var cpus: Int64
    /// Bytes.
    public var memory: Int64
    public var devices: [Devices]
    public var labels: [String: String]
    public var health: Health
    public var taken: Taken?
    /// Why it takes no work, where its engine says so.
    public var remark: String?

    public init(
        _ name: String, cpus: Int64 = 0, memory: Int64 = 0, devices: [Devices] = [], labels: [String: String] = [:],
        health: Health = .ready
    ) {
        (self.name, self.cpus, self.memory, self.devices, self.labels, self.health) = (name, cpus, memory, devices, labels, health)
    }
}

/// All nodes at one moment, and what is free on each: what a placement is decided on, and committed against.
///
/// Free amounts stand in flat columns, so that a decision over 10 000 nodes is a walk over arrays.
public struct Cluster: Equatable, Sendable {
    /// The moment. A commit fails when it has moved.
    public let version: UInt64
    /// In order of name: the order that breaks ties.
    public let nodes: [Node]
    /// The kinds of accelerator there are.
    public let kinds: [AcceleratorKind]

    /// By node.
    private(set) var cpusFree: [Int64]
    private(set) var memoryFree: [Int64]
    /// By node, then kind.
    private(set) var devicesFree: [Int32]
    /// By node, then kind: with nothing running.
    private let devicesInAll: [Int32]
    /// By node.
    private let health: [Node.Health]
    /// By kind, of the nodes that are ready.
    public private(set) var devicesFreeInAll: [Int]
    /// Seats taken, by node: a node without any is wholly free.
    private(set) var seatsTaken: [Int32]

    public init(_ nodes: [Node], version: UInt64 = 0) {
        let nodes = nodes.sorted { $0.name < $1.name }
        let kinds = Set(nodes.flatMap { $0.devices.map(\.kind) }).sorted()
        (self.nodes, self.kinds, self.version) = (nodes, kinds, version)
        cpusFree = nodes.map { max(0, $0.cpus - ($0.taken?.cpus ?? 0)) }
        memoryFree = nodes.map { max(0, $0.memory - ($0.taken?.memory ?? 0)) }
        seatsTaken = nodes.map { _ in 0 }
        health = nodes.map(\.health)
        var devicesInAll: [Int32] = Array(repeating: 0, count: nodes.count * kinds.count)
        devicesFreeInAll = Array(repeating: 0, count: kinds.count)
        for (index, node) in nodes.enumerated() {
            for devices in node.devices {
                guard let kind = kinds.firstIndex(of: devices.kind) else { continue }
                devicesInAll[index * kinds.count + kind] += Int32(devices.count)
                if node.health == .ready { devicesFreeInAll[kind] += devices.count }
            }
        }
        self.devicesInAll = devicesInAll
        devicesFree = devicesInAll
    }

    /// Takes what the seats need. They must have been placed on this cluster.
    public mutating func take(_ placement: Placement) { change(placement, by: -1) }

    /// Gives back what `take` took.
    public mutating func giveBack(_ placement: Placement) { change(placement, by: 1) }

    private mutating func change(_ placement: Placement, by sign: Int) {
        for seat in placement.seats {
            cpusFree[seat.node] += Int64(sign * seat.ranks) * placement.each.cpus
            memoryFree[seat.node] += Int64(sign * seat.ranks) * placement.each.memory
            seatsTaken[seat.node] -= Int32(sign * seat.ranks)
            if let devices = seat.devices {
                let slot = seat.node * kinds.count + devices.kind
                devicesFree[slot] += Int32(sign * seat.ranks * devices.perRank)
                if health[seat.node] == .ready { devicesFreeInAll[devices.kind] += sign * seat.ranks * devices.perRank }
                precondition(devicesFree[slot] >= 0, "a device was given twice")
            }
            precondition(cpusFree[seat.node] >= 0 && memoryFree[seat.node] >= 0, "a node was given twice")
            precondition(seatsTaken[seat.node] >= 0, "a seat was given back twice")
        }
    }

    func isWhollyFree(_ node: Int) -> Bool { seatsTaken[node] == 0 }

    /// How many ranks find room on a node now, with `perRank` devices of a kind each (nil: none).
    @inline(__always)
    func room(on node: Int, for demand: Demand, _ devices: Placement.Devices?) -> Int {
        guard health[node] == .ready else { return 0 }
        var room = Int.max
        if let devices { room = Int(devicesFree[node * kinds.count + devices.kind]) / devices.perRank }
        if room > 0, demand.cpus > 0 { room = min(room, Int(cpusFree[node] / demand.cpus)) }
        if room > 0, demand.memory > 0 { room = min(room, Int(memoryFree[node] / demand.memory)) }
        return room
    }

    /// How many ranks a node could hold if nothing ran on it.
    func capacity(of node: Int, for demand: Demand, _ devices: Placement.Devices?, evenLost: Bool = false) -> Int {
        guard evenLost || health[node] != .lost else { return 0 }
        var capacity = Int.max
        if let devices { capacity = Int(devicesInAll[node * kinds.count + devices.kind]) / devices.perRank }
        if demand.cpus > 0 { capacity = min(capacity, Int(nodes[node].cpus / demand.cpus)) }
        if demand.memory > 0 { capacity = min(capacity, Int(nodes[node].memory / demand.memory)) }
        return capacity
    }
}
