import Statistics
import Synchronization
import Testing

@testable import Collectives

@Suite(.serialized) struct AllReduceTests {
    /// One host, each its own, two shared, and hosts whose slots are not next to each other.
    private static func hosts(_ ranks: Int, using random: inout SplitMix64) -> [Int] {
        switch random.next() % 3 {
        case 0: [Int](repeating: 0, count: ranks)
        case 1: Array(0..<ranks)
        default: (0..<ranks).map { _ in Int(random.next() % 3) }
        }
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func `all ranks end with the same, which is what one by one gives`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let count = Int(random.next() % 8) + 1
        let hosts = Self.hosts(count, using: &random)
        let ranks = try Ranks.joined(hosts: hosts)
        defer { ranks.close() }
        for _ in 0..<4 {
            let type = ElementType.allCases[Int(random.next() % 7)]
            let reductions = Reduction.allCases.filter { $0.applies(to: type) }
            let reduction = reductions[Int(random.next() % UInt64(reductions.count))]
            let sizes = [0, 1, 17, 1_024, 3_000, 33_001]
            let size = sizes[Int(random.next() % UInt64(sizes.count))]
            // Three factors of at most 4 stay exact in every type.
            let sample = Sample(type, ranks: count, count: size, using: &random)
            guard reduction != .product || count <= 3 else { continue }
            let buffers = (0..<count).map { sample.buffer($0) }
            let ends = ranks.run { group throws(CollectiveFailure) in
                try group.allReduce(buffers[Int(group.slot)], count: size, type, reduction)
            }
            let what: Comment = "seed \(seed), hosts \(hosts), \(size) of \(type), \(reduction)"
            #expect(ends.allSatisfy { $0 == nil }, what)
            let expected = Sample.buffer(sample.expected(reduction), type)
            // How an average is rounded in other types is between them: that all have the same is what counts.
            if reduction != .average || type == .float32 {
                #expect(buffers[0].equals(expected, bytes: size * type.bytes), what)
            }
            for buffer in buffers { #expect(buffer.equals(buffers[0], bytes: size * type.bytes), what) }
        }
    }

    @Test(arguments: [[0, 1, 2], [0, 0, 1, 1], Array(0..<10)], WireFormat.allCases)
    func `what travels shorter arrives the same everywhere, and near the truth`(hosts: [Int], wire: WireFormat) throws {
        let ranks = try Ranks.joined(hosts: hosts)
        defer { ranks.close() }
        var random = SplitMix64(seed: 11)
        for size in [100, 30_000, 200_003] {
            let table = (0..<1_009).map { _ in Float(random.unit()) - 0.5 }
            func value(_ rank: Int, _ index: Int) -> Float { table[(index * 7 + rank * 31) % 1_009] }
            let buffers = hosts.indices.map { rank in Buffer((0..<size).map { value(rank, $0) }) }
            let ends = ranks.run { group throws(CollectiveFailure) in
                try group.allReduce(buffers[Int(group.slot)], count: size, .float32, .average, wire: wire, bucket: 1)
            }
            #expect(ends.allSatisfy { $0 == nil })
            for buffer in buffers { #expect(buffer.equals(buffers[0], bytes: 4 * size)) }
            let result = buffers[0].values(Float.self, count: size)
            var worst: Float = 0
            for index in stride(from: 0, to: size, by: 61) {
                let sum = hosts.indices.reduce(Float(0)) { $0 + value($1, index) }
                worst = max(worst, abs(result[index] - sum / Float(hosts.count)))
            }
            #expect(worst < (wire == .float32 ? 1e-5 : 0.02), "\(hosts), \(wire), \(size) values")
        }
        let sent = ranks.groups[0].statistics
        #expect(sent.wireBytesSent > 0 && sent.operations == 3 && sent.failures == 0)
    }

    @Test func `int8 loses nothing for good: the sum over many steps is the true one`() throws {
        let ranks = try Ranks.joined(hosts: [0, 1, 2])
        defer { ranks.close() }
        let size = 2_000
        var random = SplitMix64(seed: 5)
        // The small values are less than half a step of the large one in their block: each alone would be rounded to zero.
        let gradient = (0..<3).map { _ in (0..<size).map { Float(random.unit()) * ($0 % 256 == 0 ? 100 : 0.3) } }
        var total = [Double](repeating: 0, count: size)
        let steps = 60
        for _ in 0..<steps {
            let buffers = gradient.map { Buffer($0) }
            let ends = ranks.run { group throws(CollectiveFailure) in
                try group.allReduce(buffers[Int(group.slot)], count: size, wire: .int8, bucket: 9)
            }
            #expect(ends.allSatisfy { $0 == nil })
            for (index, value) in buffers[0].values(Float.self, count: size).enumerated() { total[index] += Double(value) }
        }
        // What is not there yet waits in the residuals: at most half a step of each of the four roundings.
        let worst = (0..<size).map { index in
            abs(total[index] - Double(steps) * gradient.reduce(0) { $0 + Double($1[index]) })
        }.max()
        #expect(worst ?? 0 < 3 * 100 / 127 * 2.5, "worst \(worst ?? 0)")
        let small = (0..<size).filter { $0 % 256 == 7 }
        let ratio =
            small.reduce(0) { $0 + total[$1] }
            / small.reduce(0) { sum, index in
                sum + Double(steps) * gradient.reduce(0) { $0 + Double($1[index]) }
            }
        #expect(abs(ratio - 1) < 0.2, "small values came through at \(ratio) of their sum")
    }

    @Test func `a step that is done again gives what it gave the first time, and one that counts does not`() throws {
        let ranks = try Ranks.joined(hosts: [0, 1])
        defer { ranks.close() }
        let size = 5_000
        var random = SplitMix64(seed: 6)
        let gradient = (0..<2).map { _ in (0..<size).map { _ in Float(random.unit()) } }
        func step() -> [Float] {
            let buffers = gradient.map { Buffer($0) }
            let ends = ranks.run { group throws(CollectiveFailure) in
                try group.allReduce(buffers[Int(group.slot)], count: size, wire: .int8, bucket: 2)
            }
            #expect(ends.allSatisfy { $0 == nil })
            return buffers[0].values(Float.self, count: size)
        }
        let first = step()
        for group in ranks.groups { group.settleResiduals(keeps: false) }
        #expect(step() == first)
        for group in ranks.groups { group.settleResiduals(keeps: true) }
        #expect(step() != first)
        for group in ranks.groups { group.forgetResiduals(bucket: 2) }
        #expect(step() == first)
    }

    @Test(arguments: [[0, 0, 0], [0, 1, 2], [0, 1, 1, 0], Array(0..<9)])
    func `broadcast, gather and barrier do what they say`(hosts: [Int]) throws {
        let ranks = try Ranks.joined(hosts: hosts)
        defer { ranks.close() }
        for bytes in [0, 1, 5_000, 300_001] {
            let buffers = hosts.indices.map { slot in
                Buffer((0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ slot) })
            }
            let gathered = hosts.map { _ in Buffer(bytes: bytes * hosts.count) }
            let root = Int32(hosts.count - 1)
            let ends = ranks.run { group throws(CollectiveFailure) in
                let slot = Int(group.slot)
                try group.run(unsafe .allGather(buffers[slot].pointer, into: gathered[slot].pointer, bytes: bytes))
                try group.run(.barrier())
                try group.run(unsafe .broadcast(buffers[slot].pointer, bytes: bytes, root: root))
            }
            #expect(ends.allSatisfy { $0 == nil }, "\(ends)")
            let all = Buffer(hosts.indices.flatMap { slot in (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ slot) } })
            let last = Buffer((0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ hosts.count &- 1) })
            for slot in hosts.indices {
                #expect(gathered[slot].equals(all, bytes: bytes * hosts.count), "slot \(slot), \(bytes) bytes")
                #expect(buffers[slot].equals(last, bytes: bytes), "slot \(slot), \(bytes) bytes")
            }
        }
    }

    @Test(arguments: [[0, 0], [0, 1]])
    func `operations that were started end in their order, beside others that are waited for`(hosts: [Int]) throws {
        let ranks = try Ranks.joined(hosts: hosts)
        defer { ranks.close() }
        let buffers = hosts.map { slot in (0..<40).map { Buffer([Float](repeating: Float($0), count: 5_000)) } }
        let ends = ranks.run { group throws(CollectiveFailure) in
            var works: [Work] = []
            for (index, buffer) in buffers[Int(group.slot)].enumerated() {
                if index % 10 == 9 {
                    try group.allReduce(buffer, count: 5_000)
                    for work in works {
                        let hasEnded = try work.hasEnded()
                        #expect(hasEnded)
                    }
                } else {
                    works.append(
                        try group.start(
                            unsafe .allReduce(buffer.pointer, Operation.Reducing(count: 5_000, type: .float32, reduction: .sum))))
                }
            }
            for work in works { try work.wait(seconds: Ranks.patience) }
        }
        #expect(ends.allSatisfy { $0 == nil }, "\(ends)")
        for own in buffers {
            for (index, buffer) in own.enumerated() {
                #expect(buffer.values(Float.self, count: 5_000).allSatisfy { $0 == Float(2 * index) })
            }
        }
    }
}
