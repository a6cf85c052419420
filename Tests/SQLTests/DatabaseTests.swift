import Faults
import Glibc
import SQL
import Synchronization
import TestFolders
import Testing

typealias Folder = TemporaryFolder

let plain = [Migration("pairs", "CREATE TABLE pair (key TEXT PRIMARY KEY, value)")]

func fault<T>(_ body: () async throws -> T) async -> Fault? {
    do {
        _ = try await body()
        return nil
    } catch { return error as? Fault }
}

@Suite struct DatabaseTests {
    @Test func `what was committed is there after closing and opening again`() async throws {
        let folder = Folder()
        let values: [SQLValue] = [
            .null, .integer(.min), .real(-0.25), .text("naïve \u{0} ✓"), .blob([0, 255]), .blob([]), .text(""),
        ]
        var database = try await Database.open(path: folder.path + "/a.db", migrations: plain)
        try await database.write { (session) throws(Fault) in
            for (index, value) in values.enumerated() {
                try session.run("INSERT INTO pair VALUES (?, ?)", [.text("\(index)"), value])
                #expect(session.changes == 1)
            }
        }
        await database.close()
        database = try await Database.open(path: folder.path + "/a.db", migrations: plain)
        let read = try await database.read { (session) throws(Fault) in try session.rows("SELECT value FROM pair ORDER BY key") }
        #expect(read == values.map { [$0] })
        await database.close()
    }

    @Test(arguments: ["a.db", ":memory:"])
    func `a write that throws leaves nothing behind`(name: String) async throws {
        let folder = Folder()
        let database = try await Database.open(path: name == ":memory:" ? name : folder.path + "/" + name, migrations: plain)
        let refused = Fault(what: "no", why: "a test", fix: "none")
        let thrown = await fault {
            try await database.write { (session) throws(Fault) in
                try session.run("INSERT INTO pair VALUES ('a', 1)")
                throw refused
            }
        }
        #expect(thrown == refused)
        #expect(try await database.read { (session) throws(Fault) in try session.rows("SELECT * FROM pair") }.isEmpty)
        try await database.write { (session) throws(Fault) in try session.run("INSERT INTO pair VALUES ('a', 1)") }
        #expect(try await database.read { (session) throws(Fault) in try session.rows("SELECT * FROM pair") }.count == 1)
        await database.close()
    }

    @Test(arguments: ["a.db", ":memory:"])
    func `a read cannot write`(name: String) async throws {
        let folder = Folder()
        let database = try await Database.open(path: name == ":memory:" ? name : folder.path + "/" + name, migrations: plain)
        let thrown = await fault {
            try await database.read { (session) throws(Fault) in try session.run("INSERT INTO pair VALUES ('a', 1)") }
        }
        #expect(thrown?.what.contains("cannot be written") == true)
        await database.close()
    }

    @Test func `a read sees one moment, and a write never waits for it`() async throws {
        let folder = Folder()
        let database = try await Database.open(path: folder.path + "/a.db", migrations: plain)
        let (isReading, goOn) = (Meeting(), Meeting())
        async let counts = database.read { (session) throws(Fault) -> [Int] in
            let before = try session.rows("SELECT * FROM pair").count
            isReading.signal()
            goOn.wait()
            return [before, try session.rows("SELECT * FROM pair").count]
        }
        await isReading.reached()
        try await database.write { (session) throws(Fault) in try session.run("INSERT INTO pair VALUES ('a', 1)") }
        goOn.signal()
        #expect(try await counts == [0, 0])
        #expect(try await database.read { (session) throws(Fault) in try session.rows("SELECT * FROM pair") }.count == 1)
        await database.close()
    }

    @Test func `rows stream, stop when told, and the same text may run inside its own rows`() async throws {
        let database = try await Database.open(path: ":memory:", migrations: plain)
        try await database.write { (session) throws(Fault) in
            for index in 0..<100 { try session.run("INSERT INTO pair VALUES (?, ?)", [.text("\(index)"), .integer(Int64(index))]) }
        }
        let seen = try await database.read { (session) throws(Fault) -> Int in
            var seen = 0
            try session.each("SELECT value FROM pair") { (_) throws(Fault) in
                try session.each("SELECT value FROM pair") { (_) throws(Fault) in
                    seen += 1
                    return seen % 10 != 0
                }
                return seen < 50
            }
            return seen
        }
        #expect(seen == 50)
        await database.close()
    }

    @Test func `many writers at once each get their transaction`() async throws {
        let folder = Folder()
        let database = try await Database.open(path: folder.path + "/a.db", migrations: plain)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<200 {
                group.addTask {
                    try await database.write { (session) throws(Fault) in
                        let count = try session.rows("SELECT count(*) FROM pair")[0][0]
                        try session.run("INSERT INTO pair VALUES (?, ?)", [.text("\(index)"), count])
                    }
                }
            }
            try await group.waitForAll()
        }
        let rows = try await database.read { (session) throws(Fault) in try session.rows("SELECT value FROM pair ORDER BY value") }
        #expect(rows == (0..<200).map { [.integer($0)] })
        await database.close()
    }
}

/// One-shot meeting of a blocking thread with an async test.
final class Meeting: Sendable {
    private let isSignalled = Mutex(false)
    func signal() { isSignalled.withLock { $0 = true } }
    func wait() { while !isSignalled.withLock({ $0 }) { sched_yield() } }
    func reached() async { while !isSignalled.withLock({ $0 }) { await Task.yield() } }
}
