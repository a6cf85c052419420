extension HTTPRequest {
    /// The parsed head as an async handler sees it; nil when path or query are not percent-encoded UTF-8.
    public init?(_ parser: borrowing RequestParser, in bytes: Span<UInt8>, remote: String, body: [UInt8] = []) {
        guard let path = Self.decode(bytes, parser.path, plusIsSpace: false) else { return nil }
        var query: [(name: String, value: String)] = []
        if let range = parser.query {
            guard let items = Self.queryItems(bytes, range) else { return nil }
            query = items
        }
        var headers = HTTPHeaders()
        for index in 0..<parser.fields.count {
            let field = parser.fields[index]
            headers.append(Self.text(bytes, field.name), Self.text(bytes, field.value))
        }
        self.init(
            method: Self.text(bytes, parser.methodText), path: path, query: query, headers: headers, body: body, remote: remote)
    }

    private static func text(_ bytes: Span<UInt8>, _ range: ByteRange) -> String {
        unsafe bytes.extracting(range.range).withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    private static func queryItems(_ bytes: Span<UInt8>, _ range: ByteRange) -> [(name: String, value: String)]? {
        var items: [(name: String, value: String)] = []
        var at = range.start
        while at < range.end {
            var end = at
            while end < range.end, bytes[end] != 0x26 { end += 1 }
            var equals = at
            while equals < end, bytes[equals] != 0x3D { equals += 1 }
            guard let name = decode(bytes, ByteRange(start: at, count: equals - at), plusIsSpace: true),
                let value = decode(
                    bytes, ByteRange(start: min(equals + 1, end), count: end - min(equals + 1, end)), plusIsSpace: true)
            else { return nil }
            if end > at { items.append((name, value)) }
            at = end + 1
        }
        return items
    }

    private static func decode(_ bytes: Span<UInt8>, _ range: ByteRange, plusIsSpace: Bool) -> String? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(range.count)
        var at = range.start
        while at < range.end {
            var byte = bytes[at]
            if byte == 0x25 {
                guard at + 2 < range.end, let high = ASCII.hexValue(bytes[at + 1]), let low = ASCII.hexValue(bytes[at + 2]) else {
                    return nil
                }
                byte = high << 4 | low
                if byte == 0 { return nil }
                at += 2
            } else if byte == 0x2B, plusIsSpace {
                byte = 0x20
            }
            decoded.append(byte)
            at += 1
        }
        return String(validating: decoded, as: UTF8.self)
    }
}
