import Faults
import JSON
import SQL
import TestFolders
import Testing

@testable import Ledger

/// A closed ledger on disk, which a test may tamper with.
struct Archive {
    let folder = Folder()
    let key: VerifierKey
    static let size: Int64 = 30

    /// 30 entries, checkpoints at 10, 20 and 30.
    init() async throws {
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: .unhurried)
        for number in 0..<Int(Archive.size) {
            try await ledger.record(number, to: ResourceID("release", "r\(number % 3)"))
            if number % 10 == 9 { _ = try await ledger.checkpoint() }
        }
        await ledger.close()
        key = ledger.verifierKey
    }

    func tamper(_ statements: (String, [SQLValue])...) async throws {
        let database = try await Database.open(path: folder.path + "/ledger.db", migrations: LedgerStore.migrations)
        try await database.write { (session) throws(Fault) in
            for (sql, bindings) in statements { try session.run(sql, bindings) }
        }
        await database.close()
    }

    func verdict(_ key: AuditKey? = nil) async throws -> AuditVerdict {
        try await LedgerAudit.verify(path: folder.path, key: key ?? .demanded(self.key))
    }

    func text(_ index: Int64) async throws -> String {
        let database = try await Database.openReadOnly(path: folder.path + "/ledger.db")
        let text = try await database.read { (session) throws(Fault) in try LedgerStore.text(at: Position(index), session) }
        await database.close()
        return try #require(text)
    }
}

