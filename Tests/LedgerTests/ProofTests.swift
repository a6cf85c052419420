import Faults
import JSON
import TestFolders
import Testing

@testable import Ledger

@Suite struct ProofTests {
    @Test func `a published proof is checked by itself, and any change of it is noticed`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: .unhurried)
        for number in 0..<21 { try await ledger.record(number) }
        let key = AuditKey.demanded(ledger.verifierKey)
        for index in 0..<21 as Range<Int64> {
            let json = try await ledger.reader.prove(Position(index))
            #expect(try InclusionProof(json).check(key) == .init(isIncluded: true, signature: .verified))
            #expect(try InclusionProof(json).check(.none).signature == .unchecked)
            let changes: [(String, JSONValue)] = [
                ("index", .integer((index + 1) % 21)), ("entry", ["index": .integer(index)]),
                ("leaf", .string(MerkleTree.emptyRoot.base64)),
                ("proof", []), ("size", 20), ("root", .string(MerkleTree.emptyRoot.base64)), ("proof", ["nonsense"]),
                ("checkpoint", "x"),
                ("leaf", nil),
            ]
            for (member, value) in changes {
                var object = json.objectValue!
                object[member] = value
                let check = try? InclusionProof(.object(object)).check(key)
                #expect(check?.isGood != true, "\(member)")
            }
        }
        let grown = try await ledger.reader.consistency(from: 8, to: 21)
        #expect(try ConsistencyProof(grown).isGood)
        for (member, value) in [
            ("old", 9), ("new", 7), ("old_root", grown["new_root"]!), ("new_root", grown["old_root"]!), ("proof", []),
        ] as [(String, JSONValue)] {
            var object = grown.objectValue!
            object[member] = value
            #expect(try !ConsistencyProof(.object(object)).isGood, "\(member)")
        }
        #expect(throws: Fault.self) { try ConsistencyProof(["old": 1]) }
        await ledger.close()
    }

    @Test func `an entry is shown with its leaf, and one that is not there is named`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: .unhurried)
        #expect(await fault { try await ledger.reader.show(Position(0)) }?.why == "The ledger is empty.")
        try await ledger.record(5)
        let shown = try await ledger.reader.show(Position(0))
        #expect(shown["leaf"]?.stringValue == MerkleTree.leafHash(Array(shown["entry"]!.canonicalText.utf8)).base64)
        #expect(await fault { try await ledger.reader.show(Position(1)) }?.kind == .notFound)
        #expect(try await ledger.verify().isGood)
        await ledger.close()
    }

    @Test func `nothing is recorded about a resource without a kind or a name`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: .unhurried)
        for resource in [ResourceID("", "a"), ResourceID("a", ""), ResourceID("a/b", "c")] {
            guard case .cannotRecord(let fault) = await refusal({ try await ledger.append(draft(0), to: resource, after: .none) })
            else {
                throw Fault(what: "\(resource) was recorded", why: "", fix: "")
            }
            #expect(fault.kind == .usage)
        }
        #expect(try await ledger.append(draft(0), to: ResourceID("a", "b/c"), after: .none) == Position(0))
        #expect(try await ledger.reader.entry(at: Position(0))?.resource == ResourceID("a", "b/c"))
        await ledger.close()
    }
}

@Suite struct LineReaderTests {
    func lines(_ bytes: [UInt8]) throws -> [LineReader.Line] {
        let folder = Folder()
        Folder.write(bytes, to: folder.path + "/lines")
        var reader = try LineReader(path: folder.path + "/lines")
        var lines: [LineReader.Line] = []
        while let line = try reader.next() { lines.append(line) }
        return lines
    }

    @Test func `lines come whole, wherever the buffer ends`() throws {
        for size in [0, 1, 65_535, 65_536, 65_537, 200_000] {
            let long = [UInt8](repeating: 0x61, count: size)
            #expect(try lines(long + [0x0A] + long + [0x0A]) == [.text(long), .text(long)])
            #expect(try lines([0x0A] + long + [0x0A]) == [.text([]), .text(long)])
            #expect(try lines([0x62, 0x0A] + long) == (size == 0 ? [.text([0x62])] : [.text([0x62]), .text(long)]))
        }
        #expect(try lines([]).isEmpty)
    }

    @Test func `a line too long for memory is skipped, and the next is read`() throws {
        let long = [UInt8](repeating: 0x61, count: (8 << 20) + 1)
        #expect(try lines(long + [0x0A, 0x62, 0x0A]) == [.tooLong, .text([0x62])])
        #expect(throws: Fault.self) { _ = try LineReader(path: "/nowhere/lines") }
    }
}

/// A ledger written by an earlier version of this program is still understood.
@Suite struct FixtureTests {
    static var folder: String {
        let tests = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        return "/\(tests)/Fixtures/ledger"
    }

    @Test func `an export of the first version still verifies with its key`() async throws {
        let key = try LedgerAudit.key(nil, for: Self.folder + "/export.jsonl", home: nil)
        let verdict = try await LedgerAudit.verify(path: Self.folder + "/export.jsonl", key: key)
        #expect(verdict.isGood && verdict.signature == .verified && verdict.entries == 9)
    }
}
