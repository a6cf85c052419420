/// A request as an async handler sees it (the proxy path never builds one).
public struct HTTPRequest: Sendable {
    public var method: String
    /// Percent-decoded path, without the query.
    public var path: String
    /// Decoded query items in order.
    public var query: [(name: String, value: String)]
    public var headers: HTTPHeaders
    public var body: [UInt8]
    public var remote: String

    public init(
        method: String, path: String, query: [(name: String, value: String)] = [], headers: HTTPHeaders = HTTPHeaders(),
        body: [UInt8] = [], remote: String = ""
    ) {
        (self.method, self.path, self.query, self.headers, self.body, self.remote) = (method, path, query, headers, body, remote)
    }

    public func query(_ name: String) -> String? { query.first { $0.name == name }?.value }
}

/// Header fields in order; names compare without case.
public struct HTTPHeaders: Sendable, Equatable {
    public struct Field: Sendable, Equatable {
        public var name: String
        public var value: String
    }
    public var fields: [Field]

    public init(_ fields: [(String, String)] = []) { self.fields = fields.map { Field(name: $0.0, value: $0.1) } }

    public subscript(_ name: String) -> String? {
        fields.first { $0.name.utf8.elementsEqual(name.utf8, by: { ($0 | 0x20) == ($1 | 0x20) }) }?.value
    }
    public mutating func append(_ name: String, _ value: String) { fields.append(Field(name: name, value: value)) }
}

public struct HTTPResponse: Sendable {
    public enum Body: Sendable {
        case bytes([UInt8])
        /// Written as it comes (chunked); each element is flushed. The stream is cancelled when the client goes away.
        case stream(AsyncStream<[UInt8]>)
    }
    public var status: Int
    public var headers: HTTPHeaders
    public var body: Body

    public init(status: Int, headers: HTTPHeaders = HTTPHeaders(), body: Body = .bytes([])) {
        (self.status, self.headers, self.body) = (status, headers, body)
    }
}
