import JSON
import Routing
import Statistics
import Testing

/// Shares over variants 0..<count, sum 10 000, some of them zero.
func randomShares(_ count: Int, using random: inout SplitMix64) -> [VariantID: Int] {
    var cuts = (1..<max(count, 2)).map { _ in Int.random(in: 0...10_000, using: &random) }.prefix(count - 1).sorted()
    cuts = [0] + cuts + [10_000]
    var shares: [VariantID: Int] = [:]
    for number in 0..<count { shares[VariantID(UInt8(number))] = cuts[number + 1] - cuts[number] }
    return shares
}

func moved(_ a: TrafficSplit, _ b: TrafficSplit) -> Int { zip(a.owners, b.owners).filter { $0 != $1 }.count }

func shares(_ list: Int...) -> [VariantID: Int] {
    Dictionary(uniqueKeysWithValues: list.enumerated().map { (VariantID(UInt8($0.offset)), $0.element) })
}

struct TrafficSplitTests {
    @Test(arguments: 0..<16 as Range<UInt64>)
    func `a move hands over exactly the buckets whose shares moved, for any number of variants`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let count = Int.random(in: 1...40, using: &random)
        var split = TrafficSplit(route: "r\(seed)", shares: randomShares(count, using: &random))
        for _ in 0..<4 {
            let before = split
            let target = randomShares(Int.random(in: 1...count + 3, using: &random), using: &random)
            split.move(to: target)
            #expect(split.shares == target.filter { $0.value > 0 })
            let all = Set(before.shares.keys).union(target.keys)
            let gained = all.map { max(0, (target[$0] ?? 0) - (before.shares[$0] ?? 0)) }.reduce(0, +)
            #expect(moved(before, split) == gained)
        }
    }

    @Test func `A50 B30 C20 to A60 B30 C10 moves 1000 buckets, not 2000`() {
        var split = TrafficSplit(route: "abc", shares: shares(5_000, 3_000, 2_000))
        let before = split
        split.move(to: shares(6_000, 3_000, 1_000))
        #expect(moved(before, split) == 1_000)
        for (was, now) in zip(before.owners, split.owners) where was != now { #expect((was, now) == (2, 0)) }
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `between two variants a share is the same units however it was reached`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var split = TrafficSplit(route: "canary", shares: shares(10_000, 0))
        for _ in 0..<4 {
            let share = Int.random(in: 0...10_000, using: &random)
            split.move(to: shares(10_000 - share, share))
            #expect(split == TrafficSplit(route: "canary", shares: shares(10_000 - share, share)))
        }
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func `the way back from the first split gives every unit its variant back`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let first = randomShares(Int.random(in: 2...8, using: &random), using: &random)
        let split = TrafficSplit(route: "back", shares: first)
        var round = split
        round.move(to: randomShares(8, using: &random))
        round.move(to: first)
        #expect(round == split)
    }

    @Test func `a growing canary keeps the units it had`() {
        var split = TrafficSplit(route: "grow", shares: shares(10_000))
        var had: Set<Int> = []
        for share in [100, 500, 2_500, 5_000, 10_000] {
            split.move(to: shares(10_000 - share, share))
            let has = Set(split.owners.indices.filter { split.owners[$0] == 1 })
            #expect(has.isSuperset(of: had) && has.count == share)
            had = has
        }
    }

    @Test func `two routes put the same unit in independent buckets`() {
        let a = TrafficSplit(route: "a", shares: shares(5_000, 5_000))
        let b = TrafficSplit(route: "b", shares: shares(5_000, 5_000))
        var both = 0
        for number in 0..<40_000 {
            let unit = UnitID("user-\(number)")
            if a.variant(for: unit).number == 1, b.variant(for: unit).number == 1 { both += 1 }
        }
        // A quarter is 10 000 with a standard deviation of 87.
        #expect((9_600...10_400).contains(both))
    }

    @Test func `shares are kept on sequential user ids`() {
        let split = TrafficSplit(route: "even", shares: shares(9_900, 100))
        let count = (0..<40_000).filter { split.variant(for: UnitID("\($0)")).number == 1 }.count
        #expect((300...500).contains(count))  // 400, five standard deviations
    }

    @Test func `where a unit goes is fixed for all time`() {
        // Changing the hash would move every user of every installation: these numbers must never change.
        let split = TrafficSplit(route: "fraud", shares: shares(5_000, 5_000))
        #expect(UnitID("user-1").hash == 0xf84b_a2aa_754a_4bd4)
        #expect((1...8).map { split.variant(for: UnitID("user-\($0)")).number } == [1, 1, 1, 0, 1, 1, 0, 1])
        #expect((1...4).map { UnitID("user-\($0)").bucket(salt: split.salt, of: 10_000) } == [9_789, 8_089, 4_131, 3_921])
    }

    @Test(arguments: [1, 2, 3, 5, 16, 17, 64, 200])
    func `a split survives being written, and is small`(variants: Int) throws {
        var random = SplitMix64(seed: UInt64(variants))
        var split = TrafficSplit(route: "coded", shares: randomShares(variants, using: &random))
        split.move(to: randomShares(variants, using: &random))
        let json = JSONValue(encoding: split)
        let text = json.canonicalText
        #expect(try JSONValue(parsing: text).decoded(as: TrafficSplit.self) == split)
        let limit = [1: 80, 2: 1_800, 3: 3_500][variants] ?? 14_500
        #expect(text.utf8.count < limit)
    }

    @Test func `a split with missing owners is refused`() throws {
        var members = try #require(JSONValue(encoding: TrafficSplit(route: "x", shares: shares(1, 9_999))).objectValue)
        members["owners"] = "AAAA"
        #expect(throws: (any Error).self) { try JSONValue.object(members).decoded(as: TrafficSplit.self) }
        members["owners"] = nil
        #expect(throws: (any Error).self) { try JSONValue.object(members).decoded(as: TrafficSplit.self) }
        members["salt"] = "12"
        #expect(throws: (any Error).self) { try JSONValue.object(members).decoded(as: TrafficSplit.self) }
    }
}
