/// The method, where it decides something.
public enum Method: UInt8, Sendable {
    case get, head, post, put, delete, options, trace, patch, connect, other

    /// Sending it twice does no more than sending it once (RFC 9110, 9.2.2).
    public var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .patch, .connect, .other: false
        }
    }
}

/// How long a message's body is.
public enum BodyFraming: Equatable, Sendable {
    case none
    case length(Int)
    case chunked
    /// Responses only.
    case untilClose
}

/// Reads the head of one request, strictly: everything two servers could read in two ways is refused. The result stands in
/// the parser, as ranges of the bytes that were parsed, until the next `parse`; nothing is copied or allocated.
public struct RequestParser: ~Copyable {
    public enum Progress: Equatable, Sendable {
        /// The head is not complete and so far nothing is wrong with it. Call again with all of it and more.
        case needsMore
        case complete
        case refused(Refusal)
    }
    static let lineBytesMax = 16 << 10
    static let methodBytesMax = 32

    public private(set) var method = Method.get
    public private(set) var methodText = ByteRange.none
    /// Path and query, as sent (without scheme and authority).
    public private(set) var target = ByteRange.none
    public private(set) var path = ByteRange.none
    /// Without its question mark; nil when there is none.
    public private(set) var query: ByteRange?
    public private(set) var host = ByteRange.none
    public private(set) var fields = FieldTable()
    public private(set) var body = BodyFraming.none
    public private(set) var isHTTP10 = false
    public private(set) var keepsAlive = true
    public private(set) var expectsContinue = false
    /// Bytes of the head, with its empty line.
    public private(set) var count = 0

    public init() {}

    /// Parses the head at the start of `bytes`.
    public mutating func parse(_ bytes: Span<UInt8>, headerBytesMax: Int) -> Progress {
        var at = 0
        // One empty line before a request is tolerated, as RFC 9112 (2.2) asks for clients that end a body with one.
        if bytes.count >= 2, bytes[0] == 0x0D, bytes[1] == 0x0A { at = 2 }
        if bytes.count == 1, bytes[0] == 0x0D { return .needsMore }
        switch parseLine(bytes, &at) {
        case .complete: break
        case .needsMore: return bytes.count >= min(headerBytesMax, Self.lineBytesMax) ? .refused(.headTooLarge) : .needsMore
        case .refused(let refusal): return .refused(refusal)
        }
        switch fields.parse(bytes, from: at) {
        case .needsMore: return bytes.count >= headerBytesMax ? .refused(.headTooLarge) : .needsMore
        case .refused(let refusal): return .refused(refusal)
        case .ends(let end):
            if end > headerBytesMax { return .refused(.headTooLarge) }
            count = end
            if let refusal = judge(bytes) { return .refused(refusal) }
            return .complete
        }
    }

    @inline(__always)
    private mutating func parseLine(_ bytes: Span<UInt8>, _ at: inout Int) -> Progress {
        let start = at
        while at < bytes.count, ASCII.isToken(bytes[at]), at - start <= Self.methodBytesMax { at += 1 }
        guard at < bytes.count else { return .needsMore }
        guard bytes[at] == 0x20, at > start, at - start <= Self.methodBytesMax else {
            return .refused(bytes[at] == 0x0A ? .bareLineFeed : .badRequestLine)
        }
        methodText = ByteRange(start: start, count: at - start)
        at += 1
        let targetStart = at
        while at < bytes.count, bytes[at] > 0x20, bytes[at] < 0x7F { at += 1 }
        if at - targetStart > Self.lineBytesMax { return .refused(.headTooLarge) }
        guard at < bytes.count else { return .needsMore }
        guard bytes[at] == 0x20, at > targetStart else {
            return .refused(bytes[at] == 0x0A ? .bareLineFeed : bytes[at] == 0x0D ? .unknownVersion : .badRequestLine)
        }
        target = ByteRange(start: targetStart, count: at - targetStart)
        at += 1
        return parseVersion(bytes, &at)
    }

    @inline(__always)
    private mutating func parseVersion(_ bytes: Span<UInt8>, _ at: inout Int) -> Progress {
        let expected: StaticString = "HTTP/1.1\r\n"
        for index in 0..<10 {
            guard at + index < bytes.count else { return .needsMore }
            let byte = bytes[at + index]
            if unsafe byte == expected.utf8Start[index] {
                if index == 7 { isHTTP10 = false }
            } else if index == 7, byte == 0x30 {
                isHTTP10 = true
            } else {
                switch byte {
                case 0x0A: return .refused(.bareLineFeed)
                case _ where index == 9: return .refused(.bareCarriageReturn)
                default: return .refused(.unknownVersion)
                }
            }
        }
        at += 10
        return .complete
    }

    /// What the fields mean together.
    @inline(__always)
    private mutating func judge(_ bytes: Span<UInt8>) -> Refusal? {
        (body, host, expectsContinue, keepsAlive) = (.none, .none, false, !isHTTP10)
        var seen = Seen()
        for index in 0..<fields.count {
            let field = fields[index]
            switch field.kind {
            case .host:
                if seen.host { return .repeatedHost }
                seen.host = true
                host = field.value
            case .contentLength:
                if seen.length { return .repeatedContentLength }
                seen.length = true
                guard let length = bytes.decimal(in: field.value) else { return .badContentLength }
                body = length == 0 ? .none : .length(length)
            case .transferEncoding:
                if seen.coding { return .repeatedTransferCoding }
                seen.coding = true
                guard !isHTTP10, bytes.matches("chunked", field.value) else { return .unknownTransferCoding }
            case .expect:
                guard bytes.matches("100-continue", field.value) else { return .badExpectation }
                expectsContinue = !isHTTP10
            case .connection: seen.connection = true
            case .upgrade: seen.upgrade = true
            default: break
            }
        }
        if seen.coding {
            if seen.length { return .lengthAndChunked }
            body = .chunked
        }
        if !seen.host && !isHTTP10 { return .missingHost }
        if seen.host && !bytes.isHost(host) { return .badHost }
        if seen.connection {
            let options = fields.applyConnectionFields(bytes)
            keepsAlive = options.close ? false : options.keepAlive || !isHTTP10
            if options.upgrade && seen.upgrade { return .upgradeRefused }
        }
        method = Method(bytes, methodText)
        if method == .connect { return .connectRefused }
        return splitTarget(bytes)
    }

