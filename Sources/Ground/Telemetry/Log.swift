public import JSON

/// Structured log lines on stderr: `2026-11-21T02:18:00.123Z info gateway: text key=value ...`.
/// A line is at most 8 KiB (longer values are cut and marked); secrets are never passed in.
public struct Log: Sendable {
    public enum Level: Int, Comparable, Sendable {
        case debug, info, warning, error
        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    public let component: String

    public init(_ component: String) { self.component = component }

    /// Lines below this level are not written (process-wide; `OPENCLAW_LOG` sets it at start; default info).
    public static var minimumLevel: Level { preconditionFailure("contract") }

    public func debug(_ text: String, _ fields: [String: JSONValue] = [:]) { write(.debug, text, fields) }
    public func info(_ text: String, _ fields: [String: JSONValue] = [:]) { write(.info, text, fields) }
    public func warning(_ text: String, _ fields: [String: JSONValue] = [:]) { write(.warning, text, fields) }
    public func error(_ text: String, _ fields: [String: JSONValue] = [:]) { write(.error, text, fields) }

    func write(_ level: Level, _ text: String, _ fields: [String: JSONValue]) { preconditionFailure("contract") }
}
