internal import CCollectives

/// One rank as the others know it.
public struct Member: Equatable, Sendable {
    /// Its number in the job, which a replacement takes over.
    public var slot: Int32
    /// Where its mesh listens.
    public var address: MeshAddress
    /// Ranks with the same text share memory.
    public var host: String

    public init(slot: Int32, address: MeshAddress, host: String) {
        (self.slot, self.address, self.host) = (slot, address, host)
    }
}

/// A host name or number and a port: "10.0.0.7:4100", "[::1]:4100".
public struct MeshAddress: Equatable, Sendable {
    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) {
        (self.host, self.port) = (host, port)
    }

    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        if host.isEmpty || host.utf8.count > 255 { return nil }
        self.init(host: String(host), port: port)
    }

    public var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Who belongs to an epoch: what all its members must have been told alike.
public struct Membership: Equatable, Sendable {
    public let epoch: UInt64
    /// In the order of their slots.
    public let members: [Member]

    public static let membersMax = Int(OPENCLAW_MEMBERS_MAX)

    public init(epoch: UInt64, members: [Member]) throws(CollectiveFailure) {
        let sorted = members.sorted { $0.slot < $1.slot }
        if epoch == 0 { throw CollectiveFailure(.badArgument, "epochs are numbered from 1") }
        if sorted.isEmpty { throw CollectiveFailure(.badArgument, "a membership without members") }
        if sorted.count > Membership.membersMax {
            throw CollectiveFailure(.limitReached, "\(sorted.count) members, and \(Membership.membersMax) may be in a group")
        }
        if let negative = sorted.first(where: { $0.slot < 0 }) {
            throw CollectiveFailure(.badArgument, "slot \(negative.slot) is no slot: they are numbered from 0")
        }
        if let twice = zip(sorted, sorted.dropFirst()).first(where: { $0.slot == $1.slot })?.0 {
            throw CollectiveFailure(.badArgument, slot: twice.slot, "slot \(twice.slot) stands twice in the membership")
        }
        if let hostless = sorted.first(where: { $0.host.isEmpty || $0.host.utf8.count > 127 }) {
            throw CollectiveFailure(
                .badArgument, slot: hostless.slot, "slot \(hostless.slot) has no host, or one longer than 127 bytes")
        }
        (self.epoch, self.members) = (epoch, sorted)
    }

    public func place(of slot: Int32) -> Int? { members.firstIndex { $0.slot == slot } }

    /// The same for all who were told the same.
    func digest(secret: [UInt8]) -> [UInt8] {
        var text = "\(epoch)"
        for member in members { text += "\n\(member.slot) \(member.address.text) \(member.host)" }
        return Array(Proof.digest(of: Array(text.utf8), key: secret).prefix(16))
    }
}

/// How the members of an epoch reach each other, as one of them sees it: shared memory within a host, TCP between the first
/// ranks of the hosts.
struct Topology: Equatable {
    /// For each host the places of its members, in their order; hosts in the order of their first member.
    let hosts: [[Int]]
    /// This rank: its host, and its place there.
    let host: Int
    let local: Int

    init(_ membership: Membership, slot: Int32) {
        var hosts: [[Int]] = []
        var places: [String: Int] = [:]
        for (place, member) in membership.members.enumerated() {
            if let known = places[member.host] {
                hosts[known].append(place)
            } else {
                places[member.host] = hosts.count
                hosts.append([place])
            }
        }
        let own = membership.place(of: slot) ?? 0
        let host = hosts.firstIndex { $0.contains(own) } ?? 0
        (self.hosts, self.host, local) = (hosts, host, hosts[host].firstIndex(of: own) ?? 0)
    }

    /// Only one rank of each host talks to other hosts.
    var isFirst: Bool { local == 0 }
    var isShared: Bool { hosts[host].count > 1 }
    var isRemote: Bool { hosts.count > 1 }

    /// Up to here every host talks to every other at once; beyond, each to its neighbours.
    static let exchangeHostsMax = 8
    var isRing: Bool { hosts.count > Topology.exchangeHostsMax }

    /// Whether bytes of operations travel between these two members directly.
    func carriesData(to place: Int) -> Bool { isFirst && hosts.contains { $0[0] == place } && !hosts[host].contains(place) }
}