@Suite struct DatabaseAuditTests {
    @Test func `an honest database verifies, as a folder, as a file, and as a copy with nothing beside it`() async throws {
        let archive = try await Archive()
        let expected = AuditVerdict(
            entries: 30, firstBad: nil, signature: .verified, checkpoint: try await archive.verdict().checkpoint, why: nil)
        #expect(try await archive.verdict() == expected)
        #expect(expected.checkpoint?.size == 30)
        #expect(try await LedgerAudit.verify(path: archive.folder.path + "/ledger.db", key: .demanded(archive.key)) == expected)
        let copy = Folder()
        Folder.write(Folder.bytes(of: archive.folder.path + "/ledger.db"), to: copy.path + "/copy.sqlite")
        #expect(try await LedgerAudit.verify(path: copy.path + "/copy.sqlite", key: .none).signature == .unchecked)
        #expect(try await LedgerAudit.verify(path: copy.path + "/copy.sqlite", key: .none).isGood)
        #expect(Folder.names(in: copy.path) == ["copy.sqlite"])
        #expect(
            try await archive.verdict(.demanded(SigningKey(name: SigningKey.freshName(), privateKey: .init()).verifier)).signature
                == .bad)
    }

    @Test(arguments: [0, 1, 7, 9, 10, 19, 28, 29] as [Int64])
    func `an altered entry is named, whether or not its leaf was adjusted`(index: Int64) async throws {
        let archive = try await Archive()
        var entry = try #require(try JSONValue(parsing: try await archive.text(index)).objectValue)
        entry["body"] = "forged"
        let text = JSONValue.object(entry).canonicalText
        try await archive.tamper(("UPDATE entry SET text = ? WHERE position = ?", [.text(text), .integer(index)]))
        #expect(try await archive.verdict().firstBad == index)
        let leaf = SQLValue.blob(MerkleTree.leafHash(Array(text.utf8)).bytes)
        try await archive.tamper(("UPDATE node SET hash = ? WHERE number = ?", [leaf, .integer(2 * index)]))
        #expect(try await archive.verdict().firstBad == index)
        #expect(try await archive.verdict(AuditKey.none).firstBad == index)
    }

    @Test(arguments: [0, 1, 7, 29] as [Int64])
    func `a removed entry is named`(index: Int64) async throws {
        let archive = try await Archive()
        try await archive.tamper(("DELETE FROM entry WHERE position = ?", [.integer(index)]))
        #expect(try await archive.verdict().firstBad == index)
    }

    @Test func `entries cut off the end are missed, though their checkpoints, nodes or heads were cut off too`() async throws {
        let archive = try await Archive()
        try await archive.tamper(("DELETE FROM entry WHERE position >= 25", []))
        #expect(try await archive.verdict().firstBad == 25)
        try await archive.tamper(("DELETE FROM checkpoint WHERE size > 20", []))
        #expect(try await archive.verdict().firstBad == 25)
        try await archive.tamper(("DELETE FROM node WHERE number >= 50", []))
        #expect(try await archive.verdict().firstBad == 25)
    }

    @Test func `a row changed beside an entry is found`() async throws {
        for (sql, firstBad) in [
            ("UPDATE entry SET name = 'other' WHERE position = 5", 5), ("UPDATE entry SET position = 99 WHERE position = 5", 5),
            ("UPDATE node SET hash = zeroblob(32) WHERE number = 10", 5),
            ("UPDATE node SET hash = zeroblob(32) WHERE number = 9", 5),
            ("DELETE FROM node WHERE number = 15", 15), ("UPDATE head SET position = 40", 30),
            ("UPDATE head SET position = 2", nil),
            ("DELETE FROM head WHERE name = 'r1'", nil), ("UPDATE checkpoint SET note = 'nonsense' WHERE size = 20", nil),
            ("UPDATE checkpoint SET size = 21 WHERE size = 20", nil),
            ("UPDATE checkpoint SET note = replace(note, '30', '31')", 30),
            ("UPDATE checkpoint SET note = replace(note, 'openclaw/', 'openclow/')", nil),
        ] as [(String, Int64?)] {
            let archive = try await Archive()
            try await archive.tamper((sql, []))
            let verdict = try await archive.verdict()
            #expect(!verdict.isGood, "\(sql)")
            // A forged checkpoint accuses nobody; it is called bad instead.
            #expect(verdict.firstBad == firstBad || verdict.why?.contains("checkpoint") == true, "\(sql): \(verdict)")
        }
    }

    @Test func `a ledger that was rewritten with its whole tree does not fit what was signed`() async throws {
        let archive = try await Archive()
        var entry = try #require(try JSONValue(parsing: try await archive.text(12)).objectValue)
        entry["body"] = "forged"
        let forged = entry
        let database = try await Database.open(path: archive.folder.path + "/ledger.db", migrations: LedgerStore.migrations)
        try await database.write { (session) throws(Fault) in
            var texts: [String] = []
            try session.each("SELECT text FROM entry ORDER BY position") { (row) throws(Fault) in
                texts.append(row[0].textValue!)
                return true
            }
            for table in ["entry", "node", "head"] { try session.run("DELETE FROM \(table)") }
            texts[12] = JSONValue.object(forged).canonicalText
            var (frontier, last) = (MerkleFrontier(), SHA256Digest?.none)
            for text in texts {
                var entry = try LedgerStore.entry(text)
                entry.previous = last
                last = try LedgerStore.append(entry.json.canonicalText, for: entry.resource, to: &frontier, session)
            }
        }
        await database.close()
        let verdict = try await archive.verdict()
        // The checkpoint at 10 still fits, the one at 20 does not.
        #expect(verdict.firstBad == 19)
        #expect(verdict.why?.contains("20 entries") == true)
        let refused = await fault { try await LedgerWriter.open(directory: archive.folder.path) }
        #expect(refused?.what.contains("damaged") == true)
    }

    @Test func `a running ledger is verified beside its writer`() async throws {
        let folder = Folder()
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: .unhurried)
        for number in 0..<20 { try await ledger.record(number) }
        let verdict = try await LedgerAudit.verify(path: folder.path, key: .none)
        #expect(verdict.isGood && verdict.entries == 20 && verdict.signature == AuditVerdict.Signature.none)
        _ = try await ledger.checkpoint()
        for number in 0..<20 { try await ledger.record(number) }
        let later = try await LedgerAudit.verify(path: folder.path, key: try LedgerAudit.key(nil, for: folder.path, home: nil))
        #expect(later.isGood && later.entries == 40 && later.signature == .verified && later.checkpoint?.size == 20)
        await ledger.close()
    }

    @Test func `the key is the one demanded, else the one beside the file, else the home's`() async throws {
        let (near, home, empty) = (try await Archive(), try await Archive(), Folder())
        let path = { (folder: Folder) in folder.path + "/ledger.vkey" }
        let file = near.folder.path + "/ledger.db"
        #expect(try LedgerAudit.key(home.key.text, for: file, home: nil) == .demanded(home.key))
        #expect(try LedgerAudit.key(path(home.folder), for: file, home: nil) == .demanded(home.key))
        #expect(try LedgerAudit.key(nil, for: file, home: home.folder.path) == .found(near.key))
        #expect(try LedgerAudit.key(nil, for: empty.path + "/x", home: home.folder.path) == .found(home.key))
        #expect(try LedgerAudit.key(nil, for: empty.path + "/x", home: nil) == .none)
        #expect(throws: Fault.self) { try LedgerAudit.key("openclaw/x+00000000+AAAA", for: file, home: nil) }
        #expect(throws: Fault.self) { try LedgerAudit.key("/nowhere", for: file, home: nil) }
    }

    @Test func `what is neither export nor ledger is refused with a reason`() async throws {
        let folder = Folder()
        #expect(await fault { try await LedgerAudit.verify(path: folder.path + "/none", key: .none) }?.kind == .notFound)
        #expect(await fault { try await LedgerAudit.verify(path: folder.path, key: .none) }?.kind == .notFound)
        let other = try await Database.open(path: folder.path + "/other.db", migrations: [Migration("x", "CREATE TABLE x (y)")])
        await other.close()
        #expect(try await LedgerAudit.verify(path: folder.path + "/other.db", key: .none).why?.contains("no such table") == true)
        Folder.write([], to: folder.path + "/empty")
        #expect(try await !LedgerAudit.verify(path: folder.path + "/empty", key: .none).isGood)
        Folder.write([0, 255, 10, 10], to: folder.path + "/noise")
        #expect(try await LedgerAudit.verify(path: folder.path + "/noise", key: .none).firstBad == 0)
    }
}

func fault<T>(_ body: () async throws -> T) async -> Fault? {
    do {
        _ = try await body()
        return nil
    } catch { return error as? Fault }
}
