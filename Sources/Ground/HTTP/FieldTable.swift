/// A part of the bytes a message was parsed from.
public struct ByteRange: Equatable, Sendable {
    // Heads are far smaller than 4 GiB, and a field is looked at often.
    private let from: UInt32
    private let length: UInt32
    public var start: Int { Int(from) }
    public var count: Int { Int(length) }
    public var end: Int { start + count }
    public var range: Range<Int> { start..<start + count }
    static let none = ByteRange(start: 0, count: 0)

    public init(start: Int, count: Int) { (from, length) = (UInt32(truncatingIfNeeded: start), UInt32(truncatingIfNeeded: count)) }
}

/// The header fields that the parser or a proxy must know; all others are `other`.
public enum FieldKind: UInt8, Sendable {
    case other
    case host, contentLength, transferEncoding, expect, traceparent, cookie
    /// `X-OpenClaw-...`: ours, accepted from nobody.
    case openclaw
    // Hop by hop (RFC 9110, 7.6.1): never forwarded.
    case connection, keepAlive, proxyConnection, te, trailer, upgrade, proxyAuthenticate, proxyAuthorization

    public var isHopByHop: Bool { rawValue >= FieldKind.connection.rawValue || self == .transferEncoding }
}

/// One header field as ranges of the bytes it was parsed from.
public struct HeaderField: Sendable {
    public internal(set) var name = ByteRange.none
    public internal(set) var value = ByteRange.none
    /// The whole line with its line end.
    public internal(set) var line = ByteRange.none
    public internal(set) var kind = FieldKind.other
    /// Hop by hop by itself, or named by Connection.
    public internal(set) var isHopByHop = false
}

/// The header section of one message. Its slots are reused from message to message: parsing allocates nothing.
@safe public struct FieldTable: ~Copyable {
    public static let fieldsMax = 100
    static let nameBytesMax = 256

    enum Outcome {
        case needsMore
        case ends(at: Int)
        case refused(Refusal)
    }

    // On the heap, because a struct of 100 slots is copied whole now and then; `count` bounds what is read.
    private let slots: UnsafeMutablePointer<HeaderField>
    public private(set) var count = 0

    init() {
        unsafe slots = .allocate(capacity: Self.fieldsMax)
        unsafe slots.initialize(repeating: HeaderField(), count: Self.fieldsMax)
    }
    deinit { unsafe slots.deallocate() }

    public subscript(_ index: Int) -> HeaderField {
        precondition(index < count)
        return unsafe slots[index]
    }

    /// The first field of this name, compared without case.
    public func first(named name: Span<UInt8>, in bytes: Span<UInt8>) -> HeaderField? {
        for index in 0..<count where unsafe slots[index].name.count == name.count {
            if unsafe bytes.matches(name, at: slots[index].name.start) { return unsafe slots[index] }
        }
        return nil
    }

    /// Parses from the first field's line to the empty line; `ends(at:)` is the offset after it.
    mutating func parse(_ bytes: Span<UInt8>, from start: Int) -> Outcome {
        count = 0
        var at = start
        while true {
            guard at + 1 < bytes.count else { return at < bytes.count ? leadingByte(bytes[at]) : .needsMore }
            if bytes[at] == 0x0D {
                return bytes[at + 1] == 0x0A ? .ends(at: at + 2) : .refused(.bareCarriageReturn)
            }
            guard count < Self.fieldsMax else { return .refused(.tooManyFields) }
            if case .some(let outcome) = parseField(bytes, &at) { return outcome }
        }
    }

    /// One byte of the next line is there: enough to refuse, not to go on.
    private func leadingByte(_ byte: UInt8) -> Outcome {
        switch byte {
        case 0x0D: .needsMore
        case 0x0A: .refused(.bareLineFeed)
        case 0x20, 0x09: .refused(count == 0 ? .badFieldName : .foldedField)
        default: ASCII.isToken(byte) ? .needsMore : .refused(.badFieldName)
        }
    }

