public import Faults
import Glibc

/// One SQLite database (WAL, synchronous FULL) and the threads it lives on: one for writes, one for reads, so that a read never
/// waits for a write and neither runs on Swift's cooperative pool.
public final class Database: Sendable {
    /// Where the file is; ":memory:" has none.
    public let path: String
    private let writer: Connection?
    private let reader: Connection?
    private let lock: ProcessLock?

    private init(path: String, writer: Connection?, reader: Connection?, lock: ProcessLock?) {
        (self.path, self.writer, self.reader, self.lock) = (path, writer, reader, lock)
    }

    /// Opens or creates the file and applies the migrations that it has not seen, each in a transaction.
    /// `path` may be ":memory:". One process at a time may hold a file (`path.lock`); the fault names the other.
    public static func open(path: String, migrations: [Migration]) async throws(Fault) -> Database {
        let isInMemory = path == ":memory:"
        let lock = isInMemory ? nil : try ProcessLock(path: path + ".lock")
        // SQLite would make it readable to all; the log and index beside it take the mode of the file.
        let file = isInMemory ? -1 : unsafe Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        if file >= 0 { Glibc.close(file) }
        let writer = try Connection(path: path)
        try await writer.openForWriting(migrations: migrations)
        guard !isInMemory else { return Database(path: path, writer: writer, reader: nil, lock: nil) }
        let reader = try Connection(path: path)
        try await reader.openForReading(.readOnly)
        return Database(path: path, writer: writer, reader: reader, lock: lock)
    }

    /// Opens a file only to read it: a copy, or the file of a daemon that may be running. Takes no lock, applies no migration.
    public static func openReadOnly(path: String) async throws(Fault) -> Database {
        let reader = try Connection(path: path)
        // With a write-ahead log beside it the file has a writer, or had one that was killed. Without one nobody writes, and
        // `immutable` reads it without leaving files of its own in somebody's folder of evidence.
        let hasLog = unsafe access(path + "-wal", F_OK) == 0
        try await reader.openForReading(hasLog ? .readOnly : .immutable)
        return Database(path: path, writer: nil, reader: reader, lock: nil)
    }

    /// One IMMEDIATE transaction: commits when `body` returns, rolls back when it throws. Durable when this returns.
    public func write<T: Sendable>(_ body: @Sendable (borrowing Session) throws(Fault) -> T) async throws(Fault) -> T {
        guard let writer else {
            throw Fault(
                .failed, what: "This database is open for reading only.", why: "It was opened by `Database.openReadOnly`.",
                fix: "This is a defect: report it.")
        }
        return try await writer.write(body)
    }

    /// A consistent read: everything committed before it began, nothing after.
    public func read<T: Sendable>(_ body: @Sendable (borrowing Session) throws(Fault) -> T) async throws(Fault) -> T {
        if let reader { return try await reader.read(body) }
        guard let writer else { preconditionFailure("a database has a reader or a writer") }
        return try await writer.readOnWriter(body)
    }

    /// Closes both connections and lets go of the lock. Later calls fail; calling it again does nothing.
    public func close() async {
        // The writer goes last: it folds the write-ahead log into the file.
        await reader?.close()
        await writer?.close()
        lock?.release()
    }
}
