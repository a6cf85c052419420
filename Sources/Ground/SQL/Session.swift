public import Faults

/// What may be bound to a statement and read from a row.
public enum SQLValue: Equatable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])
}

extension SQLValue {
    public var integerValue: Int64? { if case .integer(let value) = self { value } else { nil } }
    public var realValue: Double? { if case .real(let value) = self { value } else { nil } }
    public var textValue: String? { if case .text(let value) = self { value } else { nil } }
    public var blobValue: [UInt8]? { if case .blob(let value) = self { value } else { nil } }
}

/// Statements inside one transaction (cached, prepared once).
public struct Session: ~Copyable {
    let handle: Handle

    /// Runs one statement to its end.
    public func run(_ sql: String, _ bindings: [SQLValue] = []) throws(Fault) {
        try handle.each(sql, bindings) { (_) throws(Fault) in true }
    }

    /// All rows at once: for results that are known to be small.
    public func rows(_ sql: String, _ bindings: [SQLValue] = []) throws(Fault) -> [[SQLValue]] {
        var rows: [[SQLValue]] = []
        try handle.each(sql, bindings) { (row) throws(Fault) in
            rows.append(row)
            return true
        }
        return rows
    }

    /// Streams rows without keeping them; `body` returns false to stop.
    public func each(_ sql: String, _ bindings: [SQLValue] = [], _ body: ([SQLValue]) throws(Fault) -> Bool) throws(Fault) {
        try handle.each(sql, bindings, body)
    }

    /// Rows changed by the last `run`.
    public var changes: Int { handle.changes }
}
