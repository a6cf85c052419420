import Testing

@testable import Training

/// Placements on small clusters, against a search through every set of nodes.
struct PlacementBruteForceTests {
    /// Nodes as somebody counts them who only hears of placements.
    private struct Count {
        var nodes: [Node]
        var cpus: [Int64]
        var memory: [Int64]
        var devices: [[AcceleratorKind: Int]]
        var ranks: [Int]

        init(_ nodes: [Node]) {
            self.nodes = nodes.sorted { $0.name < $1.name }
            (cpus, memory, ranks) = (self.nodes.map(\.cpus), self.nodes.map(\.memory), self.nodes.map { _ in 0 })
            devices = self.nodes.map { Dictionary($0.devices.map { ($0.kind, $0.count) }, uniquingKeysWith: +) }
        }

        /// `sign` -1 takes, 1 gives back; whether nothing is given that is not there.
        mutating func change(_ placement: Placement, on kinds: [AcceleratorKind], by sign: Int) -> Bool {
            var isSound = true
            for seat in placement.seats {
                let ranks = sign * seat.ranks
                cpus[seat.node] += Int64(ranks) * placement.each.cpus
                memory[seat.node] += Int64(ranks) * placement.each.memory
                self.ranks[seat.node] -= ranks
                if let its = seat.devices { devices[seat.node][kinds[its.kind], default: 0] += ranks * its.perRank }
                isSound = isSound && cpus[seat.node] >= 0 && memory[seat.node] >= 0 && self.ranks[seat.node] >= 0
                isSound = isSound && devices[seat.node].values.allSatisfy { $0 >= 0 }
            }
            return isSound
        }

        /// How many ranks find room, one after the other.
        func room(_ node: Int, _ gang: Gang, _ kind: AcceleratorKind?, _ perRank: Int, empty: Bool = false) -> Int {
            let its = nodes[node]
            guard gang.nodes.admits(its.labels), empty ? its.health != .lost : its.health == .ready else { return 0 }
            var (cpus, memory) = empty ? (its.cpus, its.memory) : (cpus[node], memory[node])
            let all = empty ? its.devices.reduce(0) { $0 + ($1.kind == kind ? $1.count : 0) } : kind.map { devices[node][$0] ?? 0 }
            var (left, room) = (all ?? 0, 0)
            while room < 64, cpus >= gang.each.cpus, memory >= gang.each.memory, kind == nil || left >= perRank {
                (cpus, memory, left, room) = (cpus - gang.each.cpus, memory - gang.each.memory, left - perRank, room + 1)
            }
            return room
        }

        /// The fewest of some nodes that hold so many ranks, by trying every set of them.
        private func fewest(_ ranks: Int, _ rooms: [Int], of some: [Int]) -> Int? {
            (1..<(1 << some.count)).filter { set in
                some.indices.reduce(0) { $0 + (set >> $1 & 1 == 1 ? rooms[some[$1]] : 0) } >= ranks
            }.map(\.nonzeroBitCount).min()
        }

        /// Ranks, kind and how many nodes; nil where no set of nodes holds it. Of `count`, any number of nodes will do.
        func best(_ gang: Gang, _ kinds: [AcceleratorKind]) -> (ranks: Int, kind: AcceleratorKind?, nodes: Int?)? {
            var choices: [(AcceleratorKind?, Int)] = gang.each.accelerators.isEmpty ? [(nil, 0)] : []
            for wish in gang.each.accelerators { choices += kinds.filter(wish.accepts).map { ($0, wish.count) } }
            for ranks in gang.ranks.reversed() {
                for (kind, perRank) in choices {
                    let rooms = nodes.indices.map { room($0, gang, kind, perRank) }
                    let isTooLarge = nodes.indices.allSatisfy { room($0, gang, kind, perRank, empty: true) < ranks }
                    let onWhole = isTooLarge ? fewest(ranks, rooms, of: nodes.indices.filter { self.ranks[$0] == 0 }) : nil
                    let anywhere = fewest(ranks, rooms, of: Array(nodes.indices))
                    switch gang.spread {
                    case .count: if anywhere != nil { return (ranks, kind, nil) }
                    case .consolidate: if let fewest = anywhere == 1 ? 1 : onWhole { return (ranks, kind, fewest) }
                    case .pack: if let fewest = onWhole ?? anywhere { return (ranks, kind, fewest) }
                    }
                }
            }
            return nil
        }
    }

