import Faults
import Telemetry
import TestFolders
import Testing

@testable import Ledger

@Suite struct EntryFeedTests {
    @Test(arguments: [-1, 0, 30, 59, 60, 1_999] as [Int64])
    func `a subscriber gets every entry once and in order, the old ones and the new ones`(after: Int64) async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        for number in 0..<60 { try await ledger.record(number) }
        let follower = Task {
            var seen: [Int64] = []
            for await entry in ledger.entries(after: Position(after)) {
                seen.append(entry.position.index)
                if entry.position.index == 2_999 { break }
            }
            return seen
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<49 {
                group.addTask {
                    var head = Position.none
                    for number in 0..<60 {
                        head = try await ledger.append(draft(number), to: ResourceID("w", "\(worker)"), after: head)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(await follower.value == Array((after + 1)..<3_000))
        await ledger.close()
    }

    @Test func `a subscriber who falls far behind reads from the database and loses nothing`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        var follower = ledger.entries(after: .none).makeAsyncIterator()
        try await ledger.record(0)
        #expect(await follower.next()?.position == Position(0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<(EntryFeed.recentMax * 2) {
                group.addTask { _ = try await ledger.append(draft(number), to: ResourceID("w", "\(number)"), after: .none) }
            }
            try await group.waitForAll()
        }
        for index in 1...Int64(EntryFeed.recentMax * 2) { #expect(await follower.next()?.position == Position(index)) }
        await ledger.close()
        #expect(await follower.next() == nil)
    }

    @Test func `a subscriber who is cancelled stops waiting`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        let follower = Task {
            var count = 0
            for await _ in ledger.entries(after: .none) { count += 1 }
            return count
        }
        try await ledger.record(0)
        follower.cancel()
        #expect(await follower.value <= 1)
        await ledger.close()
    }

    @Test func `subscribers end when the ledger closes`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        let followers = (0..<10).map { _ in
            Task {
                var seen: [Int64] = []
                for await entry in ledger.entries(after: .none) { seen.append(entry.position.index) }
                return seen
            }
        }
        for number in 0..<5 { try await ledger.record(number) }
        await ledger.close()
        for follower in followers { #expect(await follower.value == [0, 1, 2, 3, 4]) }
    }
}
