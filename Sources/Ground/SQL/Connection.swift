import Faults

/// One connection on its own thread.
actor Connection {
    private let thread: DatabaseThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    private let path: String
    private var handle: Handle?

    init(path: String) throws(Fault) {
        thread = try DatabaseThread()
        self.path = path
    }

    deinit { thread.stop() }

    /// Opens for writing: WAL, durable at each commit.
    func openForWriting(migrations: [Migration]) throws(Fault) {
        let opened = try Handle(path: path, mode: .readWrite)
        try opened.useWriteAheadLog()
        try opened.run("PRAGMA synchronous = FULL")
        try opened.run("PRAGMA foreign_keys = ON")
        try opened.migrate(migrations)
        handle = opened
    }

    func openForReading(_ mode: Handle.Mode) throws(Fault) {
        let opened = try Handle(path: path, mode: mode)
        // The file is only looked at when something is read: a file that is no database is refused here, not later.
        try opened.run("SELECT count(*) FROM sqlite_schema")
        handle = opened
    }

    func write<T: Sendable>(_ body: @Sendable (borrowing Session) throws(Fault) -> T) throws(Fault) -> T {
        let handle = try opened()
        return try handle.transaction("BEGIN IMMEDIATE") { () throws(Fault) in try body(Session(handle: handle)) }
    }

    func read<T: Sendable>(_ body: @Sendable (borrowing Session) throws(Fault) -> T) throws(Fault) -> T {
        let handle = try opened()
        return try handle.transaction("BEGIN") { () throws(Fault) in try body(Session(handle: handle)) }
    }

    /// A read on the writing connection (`:memory:` has only that one).
    func readOnWriter<T: Sendable>(_ body: @Sendable (borrowing Session) throws(Fault) -> T) throws(Fault) -> T {
        let handle = try opened()
        try handle.run("PRAGMA query_only = ON")
        defer { try? handle.run("PRAGMA query_only = OFF") }
        return try read(body)
    }

    func close() { handle = nil }

    private func opened() throws(Fault) -> Handle {
        guard let handle else { throw DatabaseFault.closed(path) }
        return handle
    }
}
