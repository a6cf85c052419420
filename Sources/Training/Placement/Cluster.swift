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
        /// Those that can be given to ranks.
        public var count: Int
        /// Their numbers among the devices of this resource on the node, as its driver counts them; empty where they follow each
        /// other in the order in which they stand here.
        public var numbers: [Int]
        /// Devices that are there and cannot be used, and what is wrong with them.
        public var failed: [Failed]

        public struct Failed: Equatable, Sendable, Codable {
            public var name: String
            public var why: String
            public init(name: String, why: String) { (self.name, self.why) = (name, why) }
        }
        public init(_ kind: AcceleratorKind, count: Int, numbers: [Int] = [], failed: [Failed] = []) {
            precondition(numbers.isEmpty || numbers.count == count, "each device has a number")
            (self.kind, self.count, self.numbers, self.failed) = (kind, count, numbers, failed)
        }
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

    /// The numbers that devices of a kind have among those of their resource.
    public func numbers(of kind: AcceleratorKind) -> [Int] {
        var (numbers, next): ([Int], Int) = ([], 0)
        for some in devices where some.kind.resource == kind.resource {
            let these = some.numbers.isEmpty ? Array(next..<(next + some.count)) : some.numbers
            next += some.count
            if some.kind == kind { numbers += these }
        }
        return numbers
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
    /// The nodes that run what they have and take nothing new.
    let draining: [Int]
    /// Seats taken, by node: a node without any is wholly free.
    private(set) var seatsTaken: [Int32]
    /// How much room there is for those profiles that are asked about again and again.
    private(set) var indexes: [RoomIndex] = []
    private(set) var indexOf: [RoomProfile: Int] = [:]

    public init(_ nodes: [Node], version: UInt64 = 0) {
        let nodes = nodes.sorted { $0.name < $1.name }
        let kinds = Set(nodes.flatMap { $0.devices.map(\.kind) }).sorted()
        (self.nodes, self.kinds, self.version) = (nodes, kinds, version)
        cpusFree = nodes.map { max(0, $0.cpus - ($0.taken?.cpus ?? 0)) }
        memoryFree = nodes.map { max(0, $0.memory - ($0.taken?.memory ?? 0)) }
        seatsTaken = nodes.map { _ in 0 }
        health = nodes.map(\.health)
        draining = nodes.indices.filter { nodes[$0].health == .draining }
        var devicesInAll: [Int32] = Array(repeating: 0, count: nodes.count * kinds.count)
        for (index, node) in nodes.enumerated() {
            for devices in node.devices {
                guard let kind = kinds.firstIndex(of: devices.kind) else { continue }
                devicesInAll[index * kinds.count + kind] += Int32(devices.count)
            }
        }
        self.devicesInAll = devicesInAll
        devicesFree = devicesInAll
    }

    /// Takes what the seats need. They must have been placed on this cluster.
    public mutating func take(_ placement: Placement) { change(placement, by: -1) }

    /// Gives back what `take` took.
    public mutating func giveBack(_ placement: Placement) { change(placement, by: 1) }

    /// Profiles beyond these are counted anew each time: each costs a little at every change of a node.
    static let indexesMax = 64

    /// Keeps count of the room for a gang from now on, so that placing it is a look and not a walk over all nodes.
    public mutating func prepare(for gang: Gang) {
        for choice in choices(for: gang) {
            let profile = RoomProfile(gang, choice)
            guard indexOf[profile] == nil, indexes.count < Self.indexesMax else { continue }
            indexOf[profile] = indexes.count
            indexes.append(RoomIndex(profile, on: self))
        }
    }

    /// The same cluster that keeps count for this one gang: cheaper to change.
    func prepared(onlyFor gang: Gang) -> Cluster {
        var copy = self
        let profiles = Set(choices(for: gang).map { RoomProfile(gang, $0) })
        copy.indexes.removeAll { !profiles.contains($0.profile) }
        copy.indexOf = [:]
        for (number, index) in copy.indexes.enumerated() { copy.indexOf[index.profile] = number }
        copy.prepare(for: gang)
        return copy
    }

    private mutating func change(_ placement: Placement, by sign: Int) {
        for seat in placement.seats {
            cpusFree[seat.node] += Int64(sign * seat.ranks) * placement.each.cpus
            memoryFree[seat.node] += Int64(sign * seat.ranks) * placement.each.memory
            seatsTaken[seat.node] -= Int32(sign * seat.ranks)
            if let devices = seat.devices {
                let slot = seat.node * kinds.count + devices.kind
                devicesFree[slot] += Int32(sign * seat.ranks * devices.perRank)
                precondition(devicesFree[slot] >= 0, "a device was given twice")
            }
            precondition(cpusFree[seat.node] >= 0 && memoryFree[seat.node] >= 0, "a node was given twice")
            precondition(seatsTaken[seat.node] >= 0, "a seat was given back twice")
            if indexes.isEmpty { continue }
            // Out of the cluster while they look at it: what is shared would be copied.
            var counted: [RoomIndex] = []
            swap(&counted, &indexes)
            for number in counted.indices { counted[number].update(seat.node, on: self) }
            swap(&counted, &indexes)
        }
    }

    func isWhollyFree(_ node: Int) -> Bool { seatsTaken[node] == 0 }

    /// How many ranks find room on a node now, whatever its labels.
    @inline(__always)
    func room(on node: Int, for profile: RoomProfile) -> Int {
        guard health[node] == .ready else { return 0 }
        var room = Int.max
        if let devices = profile.devices { room = Int(devicesFree[node * kinds.count + devices.kind]) / devices.perRank }
        if room > 0, profile.cpus > 0 { room = min(room, Int(cpusFree[node] / profile.cpus)) }
        if room > 0, profile.memory > 0 { room = min(room, Int(memoryFree[node] / profile.memory)) }
        return room
    }

    /// How many ranks a node could hold if nothing ran on it.
    func capacity(of node: Int, for profile: RoomProfile, evenLost: Bool = false) -> Int {
        guard evenLost || health[node] != .lost else { return 0 }
        var capacity = Int.max
        if let devices = profile.devices { capacity = Int(devicesInAll[node * kinds.count + devices.kind]) / devices.perRank }
        if profile.cpus > 0 { capacity = min(capacity, Int(nodes[node].cpus / profile.cpus)) }
        if profile.memory > 0 { capacity = min(capacity, Int(nodes[node].memory / profile.memory)) }
        return capacity
    }

    /// Whether exactly this placement could be taken by somebody new.
    func hasRoom(for placement: Placement) -> Bool {
        placement.seats.allSatisfy { room(on: $0.node, for: RoomProfile(placement.each, $0.devices)) >= $0.ranks }
    }

    /// Whether the nodes have what somebody who is there already holds, whatever their health.
    func contains(_ placement: Placement) -> Bool {
        guard placement.seats.allSatisfy({ holds($0, placement.each) }) else { return false }
        // They are placed on each node once; two kinds of device on one node are two seats of it.
        if placement.seats.count == 1 || Set(placement.seats.map(\.node)).count == placement.seats.count { return true }
        var (cpus, memory, devices): ([Int: Int64], [Int: Int64], [Int: Int32]) = ([:], [:], [:])
        for seat in placement.seats {
            cpus[seat.node, default: 0] += placement.each.cpus * Int64(seat.ranks)
            memory[seat.node, default: 0] += placement.each.memory * Int64(seat.ranks)
            guard let its = seat.devices else { continue }
            devices[seat.node * kinds.count + its.kind, default: 0] += Int32(its.perRank * seat.ranks)
        }
        return cpus.allSatisfy { cpusFree[$0.key] >= $0.value } && memory.allSatisfy { memoryFree[$0.key] >= $0.value }
            && devices.allSatisfy { devicesFree[$0.key] >= $0.value }
    }

    private func holds(_ seat: Placement.Seat, _ each: Demand) -> Bool {
        if let devices = seat.devices,
            devicesFree[seat.node * kinds.count + devices.kind] < Int32(devices.perRank * seat.ranks)
        {
            return false
        }
        return cpusFree[seat.node] >= each.cpus * Int64(seat.ranks) && memoryFree[seat.node] >= each.memory * Int64(seat.ranks)
    }

    /// What is counted beside them does not tell two clusters apart.
    public static func == (a: Cluster, b: Cluster) -> Bool {
        a.version == b.version && a.nodes == b.nodes && a.cpusFree == b.cpusFree && a.memoryFree == b.memoryFree
            && a.devicesFree == b.devicesFree && a.seatsTaken == b.seatsTaken
    }
}
