/// Why a gang has no place: what it needs, and the nearest that there is.
public struct Shortfall: Equatable, Sendable {
    /// What kind of waiting it is.
    public enum Reason: Equatable, Sendable {
        /// No node of this cluster could ever hold a rank, or all of them together not the gang.
        case never(roomAtBest: Int)
        /// There is room for so many ranks, and the gang needs more.
        case tooFew(room: Int)
        /// There is room in all, but not in one piece, as its spread asks for.
        case scattered(room: Int, largestPiece: Int)
    }
    public let ranks: Int
    public let each: Demand
    public let rule: NodeRule
    public let reason: Reason
    /// With the nodes that are lost now there would be room.
    public let isForWantOfNodes: Bool
    /// Nodes that could hold some of the ranks and take nothing new, in order of name.
    public let draining: [String]

    init(_ gang: Gang, on cluster: Cluster) { self.init(GangLook(gang, on: cluster), on: cluster) }

    init(_ look: GangLook, on cluster: Cluster) {
        let (gang, choices, indexes) = (look.gang, look.choices, cluster.indexes(for: look))
        (ranks, each, rule) = (gang.ranks.lowerBound, gang.each, gang.nodes)
        let (atBest, now) = (indexes.map(\.capacity).max() ?? 0, indexes.map(\.total).max() ?? 0)
        isForWantOfNodes = atBest < ranks && Shortfall.room(for: gang, onAllOf: cluster, choices) >= ranks
        draining = cluster.draining.filter { node in
            gang.nodes.admits(cluster.nodes[node].labels)
                && choices.contains { cluster.capacity(of: node, for: RoomProfile(gang, $0)) > 0 }
        }.map { cluster.nodes[$0].name }
        reason =
            atBest < ranks
            ? .never(roomAtBest: atBest)
            : now < ranks ? .tooFew(room: now) : .scattered(room: now, largestPiece: indexes.map(\.largest).max() ?? 0)
    }

    /// Nothing running and every node there.
    private static func room(for gang: Gang, onAllOf cluster: Cluster, _ choices: [Placement.Devices?]) -> Int {
        choices.map { choice in
            cluster.nodes.indices.reduce(0) { sum, node in
                guard gang.nodes.admits(cluster.nodes[node].labels) else { return sum }
                return sum + min(RoomIndex.roomMax, cluster.capacity(of: node, for: RoomProfile(gang, choice), evenLost: true))
            }
        }.max() ?? 0
    }

    public var isForEver: Bool { if case .never = reason { !isForWantOfNodes } else { false } }

    /// For a person: `needs 16 ranks of 1 x H100; there is room for 11`.
    public var text: String {
        let need =
            "needs \(ranks) \(ranks == 1 ? "rank" : "ranks") of \(each.text)\(rule.isAnywhere ? "" : " on nodes \(rule.text)")"
        return told(need) + tellsDraining
    }

    /// `; node a drains (openclaw node resume a)`
    private var tellsDraining: String {
        guard let first = draining.first else { return "" }
        let who = draining.count == 1 ? "node \(first) drains" : "\(draining.count) nodes drain, \(first) among them"
        return "; \(who) (`openclaw node resume \(first)` lets it take work again)"
    }

    private func told(_ need: String) -> String {
        switch reason {
        case .never(let room):
            "\(need); with nothing else running there would be room for \(room)"
                + (isForWantOfNodes ? ", and for all with the nodes that are lost" : "")
        case .tooFew(let room): "\(need); there is room for \(room)"
        case .scattered(let room, let piece): "\(need) in one piece; there is room for \(room), the largest piece holds \(piece)"
        }
    }
}
