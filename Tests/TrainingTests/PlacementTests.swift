import Testing
import Training

struct PlacementTests {
    static let gpu = AcceleratorKind(resource: "nvidia.com/gpu", model: "H100")
    static let other = AcceleratorKind(resource: "amd.com/gpu", model: "MI300X")

    static func nodes(_ gpus: [Int], kind: AcceleratorKind = gpu) -> [Node] {
        gpus.enumerated().map { Node("n\($0.offset)", cpus: 64_000, memory: 1 << 38, devices: [.init(kind, count: $0.element)]) }
    }

    static func gang(_ ranks: Int, _ spread: Gang.Spread, _ wish: AcceleratorWish = .init(.any)) -> Gang {
        Gang(ranks: ranks...ranks, each: Demand(cpus: 1_000, accelerators: [wish]), spread: spread)
    }

    static func seats(_ answer: PlacementAnswer) -> [[Int]]? {
        guard case .placed(let placement) = answer else { return nil }
        return placement.seats.map { [$0.node, $0.ranks] }
    }

    @Test func `a gang takes the node where the least is left over, and the first of equals`() {
        let cluster = Cluster(Self.nodes([8, 4, 4]))
        #expect(Self.seats(place(Self.gang(3, .consolidate), on: cluster)) == [[1, 3]])
        #expect(Self.seats(place(Self.gang(5, .consolidate), on: cluster)) == [[0, 5]])
    }

    @Test func `a gang larger than every node takes nodes that are wholly free`() throws {
        var cluster = Cluster(Self.nodes([8, 8, 8]))
        guard case .placed(let one) = place(Self.gang(1, .consolidate), on: cluster) else {
            Issue.record("one GPU of 24 is free")
            return
        }
        cluster.take(one)
        #expect(Self.seats(place(Self.gang(12, .consolidate), on: cluster)) == [[1, 8], [2, 4]])
        guard case .waiting(let shortfall) = place(Self.gang(20, .consolidate), on: cluster) else {
            Issue.record("three whole nodes are not free")
            return
        }
        #expect(shortfall.reason == .scattered(room: 23, largestPiece: 8))
        #expect(Self.seats(place(Self.gang(20, .count), on: cluster)) == [[0, 7], [1, 8], [2, 5]])
        #expect(Self.seats(place(Self.gang(20, .pack), on: cluster)) == [[1, 8], [2, 8], [0, 4]])
    }

    @Test func `what is missing is told as never, as too few, or as scattered`() {
        let cluster = Cluster(Self.nodes([4, 4]))
        func reason(_ gang: Gang) -> Shortfall.Reason? {
            if case .waiting(let shortfall) = place(gang, on: cluster) { shortfall.reason } else { nil }
        }
        #expect(reason(Self.gang(9, .count)) == .never(roomAtBest: 8))
        #expect(reason(Self.gang(1, .count, .init(.model("TPU")))) == .never(roomAtBest: 0))
        #expect(reason(Self.gang(1, .count, .init(.model("H100"), count: 5))) == .never(roomAtBest: 0))
        #expect(reason(Self.gang(2, .count)) == nil)
    }

    @Test func `an elastic gang takes as many ranks as there is room for, within its bounds`() {
        let cluster = Cluster(Self.nodes([4, 2]))
        func ranks(_ range: ClosedRange<Int>) -> Int? {
            let gang = Gang(ranks: range, each: Demand(accelerators: [.init(.any)]), spread: .count)
            if case .placed(let placement) = place(gang, on: cluster) { return placement.ranks }
            return nil
        }
        #expect(ranks(2...4) == 4)
        #expect(ranks(2...16) == 6)
        #expect(ranks(7...16) == nil)
    }

