import Faults
import JSON
import Statistics
import Synchronization
import TestFolders
import Testing

@testable import Routing

/// What units earned earlier: a bounded fold, and the table that the gateway reads of it.
struct UnitHistoryTests {
    private static func numbers(_ table: HistoryTable, _ unit: UInt64, arms: Int = 2) -> [Float] {
        var numbers = [Float](repeating: 0, count: 2 * arms)
        var span = numbers.mutableSpan
        table.read(unit: unit, arms: arms, into: &span, at: 0)
        return numbers
    }

    @Test func `what is published is read: above the mean of all, and how much there is`() throws {
        let folder = TemporaryFolder()
        let sticky = StickyFolder(path: folder.path + "/units")
        let table = try sticky.history(of: 3)
        var history = UnitHistory(arms: 2)
        for unit in 1...4 as ClosedRange<UInt64> { _ = history.add(unit: unit, arm: 0, reward: unit == 1 ? 1 : 0) }
        _ = history.add(unit: 1, arm: 0, reward: 1)
        #expect(Self.numbers(table, 1) == [0, 0, 0, 0])
        table.publish(history.allRows, means: history.means)
        // Two rewards of 1 where all have 2 of 5: (2 - 2 * 0.4) / 3, and 2 / 5.
        #expect(zip(Self.numbers(table, 1), [0.4, 0.4, 0, 0]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(zip(Self.numbers(table, 2), [-0.2, 0.25, 0, 0]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(Self.numbers(table, 5) == [0, 0, 0, 0])
        // A new life of the gateway finds it there; an experiment that ended leaves nothing.
        #expect(Self.numbers(try StickyFolder(path: folder.path + "/units").history(of: 3), 1) == Self.numbers(table, 1))
        sticky.remove(3)
        #expect(Self.numbers(try sticky.history(of: 3), 1) == [0, 0, 0, 0])
    }

    @Test func `what is taken back was never there, and what is written down is read again`() throws {
        var history = UnitHistory(arms: 3)
        var random = SplitMix64(seed: 11)
        for _ in 0..<500 {
            _ = history.add(unit: random.next() % 60, arm: Int(random.next() % 3), reward: Double(random.next() % 5))
        }
        let before = history.allRows.map { Array($0.words[2...]) }
        _ = history.add(unit: 9, arm: 1, reward: 3)
        _ = history.add(unit: 9, arm: 1, reward: 3, sign: -1)
        #expect(history.allRows.map { Array($0.words[2...]) } == before)
        #expect(try JSONValue(encoding: history).decoded(as: UnitHistory.self) == history)
        let broken: JSONValue = ["arms": 2, "clock": 1, "sums": [0, 0], "counts": [0, 0], "rows": "1 2 3"]
        #expect(throws: (any Error).self) { _ = try broken.decoded(as: UnitHistory.self) }
    }

    @Test func `memory is bounded: who was heard of longest ago makes room`() {
        var history = UnitHistory(arms: 2)
        for unit in 0..<40_000 as Range<UInt64> { _ = history.add(unit: unit, arm: 0, reward: 1) }
        _ = history.add(unit: 39_999, arm: 1, reward: 1)
        #expect(history.allRows.count <= UnitHistory.unitsMax && history.allRows.count > UnitHistory.unitsMax * 9 / 10)
        let kept = Set(history.allRows.map { $0.words[0] })
        let young = (38_000..<40_000 as Range<UInt64>).count { kept.contains(UnitHistory.key(of: $0)) }
        #expect(young > 1_900 && !kept.contains(UnitHistory.key(of: 0)))
        // Who is gone cannot be taken back from, and nothing takes their place for it.
        #expect(history.add(unit: 0, arm: 0, reward: 1, sign: -1) == nil)
    }

    @Test func `a reader never sees one unit's rewards as another's`() async throws {
        let folder = TemporaryFolder()
        let table = try StickyFolder(path: folder.path).history(of: 1)
        // Nine units of one set take each other's rows; each has rewards of its own size.
        let set = UnitHistory.set(of: UnitHistory.key(of: 1))
        let units = Array(
            (1...100_000 as ClosedRange<UInt64>).lazy.filter { UnitHistory.set(of: UnitHistory.key(of: $0)) == set }
                .prefix(9))
        try #require(units.count == 9)
        let isOver = Mutex(false)
        async let wrong: Int = {
            var wrong = 0
            while !isOver.withLock(\.self) {
                for (place, unit) in units.enumerated() {
                    let seen = Self.numbers(table, unit)
                    let own = Float(10 * (place + 1)) * 2 / 3
                    if seen != [0, 0, 0, 0], abs(seen[0] - own) > 1e-3 || abs(seen[2] - own) > 1e-3 { wrong += 1 }
                }
            }
            return wrong
        }()
        for turn in 0..<4_000 {
            let place = turn % 9
            var history = UnitHistory(arms: 2)
            var row = 0
            for arm in 0..<2 {
                for _ in 0..<2 { row = history.add(unit: units[place], arm: arm, reward: Double(10 * (place + 1))) ?? 0 }
            }
            // The same place for all of them.
            let words = try #require(history.rows([row]).first).words
            table.publish([.init(index: set, words: words)], means: [0, 0])
            if turn % 64 == 0 { await Task.yield() }
        }
        isOver.withLock { $0 = true }
        #expect(await wrong == 0)
    }
}
