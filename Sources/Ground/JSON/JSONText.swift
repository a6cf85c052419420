public import Faults

extension JSONValue {
    /// Canonical text: keys sorted by UTF-8, no white space, numbers as RFC 8785 (JCS) writes them, so that equal values
    /// have equal bytes. Non-finite numbers are written as null.
    public var canonicalText: String { preconditionFailure("contract") }

    /// The same, indented by two spaces, for people.
    public var prettyText: String { preconditionFailure("contract") }

    /// Parses one whole document. Refuses invalid UTF-8, trailing bytes, depth over 512 and repeated keys.
    public init(parsing bytes: [UInt8]) throws(Fault) { preconditionFailure("contract") }
    public init(parsing text: String) throws(Fault) { try self.init(parsing: Array(text.utf8)) }
}

extension JSONValue {
    /// What a `Codable` wire type looks like as JSON.
    public init(encoding value: some Encodable) { preconditionFailure("contract") }

    /// The wire type this value spells; a fault names the field that is missing or of another type.
    public func decoded<T: Decodable>(as type: T.Type = T.self) throws(Fault) -> T { preconditionFailure("contract") }
}