    /// Parses one line and moves `at` past it; an outcome when the section cannot go on.
    @inline(__always)
    private mutating func parseField(_ bytes: Span<UInt8>, _ at: inout Int) -> Outcome? {
        let start = at
        var colon = at
        while colon < bytes.count, ASCII.isToken(bytes[colon]) { colon += 1 }
        guard colon < bytes.count else { return colon - start > Self.nameBytesMax ? .refused(.headTooLarge) : .needsMore }
        guard bytes[colon] == 0x3A, colon > start else {
            switch bytes[colon] {
            case 0x20 where colon == start, 0x09 where colon == start: return .refused(count == 0 ? .badFieldName : .foldedField)
            case 0x0A: return .refused(.bareLineFeed)
            default: return .refused(.badFieldName)
            }
        }
        guard colon - start <= Self.nameBytesMax else { return .refused(.headTooLarge) }
        var from = colon + 1
        while from < bytes.count, bytes[from] == 0x20 || bytes[from] == 0x09 { from += 1 }
        let end = bytes.endOfText(from: from)
        guard end + 1 < bytes.count else {
            return end < bytes.count && bytes[end] != 0x0D ? .refused(Self.refusal(of: bytes[end])) : .needsMore
        }
        guard bytes[end] == 0x0D, bytes[end + 1] == 0x0A else { return .refused(Self.refusal(of: bytes[end])) }
        var to = end
        while to > from, bytes[to - 1] == 0x20 || bytes[to - 1] == 0x09 { to -= 1 }
        let kind = FieldKind(of: bytes, at: start, count: colon - start)
        unsafe slots[count] = HeaderField(
            name: ByteRange(start: start, count: colon - start), value: ByteRange(start: from, count: to - from),
            line: ByteRange(start: start, count: end + 2 - start), kind: kind, isHopByHop: kind.isHopByHop)
        count += 1
        at = end + 2
        return nil
    }

    static func refusal(of control: UInt8) -> Refusal {
        switch control {
        case 0x0D: .bareCarriageReturn
        case 0x0A: .bareLineFeed
        default: .badFieldValue
        }
    }

    /// What a Connection field asks for.
    struct ConnectionOptions {
        var close = false
        var keepAlive = false
        var upgrade = false
    }

    /// Reads every Connection field and marks the fields it names.
    mutating func applyConnectionFields(_ bytes: Span<UInt8>) -> ConnectionOptions {
        var options = ConnectionOptions()
        for index in 0..<count where unsafe slots[index].kind == .connection {
            let value = unsafe slots[index].value
            var at = value.start
            while let token = bytes.nextListItem(from: &at, to: value.end) {
                if bytes.matches("close", token) {
                    options.close = true
                } else if bytes.matches("keep-alive", token) {
                    options.keepAlive = true
                } else if bytes.matches("upgrade", token) {
                    options.upgrade = true
                } else {
                    mark(named: token, in: bytes)
                }
            }
        }
        return options
    }

    private mutating func mark(named token: ByteRange, in bytes: Span<UInt8>) {
        for index in 0..<count where unsafe slots[index].name.count == token.count {
            if unsafe bytes.matches(bytes.extracting(token.range), at: slots[index].name.start) {
                unsafe slots[index].isHopByHop = true
            }
        }
    }
}

extension FieldKind {
    @inline(__always)
    init(of bytes: Span<UInt8>, at start: Int, count: Int) {
        let name = ByteRange(start: start, count: count)
        self = .other
        switch count {
        case 2: if bytes.matches("te", name) { self = .te }
        case 4: if bytes.matches("host", name) { self = .host }
        case 6:
            if bytes.matches("cookie", name) { self = .cookie } else if bytes.matches("expect", name) { self = .expect }
        case 7:
            if bytes.matches("trailer", name) { self = .trailer } else if bytes.matches("upgrade", name) { self = .upgrade }
        case 10:
            if bytes.matches("connection", name) {
                self = .connection
            } else if bytes.matches("keep-alive", name) {
                self = .keepAlive
            }
        case 11: if bytes.matches("traceparent", name) { self = .traceparent }
        case 14: if bytes.matches("content-length", name) { self = .contentLength }
        case 16: if bytes.matches("proxy-connection", name) { self = .proxyConnection }
        case 17: if bytes.matches("transfer-encoding", name) { self = .transferEncoding }
        case 18: if bytes.matches("proxy-authenticate", name) { self = .proxyAuthenticate }
        case 19: if bytes.matches("proxy-authorization", name) { self = .proxyAuthorization }
        default: break
        }
        if count > 11, self == .other, bytes.matches("x-openclaw-", ByteRange(start: start, count: 11)) { self = .openclaw }
    }
}