    @Test func `the first wish that fits is taken, a preferred kind before others, and never two kinds in one gang`() {
        let cluster = Cluster(Self.nodes([2]) + Self.nodes([4], kind: Self.other).map { Node("z" + $0.name, devices: $0.devices) })
        let either = Gang(
            ranks: 2...2, each: Demand(accelerators: [.init(.any)]), spread: .count, preference: [Self.gpu])
        guard case .placed(let placement) = place(either, on: cluster) else {
            Issue.record("both kinds have room")
            return
        }
        #expect(placement.seats.map { cluster.nodes[$0.node].name } == ["n0"])
        let three = Gang(
            ranks: 3...3, each: Demand(accelerators: [.init(.model("H100")), .init(.resource("amd.com/gpu"))]), spread: .count,
            preference: [Self.gpu])
        #expect(Self.seats(place(three, on: cluster)) == [[1, 3]])
        let six = Gang(ranks: 6...6, each: Demand(accelerators: [.init(.any)]), spread: .count)
        #expect(Self.seats(place(six, on: cluster)) == nil)
    }

    @Test func `CPUs and memory bound a gang as accelerators do`() {
        let cluster = Cluster([Node("a", cpus: 4_000, memory: 8 << 30), Node("b", cpus: 16_000, memory: 4 << 30)])
        func seats(_ ranks: Int, _ demand: Demand) -> [[Int]]? {
            Self.seats(place(Gang(ranks: ranks...ranks, each: demand, spread: .count), on: cluster))
        }
        #expect(seats(5, Demand(cpus: 2_000, memory: 1 << 30)) == [[0, 2], [1, 3]])
        #expect(seats(6, Demand(cpus: 2_000, memory: 1 << 30)) == [[0, 2], [1, 4]])
        #expect(seats(7, Demand(cpus: 2_000, memory: 1 << 30)) == nil)
        #expect(seats(1, Demand(memory: 9 << 30)) == nil)
    }

    @Test func `a draining node takes nothing new`() {
        var nodes = Self.nodes([8, 8])
        nodes[0].health = .draining
        #expect(Self.seats(place(Self.gang(4, .pack), on: Cluster(nodes))) == [[1, 4]])
    }

    @Test func `labels that are required or avoided keep a gang off nodes, and it is told so`() {
        var nodes = Self.nodes([8, 8, 8])
        (nodes[0].labels, nodes[1].labels, nodes[2].labels) = (["tier": "old"], ["tier": "new", "zone": "b"], ["tier": "new"])
        let cluster = Cluster(nodes)
        func placed(_ rule: NodeRule, _ ranks: Int = 2) -> PlacementAnswer {
            var gang = Self.gang(ranks, .pack)
            gang.nodes = rule
            return place(gang, on: cluster)
        }
        #expect(Self.seats(placed(.init(require: ["tier": ["new"]]))) == [[1, 2]])
        #expect(Self.seats(placed(.init(require: ["tier": ["new"]], avoid: ["zone": ["a", "b"]]))) == [[2, 2]])
        #expect(Self.seats(placed(.init(require: ["zone": ["*"]]))) == [[1, 2]])
        #expect(Self.seats(placed(.init(require: ["tier": ["new", "old"]]), 20)) == [[0, 8], [1, 8], [2, 4]])
        guard case .waiting(let shortfall) = placed(.init(require: ["tier": ["new"]]), 20) else {
            Issue.record("two nodes of eight cannot hold twenty")
            return
        }
        #expect(shortfall.reason == .never(roomAtBest: 16) && shortfall.text.contains("on nodes with tier=new"))
        let both = NodeRule(require: ["tier": ["new", "old"]]).and(.init(require: ["tier": ["old"]], avoid: ["zone": ["b"]]))
        #expect(both == NodeRule(require: ["tier": ["old"]], avoid: ["zone": ["b"]]))
        #expect(NodeRule(require: ["a": ["x"]]).and(.init(require: ["a": ["y"]])).admits(["a": "x"]) == false)
    }

    @Test func `failed devices are not given, and each kind of one resource has its own numbers`() {
        let other = AcceleratorKind(resource: "nvidia.com/gpu", model: "A100")
        let node = Node(
            "n", cpus: 8_000, devices: [.init(other, count: 2, numbers: [0, 3]), .init(Self.gpu, count: 1, numbers: [2])])
        #expect(node.numbers(of: Self.gpu) == [2] && node.numbers(of: other) == [0, 3])
        #expect(Node("n", devices: [.init(other, count: 2), .init(Self.gpu, count: 2)]).numbers(of: Self.gpu) == [2, 3])
        #expect(Self.seats(place(Self.gang(2, .pack, .init(.model("H100"))), on: Cluster([node]))) == nil)
    }

