public import Faults
public import JSON

/// One value of a YAML document that knows where it stood, so that a fault can point at it.
public struct YAMLNode: Sendable {
    public enum Content: Sendable {
        case scalar(String, quoted: Bool)
        case sequence([YAMLNode])
        case mapping([Entry])
    }
    public struct Entry: Sendable {
        public let key: String
        public let keyLine: Int
        public let value: YAMLNode
    }
    public let content: Content
    public let file: String
    /// 1-based.
    public let line: Int

    /// All documents of one file (separated by `---`). Refused with file and line: syntax errors, repeated keys, anchors and
    /// aliases (they hide what a file says), depth over 64, files over 1 MiB.
    public static func documents(in text: String, file: String) throws(Fault) -> [YAMLNode] { preconditionFailure("contract") }
}

extension YAMLNode {
    /// A fault that points at this value: `why` begins with "FILE line N".
    public func fault(_ what: String, why: String, fix: String) -> Fault { preconditionFailure("contract") }

    public func string() throws(Fault) -> String { preconditionFailure("contract") }
    public func integer(in range: ClosedRange<Int>) throws(Fault) -> Int { preconditionFailure("contract") }
    public func double() throws(Fault) -> Double { preconditionFailure("contract") }
    public func bool() throws(Fault) -> Bool { preconditionFailure("contract") }
    /// `20s`, `5m`, `1h30m`, `250ms`, `2d`; a bare number is refused (no unit).
    public func duration() throws(Fault) -> Duration { preconditionFailure("contract") }
    /// `5%`, `0.5 %` or a bare fraction in 0...1 -> a fraction. For values whose bare form is a percentage see the caller.
    public func fraction() throws(Fault) -> Double { preconditionFailure("contract") }
    public func list() throws(Fault) -> [YAMLNode] { preconditionFailure("contract") }
    /// Reads a mapping strictly: see `YAMLMapping`.
    public func mapping(_ what: String) throws(Fault) -> YAMLMapping { preconditionFailure("contract") }
    /// As JSON, with YAML 1.2 core scalars (true, 12, 0.5, null), for free-form parts such as a rewrite.
    public var json: JSONValue { preconditionFailure("contract") }
}

/// A mapping read strictly: every key must be one the reader asked for, so that a typing error cannot switch something off.
public struct YAMLMapping: Sendable {
    public let node: YAMLNode
    public var entries: [YAMLNode.Entry] { preconditionFailure("contract") }
    public subscript(_ key: String) -> YAMLNode? { preconditionFailure("contract") }
    public func required(_ key: String) throws(Fault) -> YAMLNode { preconditionFailure("contract") }
    /// Refuses every key that is not in `known`, with its line and the closest known one.
    public func refuseUnknown(known: [String]) throws(Fault) { preconditionFailure("contract") }
}
