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
    public let reason: Reason
    /// With the nodes that are lost now there would be room.
    public let isForWantOfNodes: Bool

    init(_ gang: Gang, on cluster: Cluster, choices: [Placement.Devices?]) {
        (ranks, each) = (gang.ranks.lowerBound, gang.each)
        var (atBest, now, piece) = (0, 0, 0)
        for choice in choices {
            var (capacities, rooms) = (0, 0)
            for node in cluster.nodes.indices {
                let room = cluster.room(on: node, for: gang.each, choice)
                capacities = Shortfall.sum(capacities, cluster.capacity(of: node, for: gang.each, choice))
                rooms = Shortfall.sum(rooms, room)
                piece = max(piece, room)
            }
            atBest = max(atBest, capacities)
            now = max(now, rooms)
        }
        isForWantOfNodes = atBest < ranks && Shortfall.room(for: gang, onAllOf: cluster, choices) >= ranks
        reason =
            atBest < ranks
            ? .never(roomAtBest: atBest) : now < ranks ? .tooFew(room: now) : .scattered(room: now, largestPiece: piece)
    }

    /// Nothing running and every node there.
    private static func room(for gang: Gang, onAllOf cluster: Cluster, _ choices: [Placement.Devices?]) -> Int {
        choices.map { choice in
            cluster.nodes.indices.reduce(0) { sum($0, cluster.capacity(of: $1, for: gang.each, choice, evenLost: true)) }
        }.max() ?? 0
    }

    /// A rank that needs nothing fits any number of times.
    private static func sum(_ rooms: Int, _ more: Int) -> Int {
        let (sum, overflows) = rooms.addingReportingOverflow(more)
        return overflows ? .max : sum
    }

    public var isForEver: Bool { if case .never = reason { !isForWantOfNodes } else { false } }

    /// For a person: `needs 16 ranks of 1 x H100; there is room for 11`.
    public var text: String {
        let need = "needs \(ranks) \(ranks == 1 ? "rank" : "ranks") of \(each.text)"
        return switch reason {
        case .never(let room):
            "\(need); with nothing else running there would be room for \(room)"
                + (isForWantOfNodes ? ", and for all with the nodes that are lost" : "")
        case .tooFew(let room): "\(need); there is room for \(room)"
        case .scattered(let room, let piece): "\(need) in one piece; there is room for \(room), the largest piece holds \(piece)"
        }
    }
}