    /// What is counted along is what a walk over the nodes finds.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func `a cluster that keeps count places every gang where one that does not places it`(seed: UInt64) {
        var random = Scramble(seed: seed)
        let nodes = (0..<Int.random(in: 1...130, using: &random)).map { number in
            Node(
                "n\(1_000 + number)", cpus: Int64.random(in: 1...16, using: &random) * 1_000, memory: 64 << 30,
                devices: [.init(Bool.random(using: &random) ? Self.gpu : Self.other, count: Int.random(in: 0...8, using: &random))],
                labels: ["row": "\(Int.random(in: 0...2, using: &random))"],
                health: Int.random(in: 0..<10, using: &random) == 0 ? .draining : .ready)
        }
        let gangs = (0..<12).map { number in
            let least = Int.random(in: 1...12, using: &random)
            return Gang(
                ranks: least...(least + Int.random(in: 0...3, using: &random)),
                each: Demand(
                    cpus: Int64.random(in: 0...3, using: &random) * 500,
                    accelerators: Bool.random(using: &random) ? [.init(.any, count: Int.random(in: 1...3, using: &random))] : []),
                spread: Gang.Spread.allCases[number % 3],
                nodes: Int.random(in: 0..<3, using: &random) == 0 ? .init(require: ["row": ["1"]]) : .anywhere)
        }
        let plain = Cluster(nodes)
        var (bare, counted) = (plain, plain)
        for gang in gangs { counted.prepare(for: gang) }
        var placed: [Placement] = []
        for _ in 0..<120 {
            if !placed.isEmpty, Int.random(in: 0..<3, using: &random) == 0 {
                let placement = placed.remove(at: Int.random(in: 0..<placed.count, using: &random))
                bare.giveBack(placement)
                counted.giveBack(placement)
            }
            let gang = gangs.randomElement(using: &random)!
            let answer = place(gang, on: counted)
            #expect(answer == place(gang, on: bare), "seed \(seed)")
            guard case .placed(let placement) = answer else { continue }
            bare.take(placement)
            counted.take(placement)
            placed.append(placement)
        }
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `nothing is given twice, gangs are whole, and what is given back is free again`(seed: UInt64) {
        var random = Scramble(seed: seed)
        let nodes = (0..<Int.random(in: 1...9, using: &random)).map { number in
            Node(
                "n\(number)", cpus: Int64.random(in: 1...16, using: &random) * 1_000,
                memory: Int64.random(in: 1...64, using: &random) << 30,
                devices: [.init(Bool.random(using: &random) ? Self.gpu : Self.other, count: Int.random(in: 0...8, using: &random))])
        }
        let empty = Cluster(nodes)
        var cluster = empty
        var placed: [Placement] = []
        for _ in 0..<200 {
            if !placed.isEmpty, Int.random(in: 0..<3, using: &random) == 0 {
                cluster.giveBack(placed.remove(at: Int.random(in: 0..<placed.count, using: &random)))
                continue
            }
            let least = Int.random(in: 1...6, using: &random)
            let demand = Demand(
                cpus: Int64.random(in: 0...3, using: &random) * 500, memory: Int64.random(in: 0...4, using: &random) << 30,
                accelerators: Bool.random(using: &random) ? [.init(.any, count: Int.random(in: 1...3, using: &random))] : [])
            let gang = Gang(
                ranks: least...Int.random(in: least...(least + 4), using: &random), each: demand,
                spread: Gang.Spread.allCases.randomElement(using: &random)!)
            if case .placed(let placement) = place(gang, on: cluster) {
                #expect(gang.ranks.contains(placement.ranks), "seed \(seed)")
                cluster.take(placement)  // which stops the process when anything is given twice
                placed.append(placement)
            }
        }
        for placement in placed { cluster.giveBack(placement) }
        #expect(cluster == empty, "seed \(seed)")
    }
}

/// A generator that a seed replays (Marsaglia's xorshift).
struct Scramble: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = (seed &+ 1) &* 0x9e37_79b9_7f4a_7c15 }
    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
