import Faults
import Glibc
import JSON
import SQL
import Synchronization
import Telemetry
import TestFolders
import Testing

@testable import Ledger

let fraud = ResourceID("release", "fraud-model-v12")

func draft(_ number: Int) -> LedgerDraft {
    LedgerDraft(kind: "release.event", by: "conductor", body: ["number": .integer(Int64(number))])
}

extension LedgerWriter {
    /// Appends at the resource's head, whatever it is.
    @discardableResult
    func record(_ number: Int, to resource: ResourceID = fraud) async throws -> Position {
        try await append(draft(number), to: resource, after: try await reader.head(of: resource))
    }
}

@Suite struct LedgerWriterTests {
    @Test func `an append is refused when something else was recorded first, and says where the head is`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        let first = try await ledger.append(draft(0), to: fraud, after: .none)
        #expect(first == Position(0))
        await #expect(throws: AppendRefusal.moved(to: first)) { try await ledger.append(draft(1), to: fraud, after: .none) }
        #expect(try await ledger.append(draft(2), to: ResourceID("route", "fraud"), after: .none) == Position(1))
        let third = try await ledger.append(draft(3), to: fraud, after: first)
        #expect(third == Position(2))
        #expect(try await ledger.reader.head(of: fraud) == third)
        await #expect(throws: AppendRefusal.moved(to: third)) { try await ledger.append(draft(4), to: fraud, after: Position(9)) }
        #expect(try await ledger.reader.count() == 3)
        let entry = try #require(try await ledger.reader.entry(at: third))
        #expect(entry.after == first && entry.resource == fraud && entry.by == "conductor" && entry.body["number"] == 3)
        #expect(entry.previous == (try await ledger.reader.entry(at: Position(1)))?.leafHash)
        #expect(try await ledger.reader.entry(at: Position(3)) == nil)
        #expect(try await ledger.reader.entries(kind: "release").map(\.position) == [first, third])
        #expect(try await ledger.reader.entries(kind: "route", name: "fraud").map(\.position) == [Position(1)])
        #expect(try await ledger.reader.entries(after: first, limit: 1).map(\.position) == [Position(1)])
        #expect(try await ledger.reader.latest(limit: 2).map(\.position) == [third, Position(1)])
        #expect(try await ledger.reader.latest(kind: "release", before: third, limit: 2).map(\.position) == [first])
        await ledger.close()
    }

    @Test func `of many that race for one head exactly one wins, and the others go on from where it is`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    var head = Position.none
                    while true {
                        do throws(AppendRefusal) {
                            _ = try await ledger.append(draft(number), to: fraud, after: head)
                            return
                        } catch {
                            guard case .moved(let position) = error, position > head else { throw error }
                            head = position
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let entries = try await ledger.reader.entries(kind: fraud.kind, name: fraud.name)
        #expect(entries.map(\.after.index) == Array(-1..<39))
        #expect(Set(entries.compactMap { $0.body["number"]?.integerValue }) == Set(0..<40))
        await ledger.close()
    }

    @Test func `appends from one task keep their order, though many share a transaction`() async throws {
        let folder = Folder()
        let commits = Mutex(0)
        var settings = LedgerWriter.Settings()
        settings.boundaries = Boundaries { name in
            if name == LedgerBoundary.afterAppendCommit.rawValue { commits.withLock { $0 += 1 } }
        }
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: settings)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<50 {
                group.addTask {
                    let resource = ResourceID("worker", "\(worker)")
                    var head = Position.none
                    for number in 0..<20 { head = try await ledger.append(draft(number), to: resource, after: head) }
                }
            }
            try await group.waitForAll()
        }
        for worker in 0..<50 {
            let entries = try await ledger.reader.entries(kind: "worker", name: "\(worker)")
            #expect(entries.compactMap { $0.body["number"]?.integerValue } == Array(0..<20))
        }
        let transactions = commits.withLock { $0 }
        #expect(await ledger.figures.appended == 1_000)
        #expect(await ledger.figures.transactions == Int64(transactions))
        #expect(transactions < 1_000, "1 000 appends took \(transactions) transactions")
        await ledger.close()
    }

    @Test func `what was recorded is there after a restart, and the tree goes on`() async throws {
        let folder = Folder()
        var roots: [SHA256Digest] = []
        for life in 0..<5 {
            let ledger = try await LedgerWriter.open(directory: folder.path)
            #expect(try await ledger.reader.count() == Int64(life * 7))
            for number in 0..<7 { try await ledger.record(number) }
            let signed = try SignedCheckpoint(parsing: try await ledger.checkpoint())
            #expect(ledger.verifierKey.verifies(signed))
            roots.append(signed.checkpoint.root)
            await ledger.close()
        }
        let ledger = try await LedgerWriter.open(directory: folder.path)
        for life in 1...5 {
            let proof = try await ledger.reader.consistency(from: Int64(life * 7), to: 35)
            #expect(proof["old_root"]?.stringValue == roots[life - 1].base64)
            let hashes = try #require(proof["proof"]?.arrayValue).map { SHA256Digest(base64: $0.stringValue!)! }
            #expect(
                MerkleTree.verifyConsistency(
                    from: Int64(life * 7), oldRoot: roots[life - 1], to: 35, newRoot: roots[4], proof: hashes))
        }
        await ledger.close()
    }

    @Test func `an entry's proof leads from its text to a signed root`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        for number in 0..<45 { try await ledger.record(number) }
        for index in [0, 17, 44] as [Int64] {
            let proof = try await ledger.reader.prove(Position(index))
            let entry = try #require(proof["entry"])
            #expect(try LedgerEntry(json: entry).position == Position(index))
            let leaf = MerkleTree.leafHash(Array(entry.canonicalText.utf8))
            #expect(proof["leaf"]?.stringValue == leaf.base64)
            let signed = try SignedCheckpoint(parsing: try #require(proof["checkpoint"]?.stringValue))
            #expect(ledger.verifierKey.verifies(signed))
            #expect(signed.checkpoint.size == proof["size"]?.integerValue)
            let hashes = try #require(proof["proof"]?.arrayValue).map { SHA256Digest(base64: $0.stringValue!)! }
            #expect(
                MerkleTree.verifyInclusion(
                    of: leaf, at: index, inSize: signed.checkpoint.size, proof: hashes, root: signed.checkpoint.root))
        }
        await #expect(throws: Fault.self) { try await ledger.reader.prove(Position(45)) }
        await #expect(throws: Fault.self) { try await ledger.reader.consistency(from: 3, to: 46) }
        await ledger.close()
    }

    @Test func `who hears of an entry hears what a restart will read`() async throws {
        let folder = Folder()
        let body: JSONValue = [
            "whole": 2.0, "fraction": 0.1, "tiny": .number(.leastNonzeroMagnitude), "large": .number(1e300),
            "integer": .integer(.max),
            "text": "a\u{0}é\u{1F600}\"",
            "nothing": nil, "nan": .number(.nan), "list": [[], [:], true],
        ]
        let ledger = try await LedgerWriter.open(directory: folder.path)
        var heard = ledger.entries(after: .none).makeAsyncIterator()
        _ = try await ledger.append(LedgerDraft(kind: "k", by: "b", body: body), to: fraud, after: .none)
        let live = await heard.next()
        #expect(live == (try await ledger.reader.entry(at: Position(0))))
        #expect(live?.body["whole"]?.integerValue == 2)
        await ledger.close()
        #expect(await heard.next() == nil)
    }

    @Test func `what is too large or too deep is refused by itself, and its neighbours are recorded`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        let large = LedgerDraft(kind: "k", by: "b", body: .string(String(repeating: "x", count: AppendState.entryBytesMax)))
        var nested = JSONValue.null
        for _ in 0..<600 { nested = [nested] }
        let deep = LedgerDraft(kind: "k", by: "b", body: nested)
        async let before = ledger.append(draft(0), to: ResourceID("a", "1"), after: .none)
        async let tooLarge = refusal { try await ledger.append(large, to: fraud, after: .none) }
        async let tooDeep = refusal { try await ledger.append(deep, to: fraud, after: .none) }
        async let after = ledger.append(draft(0), to: ResourceID("a", "2"), after: .none)
        _ = try await (before, after)
        guard case .cannotRecord(let fault) = await tooLarge else { throw Fault(what: "not refused", why: "", fix: "") }
        #expect(fault.kind == .limitReached)
        guard case .cannotRecord = await tooDeep else { throw Fault(what: "not refused", why: "", fix: "") }
        #expect(try await ledger.reader.count() == 2)
        await ledger.close()
    }

    @Test func `a closed ledger refuses`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path)
        await ledger.close()
        await ledger.close()
        guard case .cannotRecord = await refusal({ try await ledger.append(draft(0), to: fraud, after: .none) }) else {
            throw Fault(what: "not refused", why: "", fix: "")
        }
        await #expect(throws: Fault.self) { try await ledger.checkpoint() }
    }
}

func refusal(_ body: () async throws -> Position) async -> AppendRefusal? {
    do {
        _ = try await body()
        return nil
    } catch { return error as? AppendRefusal }
}