    private static func nodes(_ random: inout Scramble) -> [Node] {
        (0..<Int.random(in: 1...5, using: &random)).map { number in
            Node(
                "n\(number)", cpus: Int64.random(in: 1...9, using: &random) * 1_000,
                memory: Int64.random(in: 1...8, using: &random) << 30,
                devices: [PlacementTests.gpu, PlacementTests.other].map {
                    .init($0, count: Int.random(in: 0...4, using: &random))
                },
                labels: ["row": "\(Int.random(in: 0...1, using: &random))"],
                health: [.ready, .ready, .ready, .ready, .ready, .draining, .lost].randomElement(using: &random)!)
        }
    }

    private static func gang(_ random: inout Scramble) -> Gang {
        let least = Int.random(in: 1...6, using: &random)
        let wishes: [[AcceleratorWish]] = [
            [], [.init(.any)], [.init(.model("MI300X")), .init(.model("H100"), count: 2)], [.init(.any, count: 2)],
        ]
        return Gang(
            ranks: least...(least + [0, 0, 1, 4].randomElement(using: &random)!),
            each: Demand(
                cpus: Int64.random(in: 0...3, using: &random) * 500 + 1, memory: Int64.random(in: 0...2, using: &random) << 30,
                accelerators: wishes.randomElement(using: &random)!),
            spread: Gang.Spread.allCases.randomElement(using: &random)!,
            nodes: Int.random(in: 0..<4, using: &random) == 0 ? .init(avoid: ["row": ["1"]]) : .anywhere)
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `a gang is placed where a search through all nodes finds room, whole, and on as few nodes`(seed: UInt64) {
        var random = Scramble(seed: seed)
        let nodes = Self.nodes(&random)
        var (count, cluster, shuffled) = (Count(nodes), Cluster(nodes), Cluster(nodes.shuffled(using: &random)))
        var placed: [Placement] = []
        for step in 0..<40 {
            if !placed.isEmpty, Int.random(in: 0..<3, using: &random) == 0 {
                let placement = placed.remove(at: Int.random(in: 0..<placed.count, using: &random))
                cluster.giveBack(placement)
                shuffled.giveBack(placement)
                let isSound = count.change(placement, on: cluster.kinds, by: 1)
                #expect(isSound)
            }
            let gang = Self.gang(&random)
            let (answer, best) = (place(gang, on: cluster), count.best(gang, cluster.kinds))
            #expect(answer == place(gang, on: shuffled), "in which order nodes are told decides nothing: seed \(seed), \(step)")
            guard case .placed(let placement) = answer else {
                #expect(best == nil, "there is room: seed \(seed), step \(step), \(gang)")
                continue
            }
            let kind = placement.seats.first?.devices.map { cluster.kinds[$0.kind] }
            #expect(placement.ranks == best?.ranks && kind == best?.kind, "seed \(seed), step \(step), \(gang)")
            #expect(best?.nodes == nil || placement.seats.count == best?.nodes, "seed \(seed), step \(step), \(gang)")
            let isOnItsNodes = placement.seats.allSatisfy {
                cluster.nodes[$0.node].health == .ready && gang.nodes.admits(cluster.nodes[$0.node].labels) && $0.ranks > 0
            }
            let isOnce = Set(placement.seats.map(\.node)).count == placement.seats.count
            #expect(isOnItsNodes && isOnce && Set(placement.seats.map(\.devices)).count == 1, "seed \(seed), step \(step)")
            let isSound = count.change(placement, on: cluster.kinds, by: -1)
            #expect(isSound, "something was given twice: seed \(seed), step \(step)")
            cluster.take(placement)
            shuffled.take(placement)
            placed.append(placement)
        }
    }
}
