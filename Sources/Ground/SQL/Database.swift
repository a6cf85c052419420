public import Faults

/// One SQLite database (WAL, synchronous FULL) and the thread it lives on: calls never run on Swift's cooperative pool.
public actor Database {
    /// Opens or creates the file and applies the migrations that it has not seen, each in a transaction.
    /// `path` may be ":memory:".
    public static func open(path: String, migrations: [Migration]) async throws(Fault) -> Database {
        preconditionFailure("contract")
    }

    /// One IMMEDIATE transaction: commits when `body` returns, rolls back when it throws. Durable when this returns.
    public func write<T: Sendable>(_ body: @Sendable (borrowing Session) throws(Fault) -> T) async throws(Fault) -> T {
        preconditionFailure("contract")
    }

    /// A consistent read.
    public func read<T: Sendable>(_ body: @Sendable (borrowing Session) throws(Fault) -> T) async throws(Fault) -> T {
        preconditionFailure("contract")
    }

    public func close() async { preconditionFailure("contract") }
}

/// One numbered step of a schema. Applied once, in order; never edited after release.
public struct Migration: Sendable {
    public let name: String
    public let sql: String
    public init(_ name: String, _ sql: String) { (self.name, self.sql) = (name, sql) }
}

/// What may be bound to a statement and read from a row.
public enum SQLValue: Equatable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])
}

/// Statements inside one transaction (cached, prepared once).
public struct Session: ~Copyable {
    public func run(_ sql: String, _ bindings: [SQLValue] = []) throws(Fault) { preconditionFailure("contract") }
    public func rows(_ sql: String, _ bindings: [SQLValue] = []) throws(Fault) -> [[SQLValue]] { preconditionFailure("contract") }
    /// Streams rows without keeping them; `body` returns false to stop.
    public func each(_ sql: String, _ bindings: [SQLValue] = [], _ body: ([SQLValue]) throws(Fault) -> Bool) throws(Fault) {
        preconditionFailure("contract")
    }
    /// Rows changed by the last `run`.
    public var changes: Int { preconditionFailure("contract") }
}
