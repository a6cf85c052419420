import Faults
import Glibc
import SQL
import TestFolders
import Testing

func bytes(of path: String) -> [UInt8] {
    let file = unsafe open(path, O_RDONLY)
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: max(0, Int(lseek(file, 0, SEEK_END))))
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(file, $0.baseAddress, $0.count, 0) }
    return Array(bytes.prefix(max(0, count)))
}

func write(_ bytes: [UInt8], to path: String) {
    let file = unsafe open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
    defer { close(file) }
    let count = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, 0) }
    precondition(count == bytes.count)
}

@Suite struct DatabaseFaultTests {
    @Test func `a second daemon on one file is refused, with the pid of the first, until that one closes`() async throws {
        let folder = Folder()
        let path = folder.path + "/a.db"
        let first = try await Database.open(path: path, migrations: plain)
        let refused = await fault { try await Database.open(path: path, migrations: plain) }
        #expect(refused?.kind == .conflict)
        #expect(refused?.what.contains("pid \(getpid())") == true)
        await first.close()
        await first.close()
        let second = try await Database.open(path: path, migrations: plain)
        await second.close()
    }

    @Test func `a new database is for its owner only, with all that lies beside it`() async throws {
        let folder = Folder()
        let database = try await Database.open(path: folder.path + "/a.db", migrations: plain)
        for name in ["a.db", "a.db-wal", "a.db-shm", "a.db.lock"] {
            var status = stat()
            #expect(unsafe stat("\(folder.path)/\(name)", &status) == 0 && status.st_mode & 0o777 == 0o600, "\(name)")
        }
        await database.close()
    }

    @Test func `a closed database says so`() async throws {
        let database = try await Database.open(path: ":memory:", migrations: plain)
        await database.close()
        let thrown = await fault { try await database.read { (session) throws(Fault) in try session.rows("SELECT 1") } }
        #expect(thrown?.kind == .unavailable)
        #expect(thrown?.what.contains("closed") == true)
    }

    @Test func `a full disk is named, loses nothing, and writing goes on when there is room`() async throws {
        let folder = Folder()
        let database = try await Database.open(path: folder.path + "/a.db", migrations: plain)
        try await database.write { (session) throws(Fault) in try session.run("INSERT INTO pair VALUES ('kept', 1)") }
        _ = try await database.write { (session) throws(Fault) in try session.rows("PRAGMA max_page_count = 4") }
        let large = SQLValue.blob([UInt8](repeating: 7, count: 100_000))
        let thrown = await fault {
            try await database.write { (session) throws(Fault) in try session.run("INSERT INTO pair VALUES ('lost', ?)", [large]) }
        }
        #expect(thrown?.kind == .unavailable)
        #expect(thrown?.what.contains("disk is full") == true)
        _ = try await database.write { (session) throws(Fault) in try session.rows("PRAGMA max_page_count = 10000") }
        try await database.write { (session) throws(Fault) in try session.run("INSERT INTO pair VALUES ('next', ?)", [large]) }
        let keys = try await database.read { (session) throws(Fault) in try session.rows("SELECT key FROM pair ORDER BY key") }
        #expect(keys == [[.text("kept")], [.text("next")]])
        await database.close()
    }

    @Test func `a file that is no database is called damaged`() async throws {
        let folder = Folder()
        write(
            Array("this is a text of some length, and no database at all".utf8) + [UInt8](repeating: 1, count: 5_000),
            to: folder.path + "/a.db")
        let thrown = await fault { try await Database.open(path: folder.path + "/a.db", migrations: plain) }
        #expect(thrown?.what.contains("damaged") == true)
        let readOnly = await fault { try await Database.openReadOnly(path: folder.path + "/a.db") }
        #expect(readOnly?.what.contains("damaged") == true)
    }

    @Test func `a folder that does not exist is named`() async {
        let thrown = await fault { try await Database.open(path: "/nowhere/a.db", migrations: plain) }
        #expect(thrown?.what.contains("/nowhere/a.db") == true)
        let readOnly = await fault { try await Database.openReadOnly(path: "/nowhere/a.db") }
        #expect(readOnly?.what.contains("/nowhere/a.db") == true)
    }

    @Test func `migrations run once, in order, and a failing one leaves the schema as it was`() async throws {
        let folder = Folder()
        let path = folder.path + "/a.db"
        let second = Migration("more", "INSERT INTO pair VALUES ('m', 1); CREATE TABLE other (x)")
        await (try Database.open(path: path, migrations: plain)).close()
        await (try Database.open(path: path, migrations: plain + [second])).close()
        await (try Database.open(path: path, migrations: plain + [second])).close()
        let broken = Migration("broken", "INSERT INTO pair VALUES ('n', 1); CREATE TABLE pair (x)")
        let thrown = await fault { try await Database.open(path: path, migrations: plain + [second, broken]) }
        #expect(thrown?.why.contains("already exists") == true)
        let database = try await Database.open(path: path, migrations: plain + [second])
        #expect(try await database.read { (session) throws(Fault) in try session.rows("SELECT key FROM pair") } == [[.text("m")]])
        await database.close()
    }

    @Test func `a file of a newer program or of another one is refused and not touched`() async throws {
        let folder = Folder()
        let path = folder.path + "/a.db"
        let second = Migration("more", "CREATE TABLE other (x)")
        await (try Database.open(path: path, migrations: plain + [second])).close()
        let newer = await fault { try await Database.open(path: path, migrations: plain) }
        #expect(newer?.what.contains("newer OpenClaw") == true)
        let other = await fault {
            try await Database.open(path: path, migrations: [Migration("else", "CREATE TABLE x (y)"), second])
        }
        #expect(other?.what.contains("another program") == true)
    }

    @Test func `a copy is read without a lock and without leaving files beside it`() async throws {
        let folder = Folder()
        let database = try await Database.open(path: folder.path + "/a.db", migrations: plain)
        try await database.write { (session) throws(Fault) in try session.run("INSERT INTO pair VALUES ('a', 1)") }
        // The running daemon's file is readable beside it...
        let beside = try await Database.openReadOnly(path: folder.path + "/a.db")
        #expect(try await beside.read { (session) throws(Fault) in try session.rows("SELECT * FROM pair") }.count == 1)
        let refused = await fault { try await beside.write { (session) throws(Fault) in try session.run("DELETE FROM pair") } }
        #expect(refused != nil)
        await beside.close()
        await database.close()
        // ...and so is a copy taken after it stopped.
        write(bytes(of: folder.path + "/a.db"), to: folder.path + "/copy.db")
        let copy = try await Database.openReadOnly(path: folder.path + "/copy.db")
        #expect(try await copy.read { (session) throws(Fault) in try session.rows("SELECT * FROM pair") }.count == 1)
        await copy.close()
        #expect(unsafe access(folder.path + "/copy.db-wal", F_OK) != 0)
        #expect(unsafe access(folder.path + "/copy.db-shm", F_OK) != 0)
    }
}