    private struct Seen {
        var host = false
        var length = false
        var coding = false
        var connection = false
        var upgrade = false
    }

    /// Finds path and query. An absolute target (`http://host/path`) must name the host that the Host field names.
    private mutating func splitTarget(_ bytes: Span<UInt8>) -> Refusal? {
        var start = target.start
        let end = target.end
        if bytes[start] != 0x2F {
            if target.count == 1, bytes[start] == 0x2A, method == .options {
                (path, query) = (target, nil)
                return nil
            }
            guard target.count > 7, bytes.matches("http://", ByteRange(start: start, count: 7)) else { return .badTarget }
            start += 7
            guard bytes.matches(bytes.extracting(host.range), at: start), host.count > 0 else { return .badTarget }
            start += host.count
            guard start < end, bytes[start] == 0x2F else { return .badTarget }
            target = ByteRange(start: start, count: end - start)
        }
        var at = start
        var hasDot = false
        while at < end, bytes[at] != 0x3F {
            if bytes[at] == 0x23 { return .badTarget }
            if bytes[at] == 0x2E || bytes[at] == 0x25 { hasDot = true }
            at += 1
        }
        path = ByteRange(start: start, count: at - start)
        query = at < end ? ByteRange(start: at + 1, count: end - at - 1) : nil
        if let query {
            for index in query.range where bytes[index] == 0x23 { return .badTarget }
        }
        return hasDot && bytes.hasDotSegment(path) ? .dotSegment : nil
    }
}

extension Method {
    @inline(__always)
    init(_ bytes: Span<UInt8>, _ range: ByteRange) {
        self = .other
        switch range.count {
        case 3:
            if bytes.isExactly("GET", range) { self = .get } else if bytes.isExactly("PUT", range) { self = .put }
        case 4:
            if bytes.isExactly("POST", range) { self = .post } else if bytes.isExactly("HEAD", range) { self = .head }
        case 5:
            if bytes.isExactly("PATCH", range) { self = .patch } else if bytes.isExactly("TRACE", range) { self = .trace }
        case 6: if bytes.isExactly("DELETE", range) { self = .delete }
        case 7:
            if bytes.isExactly("OPTIONS", range) { self = .options } else if bytes.isExactly("CONNECT", range) { self = .connect }
        default: break
        }
    }
}

extension Span where Element == UInt8 {
    @inline(__always)
    func isExactly(_ text: StaticString, _ range: ByteRange) -> Bool {
        for index in 0..<range.count where unsafe self[range.start + index] != text.utf8Start[index] { return false }
        return true
    }

    /// A number of digits only, below 10^18.
    func decimal(in range: ByteRange) -> Int? {
        guard range.count > 0, range.count <= 18 else { return nil }
        var number = 0
        for index in range.range {
            guard ASCII.isDigit(self[index]) else { return nil }
            number = number &* 10 &+ Int(self[index] &- 0x30)
        }
        return number
    }

    /// A registered name, an IPv4 address or a bracketed IPv6 address, with or without a port.
    func isHost(_ range: ByteRange) -> Bool {
        guard range.count > 0, range.count <= 261 else { return false }
        var at = range.start
        if self[at] == 0x5B {
            at += 1
            while at < range.end, ASCII.hexValue(self[at]) != nil || self[at] == 0x3A || self[at] == 0x2E { at += 1 }
            guard at < range.end, self[at] == 0x5D else { return false }
            at += 1
        } else {
            while at < range.end, isNameByte(self[at]) { at += 1 }
            if at == range.start { return false }
        }
        if at == range.end { return true }
        guard self[at] == 0x3A, range.end - at <= 6 else { return false }
        for index in at + 1..<range.end where !ASCII.isDigit(self[index]) { return false }
        return true
    }

    private func isNameByte(_ byte: UInt8) -> Bool {
        ASCII.isDigit(byte) || ASCII.lowered(byte) &- 0x61 < 26 || byte == 0x2D || byte == 0x2E || byte == 0x5F || byte == 0x7E
    }

    /// Whether a segment is `.` or `..`, also percent-encoded: upstreams resolve it, and would leave the variant's path.
    func hasDotSegment(_ path: ByteRange) -> Bool {
        var at = path.start
        while at < path.end {
            // `at` stands on a slash.
            at += 1
            var dots = 0
            var others = 0
            while at < path.end, self[at] != 0x2F {
                if self[at] == 0x2E {
                    dots += 1
                } else if self[at] == 0x25, at + 2 < path.end, self[at + 1] == 0x32, ASCII.lowered(self[at + 2]) == 0x65 {
                    dots += 1
                    at += 2
                } else {
                    others += 1
                }
                at += 1
            }
            if others == 0 && (dots == 1 || dots == 2) { return true }
        }
        return false
    }
}
