import Faults
import Glibc
import JSON
import SQL
import Synchronization
import TestFolders
import Testing

@testable import Ledger

@Suite struct OutageTests {
    @Test func `while the disk is full nothing is recorded and nothing is lost, and it goes on by itself when there is room`()
        async throws
    {
        let folder = Folder()
        var settings = LedgerWriter.Settings()
        settings.probeInterval = .seconds(600)
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: settings)
        for number in 0..<10 { try await ledger.record(number) }
        #expect(await ledger.fault == nil)
        _ = try await ledger.database.write { (session) throws(Fault) in
            let pages = try session.rows("PRAGMA page_count")[0][0].integerValue!
            return try session.rows("PRAGMA max_page_count = \(pages)")
        }
        let big = LedgerDraft(kind: "k", by: "b", body: .string(String(repeating: "x", count: 100_000)))
        for _ in 0..<3 {
            guard case .cannotRecord(let fault) = await refusal({ try await ledger.append(big, to: fraud, after: Position(9)) })
            else {
                throw Fault(what: "an append was not refused", why: "", fix: "")
            }
            #expect(fault.kind == .unavailable && fault.what.contains("disk is full"))
        }
        #expect(await ledger.figures.unrecorded == 3)
        #expect(await ledger.fault?.what.contains("disk is full") == true)
        #expect(try await ledger.reader.count() == 10)
        _ = try await ledger.database.write { (session) throws(Fault) in try session.rows("PRAGMA max_page_count = 100000") }
        #expect(try await ledger.append(big, to: fraud, after: Position(9)) == Position(10))
        #expect(await ledger.fault == nil)
        await ledger.close()
        let verdict = try await LedgerAudit.verify(path: folder.path, key: .demanded(ledger.verifierKey))
        #expect(verdict.isGood && verdict.entries == 11)
    }

    @Test func `a disk that is well again is noticed though nobody appends, and the tree is read anew`() async throws {
        let folder = Folder()
        var settings = LedgerWriter.Settings()
        settings.probeInterval = .milliseconds(1)
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: settings)
        for number in 0..<5 { try await ledger.record(number) }
        // A constraint that no entry of ours meets makes every append fail, as a disk would.
        try await ledger.database.write { (session) throws(Fault) in
            try session.run("CREATE TRIGGER fail BEFORE INSERT ON node BEGIN SELECT raise(ABORT, 'a test'); END")
        }
        #expect(await refusal { try await ledger.record(5) } != nil)
        try await ledger.database.write { (session) throws(Fault) in try session.run("DROP TRIGGER fail") }
        while await ledger.fault != nil { await Task.yield() }
        #expect(try await ledger.record(6) == Position(5))
        await ledger.close()
        #expect(try await LedgerAudit.verify(path: folder.path, key: .demanded(ledger.verifierKey)).isGood)
    }

    @Test func `more appends than may wait are refused at once, and the others are recorded`() async throws {
        let folder = Folder()
        var settings = LedgerWriter.Settings()
        settings.pendingMax = 100
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: settings)
        // The disk stalls: a transaction of somebody else's making holds the writer's thread.
        let disk = StalledDisk()
        async let stalled: Void = ledger.database.write { (_) throws(Fault) in disk.stall() }
        let results = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<1_500 {
                group.addTask {
                    let refusal = await refusal {
                        try await ledger.append(draft(0), to: ResourceID("w", "\(number)"), after: .none)
                    }
                    guard case .cannotRecord(let fault) = refusal else { return refusal == nil }
                    #expect(fault.kind == .limitReached)
                    disk.goOn()
                    return false
                }
            }
            return await group.reduce(into: [true: 0, false: 0]) { $0[$1, default: 0] += 1 }
        }
        try await stalled
        #expect(results[false]! > 0)
        #expect(try await ledger.reader.count() == Int64(results[true]!))
        await ledger.close()
    }

    @Test(arguments: LedgerBoundary.allCases)
    func `killed at any boundary, the next life finds what was committed and goes on`(boundary: LedgerBoundary) async throws {
        let folder = Folder()
        for kill in 1...4 {
            let reached = Mutex([String: Int]())
            var settings = LedgerWriter.Settings()
            settings.checkpointEntries = 2
            settings.boundaries = Boundaries { name in
                let count = reached.withLock { reached in
                    reached[name, default: 0] += 1
                    return reached[name]!
                }
                if name == boundary.rawValue && count == kill { throw Fault(what: "killed", why: "a test", fix: "") }
            }
            let ledger = try await LedgerWriter.open(directory: folder.path, settings: settings)
            let before = try await ledger.reader.count()
            var acknowledged = before
            for number in 0..<20 {
                guard (try? await ledger.record(number)) != nil else { break }
                acknowledged += 1
            }
            #expect(reached.withLock { $0[boundary.rawValue] } == kill)
            #expect(await ledger.fault?.what.contains(boundary.rawValue) == true)
            await ledger.close()
            let verdict = try await LedgerAudit.verify(path: folder.path, key: .demanded(ledger.verifierKey))
            #expect(verdict.isGood, "\(verdict)")
            let unacknowledged = verdict.entries - acknowledged
            #expect(unacknowledged == (boundary == .afterAppendCommit ? 1 : 0))
        }
    }

    @Test func `every boundary that is listed is reached by an ordinary life`() async throws {
        let folder = Folder()
        let reached = Mutex(Set<String>())
        var settings = LedgerWriter.Settings()
        settings.boundaries = Boundaries { name in _ = reached.withLock { $0.insert(name) } }
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: settings)
        try await ledger.record(0)
        await ledger.close()
        #expect(reached.withLock { $0 } == Set(LedgerBoundary.allNames))
    }

    @Test func `a checkpoint follows the entries that none covers`() async throws {
        let folder = Folder()
        var settings = LedgerWriter.Settings()
        settings.checkpointEntries = 10
        settings.checkpointInterval = .milliseconds(1)
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: settings)
        for number in 0..<10 { try await ledger.record(number) }
        // The tenth entry's own flush signs; whatever the timer signed before covers fewer.
        while try await ledger.reader.lastCheckpoint()?.checkpoint.size != 10 { await Task.yield() }
        try await ledger.record(10)
        while try await ledger.reader.lastCheckpoint()?.checkpoint.size != 11 { await Task.yield() }
        await ledger.close()
    }

    @Test func `two writers never hold one ledger`() async throws {
        let folder = Folder()
        let first = try await LedgerWriter.open(directory: folder.path)
        #expect(await fault { try await LedgerWriter.open(directory: folder.path) }?.what.contains("pid \(getpid())") == true)
        await first.close()
        await (try LedgerWriter.open(directory: folder.path)).close()
    }
}

final class StalledDisk: Sendable {
    private let isGoing = Mutex(false)
    func stall() { while !isGoing.withLock({ $0 }) { sched_yield() } }
    func goOn() { isGoing.withLock { $0 = true } }
}
