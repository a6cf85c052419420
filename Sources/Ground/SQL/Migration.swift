import Faults

/// One numbered step of a schema. Applied once, in order; never edited after release.
public struct Migration: Sendable {
    public let name: String
    public let sql: String
    public init(_ name: String, _ sql: String) { (self.name, self.sql) = (name, sql) }
}

extension Handle {
    /// Applies what the file has not seen, each step in a transaction of its own.
    func migrate(_ migrations: [Migration]) throws(Fault) {
        try script(
            "CREATE TABLE IF NOT EXISTS schema_migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT")
        var applied: [String] = []
        try each("SELECT name FROM schema_migration ORDER BY number", []) { (row) throws(Fault) in
            applied.append(row[0].textValue ?? "")
            return true
        }
        guard applied.count <= migrations.count else {
            throw Fault(
                .unavailable, what: "The database \(path) was written by a newer OpenClaw.",
                why: "Its schema has \(applied.count) steps, the last being '\(applied[applied.count - 1])'; this program knows "
                    + "\(migrations.count).",
                fix: "Start the newer program, or put back the copy made before it was installed.")
        }
        for (number, migration) in migrations.enumerated() {
            if number < applied.count {
                guard applied[number] == migration.name else {
                    throw Fault(
                        .unavailable, what: "The database \(path) belongs to another program or branch of OpenClaw.",
                        why: "Step \(number) of its schema is '\(applied[number])', not '\(migration.name)'.",
                        fix: "Point --home at this program's own folder.")
                }
                continue
            }
            try transaction("BEGIN IMMEDIATE") { () throws(Fault) in
                try script(migration.sql)
                try each(
                    "INSERT INTO schema_migration (number, name) VALUES (?, ?)", [.integer(Int64(number)), .text(migration.name)]
                ) { (_) throws(Fault) in true }
            }
        }
    }

    /// Commits when `body` returns, rolls back when it or the commit fails.
    func transaction<T>(_ begin: String, _ body: () throws(Fault) -> T) throws(Fault) -> T {
        try run(begin)
        do throws(Fault) {
            let result = try body()
            try run("COMMIT")
            return result
        } catch {
            // A full disk may have rolled it back already.
            if isInTransaction { try? run("ROLLBACK") }
            throw error
        }
    }
}
