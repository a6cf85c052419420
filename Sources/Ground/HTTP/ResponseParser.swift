/// Reads the head of an upstream's answer, as strictly as requests are read: a broken answer is not guessed at.
public struct ResponseParser: ~Copyable {
    public enum Progress: Equatable, Sendable {
        case needsMore
        case complete
        /// The answer cannot be used; the text says why.
        case broken(String)
    }

    public private(set) var status = 0
    public private(set) var reason = ByteRange.none
    public private(set) var fields = FieldTable()
    public private(set) var body = BodyFraming.none
    public private(set) var keepsAlive = true
    public private(set) var isHTTP10 = false
    /// Bytes of the head, with its empty line.
    public private(set) var count = 0

    public init() {}

    /// Parses the head at the start of `bytes`. `toHead` says that the request was a HEAD: then the answer has no body.
    public mutating func parse(_ bytes: Span<UInt8>, toHead: Bool, headerBytesMax: Int) -> Progress {
        let expected: StaticString = "HTTP/1."
        for index in 0..<min(7, bytes.count) where unsafe bytes[index] != expected.utf8Start[index] {
            return .broken("it does not begin with HTTP/1.")
        }
        guard bytes.count >= 13 else { return .needsMore }
        guard bytes[7] == 0x31 || bytes[7] == 0x30, bytes[8] == 0x20, let code = bytes.decimal(in: ByteRange(start: 9, count: 3)),
            (100..<1000).contains(code), bytes[12] == 0x20 || bytes[12] == 0x0D
        else { return .broken("its status line is malformed") }
        isHTTP10 = bytes[7] == 0x30
        status = code
        let reasonStart = bytes[12] == 0x20 ? 13 : 12
        let lineEnd = bytes.endOfText(from: reasonStart)
        guard lineEnd + 1 < bytes.count else {
            return bytes.count >= headerBytesMax ? .broken("its head is too large") : .needsMore
        }
        guard bytes[lineEnd] == 0x0D, bytes[lineEnd + 1] == 0x0A else { return .broken("its status line is malformed") }
        reason = ByteRange(start: reasonStart, count: lineEnd - reasonStart)
        switch fields.parse(bytes, from: lineEnd + 2) {
        case .needsMore: return bytes.count >= headerBytesMax ? .broken("its head is too large") : .needsMore
        case .refused(let refusal): return .broken(refusal.what)
        case .ends(let end):
            count = end
            return judge(bytes, toHead: toHead)
        }
    }

    @inline(__always)
    private mutating func judge(_ bytes: Span<UInt8>, toHead: Bool) -> Progress {
        var length: Int?
        var isChunked = false
        var hasConnection = false
        for index in 0..<fields.count {
            let field = fields[index]
            switch field.kind {
            case .contentLength:
                guard let number = bytes.decimal(in: field.value) else { return .broken("its Content-Length is not a number") }
                if let length, length != number { return .broken("its Content-Length is repeated and differs") }
                length = number
            case .transferEncoding:
                guard !isChunked, bytes.matches("chunked", field.value), !isHTTP10 else {
                    return .broken("its transfer coding is not 'chunked'")
                }
                isChunked = true
            case .connection: hasConnection = true
            default: break
            }
        }
        if isChunked && length != nil { return .broken("Content-Length and Transfer-Encoding stand together") }
        keepsAlive = !isHTTP10
        if hasConnection {
            let options = fields.applyConnectionFields(bytes)
            keepsAlive = options.close ? false : options.keepAlive || !isHTTP10
        }
        if toHead || status < 200 || status == 204 || status == 304 {
            body = .none
        } else if isChunked {
            body = .chunked
        } else if let length {
            body = length == 0 ? .none : .length(length)
        } else {
            body = .untilClose
            keepsAlive = false
        }
        return .complete
    }
}
