public import JSON
public import Telemetry

/// What an entry is about: one release, one route, one model. Each resource has its own head.
public struct ResourceID: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public let kind: String
    public let name: String
    public init(_ kind: String, _ name: String) { (self.kind, self.name) = (kind, name) }
    public var description: String { "\(kind)/\(name)" }
    public static func < (a: ResourceID, b: ResourceID) -> Bool { (a.kind, a.name) < (b.kind, b.name) }
}

/// The index of an entry in the ledger, from 0. `Position.none` is before the first.
public struct Position: Hashable, Comparable, Sendable, Codable {
    public var index: Int64
    public init(_ index: Int64) { self.index = index }
    public static let none = Position(-1)
    public static func < (a: Position, b: Position) -> Bool { a.index < b.index }
}

/// What a service wants recorded. `by` says on whose behalf: "token:admin", "conductor", "cli".
public struct LedgerDraft: Sendable, Equatable {
    public var kind: String  // "release.event", "route.split"
    public var by: String
    public var body: JSONValue
    public init(kind: String, by: String, body: JSONValue) { (self.kind, self.by, self.body) = (kind, by, body) }
}

/// One recorded decision. Its canonical JSON is the leaf of the Merkle tree.
public struct LedgerEntry: Sendable, Equatable {
    public var position: Position
    public var resource: ResourceID
    /// The resource's entry before this one (`.none` for its first).
    public var after: Position
    public var at: Timestamp
    public var kind: String
    public var by: String
    public var body: JSONValue

    /// `{"after","at","body","by","index","kind","resource"}`
    public var json: JSONValue { preconditionFailure("contract") }
}
