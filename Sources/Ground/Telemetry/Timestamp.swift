/// A moment in UTC, in whole milliseconds since 1970-01-01T00:00:00Z. Printed as RFC 3339.
public struct Timestamp: Hashable, Comparable, Sendable, Codable {
    public var milliseconds: Int64

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// The wall clock now. Machines never call this: time enters them as a recorded event.
    public static func now() -> Timestamp { preconditionFailure("contract") }

    /// `2026-11-21T02:18:00.123Z`
    public var rfc3339: String { preconditionFailure("contract") }

    public init?(rfc3339 text: String) { preconditionFailure("contract") }

    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }
    public static func + (a: Timestamp, b: Duration) -> Timestamp { Timestamp(milliseconds: a.milliseconds + b.milliseconds) }
    public static func - (a: Timestamp, b: Timestamp) -> Duration { .milliseconds(a.milliseconds - b.milliseconds) }
}

extension Duration {
    /// Whole milliseconds, rounded toward zero.
    public var milliseconds: Int64 {
        components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
    }
}
