public import Faults
public import JSON
public import YAML

/// A variant's number within its route: given once, in order of first appearance, never reused (exposures carry it).
public struct VariantID: Hashable, Comparable, Sendable, Codable {
    public let number: UInt8
    public init(_ number: UInt8) { self.number = number }
    public static func < (a: VariantID, b: VariantID) -> Bool { a.number < b.number }
}

/// A route's number within this installation: given once, never reused.
public struct RouteID: Hashable, Sendable, Codable {
    public let number: UInt16
    public init(_ number: UInt16) { self.number = number }
}

/// Where a unit's identity comes from: `header:X-User-Id`, `cookie:sid`, `json:/user/id`, `client`. A request without one
/// is its own unit (its request id).
public enum UnitSource: Equatable, Sendable, Codable {
    case header(String)
    case cookie(String)
    case json(pointer: String)
    case clientAddress
    public init?(_ text: String) { preconditionFailure("contract") }
    public var text: String { preconditionFailure("contract") }
}

/// What is changed in a request on its way to a variant: JSON pointers (RFC 6901) of the body, and header fields.
public struct Rewrite: Equatable, Sendable, Codable {
    public var json: [String: JSONValue]
    public var headers: [String: String]
}

/// What a route may answer with.
public struct Variant: Equatable, Sendable, Codable {
    public var id: VariantID
    public var name: String
    /// http://host:port/path; the rest of the request's path is appended.
    public var url: String
    /// `fraud-model@v12` when it serves a registered version.
    public var version: String?
    public var rewrite: Rewrite?
}

public struct RouteMatch: Equatable, Sendable, Codable {
    public var host: String?
    /// A prefix at a path boundary: `/fraud` matches `/fraud` and `/fraud/x`, not `/fraudulent`. The longest match wins.
    public var path: String
}

/// Milliseconds.
public struct RouteTimeouts: Equatable, Sendable, Codable {
    public var connect: Int64 = 1_000
    public var firstByte: Int64 = 60_000
    public var idle: Int64 = 300_000
    public init() {}
}

/// A named entry point of live traffic.
public struct Route: Equatable, Sendable, Codable {
    public var id: RouteID
    public var name: String
    public var match: RouteMatch
    public var unit: UnitSource
    public var variants: [Variant]
    public var timeouts: RouteTimeouts
    public var split: TrafficSplit

    public func variant(named name: String) -> Variant? { variants.first { $0.name == name } }
    public func variant(_ id: VariantID) -> Variant? { variants.first { $0.id == id } }
}

/// A `route:` resource as the user wrote it. A variant has a `url` or a `version: model@v` (resolved when applied).
public struct RouteSpec: Equatable, Sendable, Codable {
    public struct VariantSpec: Equatable, Sendable, Codable {
        public var name: String
        public var url: String?
        public var version: String?
        public var basisPoints: Int
        public var rewrite: Rewrite?
    }
    public var name: String
    public var match: RouteMatch
    public var unit: UnitSource
    public var variants: [VariantSpec]
    public var timeouts: RouteTimeouts

    /// Reads the value of a `route:` key.
    public init(_ node: YAMLNode) throws(Fault) { preconditionFailure("contract") }
}
