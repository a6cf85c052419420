/// A message of protocol buffers, declared once: the same declaration encodes, decodes and prints it.
public protocol ProtoMessage: Sendable {
    init()
    static var protoName: String { get }
    /// Names every field, in the order of their numbers.
    mutating func fields(_ codec: inout ProtoCodec)
}

extension ProtoMessage {
    /// proto3's binary form; fields at their default are left out.
    public var bytes: [UInt8] {
        var codec = ProtoCodec(.encode([]))
        var copy = self
        copy.fields(&codec)
        guard case .encode(let bytes) = codec.mode else { return [] }
        return bytes
    }

    /// Nil when the bytes are no message. Fields that it does not know are passed over.
    public init?(bytes: [UInt8]) { self.init(bytes[...], depth: 0) }

    fileprivate init?(_ bytes: ArraySlice<UInt8>, depth: Int) {
        guard depth < ProtoCodec.depthMax, let parsed = ProtoCodec.parse(bytes) else { return nil }
        var codec = ProtoCodec(.decode(parsed))
        codec.depth = depth
        self.init()
        fields(&codec)
        if codec.isBroken { return nil }
    }

    /// As a .proto file declares it.
    public static var declaration: String {
        var codec = ProtoCodec(.describe([]))
        var empty = Self()
        empty.fields(&codec)
        guard case .describe(let lines) = codec.mode else { return "" }
        return (["message \(protoName) {"] + lines.map { "  \($0)" } + ["}"]).joined(separator: "\n")
    }
}

/// Carries a message's fields out, in, or into words.
public struct ProtoCodec {
    enum Wire: Equatable {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        case bytes(ArraySlice<UInt8>)
    }
    enum Mode {
        case encode([UInt8])
        case decode([(number: Int, wire: Wire)])
        case describe([String])
    }
    /// Messages within messages.
    static let depthMax = 32

    var mode: Mode
    var depth = 0
    /// A field came as something else than it is declared as.
    var isBroken = false

    init(_ mode: Mode) { self.mode = mode }

    // MARK: Fields

    public mutating func field(_ number: Int, _ name: String, _ value: inout Int64) {
        varint(number, name, "int64", UInt64(bitPattern: value)) { value = Int64(bitPattern: $0) }
    }
    public mutating func field(_ number: Int, _ name: String, _ value: inout Int32) {
        varint(number, name, "int32", UInt64(bitPattern: Int64(value))) { value = Int32(truncatingIfNeeded: $0) }
    }
    public mutating func field(_ number: Int, _ name: String, _ value: inout UInt64) {
        varint(number, name, "uint64", value) { value = $0 }
    }
    public mutating func field(_ number: Int, _ name: String, _ value: inout Bool) {
        varint(number, name, "bool", value ? 1 : 0) { value = $0 != 0 }
    }

    public mutating func field(_ number: Int, _ name: String, _ value: inout Double) {
        switch mode {
        case .encode(var bytes):
            // Minus zero is not the default.
            guard value.bitPattern != 0 else { return }
            mode = .encode([])
            Self.put(UInt64(number) << 3 | 1, into: &bytes)
            for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> UInt64(8 * shift))) }
            mode = .encode(bytes)
        case .decode(let fields):
            guard let wire = fields.last(where: { $0.number == number })?.wire else { return }
            guard case .fixed64(let bits) = wire else {
                isBroken = true
                return
            }
            value = Double(bitPattern: bits)
        case .describe: describe("double", name, number)
        }
    }

    public mutating func field(_ number: Int, _ name: String, _ value: inout String) {
        switch mode {
        case .encode: if !value.isEmpty { put(number, Array(value.utf8)) }
        case .decode(let fields):
            guard let wire = fields.last(where: { $0.number == number })?.wire else { return }
            guard case .bytes(let bytes) = wire, let text = String(validating: bytes, as: UTF8.self) else {
                isBroken = true
                return
            }
            value = text
        case .describe: describe("string", name, number)
        }
    }

    public mutating func field(_ number: Int, _ name: String, _ value: inout [String]) {
        switch mode {
        case .encode: for text in value { put(number, Array(text.utf8)) }
        case .decode(let fields):
            for field in fields where field.number == number {
                guard case .bytes(let bytes) = field.wire, let text = String(validating: bytes, as: UTF8.self) else {
                    isBroken = true
                    return
                }
                value.append(text)
            }
        case .describe: describe("repeated string", name, number)
        }
    }

    public mutating func field<Message: ProtoMessage>(_ number: Int, _ name: String, _ value: inout Message?) {
        switch mode {
        case .encode: if let value { put(number, value.bytes) }
        case .decode(let fields):
            for field in fields where field.number == number {
                guard let message: Message = message(field.wire) else {
                    isBroken = true
                    return
                }
                value = message
            }
        case .describe: describe(Message.protoName, name, number)
        }
    }

    public mutating func field<Message: ProtoMessage>(_ number: Int, _ name: String, _ value: inout [Message]) {
        switch mode {
        case .encode: for message in value { put(number, message.bytes) }
        case .decode(let fields):
            for field in fields where field.number == number {
                guard let message: Message = message(field.wire) else {
                    isBroken = true
                    return
                }
                value.append(message)
            }
        case .describe: describe("repeated \(Message.protoName)", name, number)
        }
    }

    // MARK: Parts

    private mutating func varint(
        _ number: Int, _ name: String, _ type: String, _ value: UInt64, _ set: (UInt64) -> Void
    ) {
        switch mode {
        case .encode(var bytes):
            guard value != 0 else { return }
            mode = .encode([])
            Self.put(UInt64(number) << 3, into: &bytes)
            Self.put(value, into: &bytes)
            mode = .encode(bytes)
        case .decode(let fields):
            guard let wire = fields.last(where: { $0.number == number })?.wire else { return }
            guard case .varint(let bits) = wire else {
                isBroken = true
                return
            }
            set(bits)
        case .describe: describe(type, name, number)
        }
    }

    private func message<Message: ProtoMessage>(_ wire: Wire) -> Message? {
        guard case .bytes(let bytes) = wire else { return nil }
        return Message(bytes, depth: depth + 1)
    }

    private mutating func put(_ number: Int, _ content: [UInt8]) {
        guard case .encode(var bytes) = mode else { return }
        mode = .encode([])
        Self.put(UInt64(number) << 3 | 2, into: &bytes)
        Self.put(UInt64(content.count), into: &bytes)
        bytes += content
        mode = .encode(bytes)
    }

    private mutating func describe(_ type: String, _ name: String, _ number: Int) {
        guard case .describe(let lines) = mode else { return }
        mode = .describe(lines + ["\(type) \(name) = \(number);"])
    }

    static func put(_ value: UInt64, into bytes: inout [UInt8]) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// The fields as they stand in the bytes; nil when those end within one.
    static func parse(_ bytes: ArraySlice<UInt8>) -> [(number: Int, wire: Wire)]? {
        var rest = bytes
        var fields: [(number: Int, wire: Wire)] = []
        while !rest.isEmpty {
            guard let tag = varint(&rest), let number = Int(exactly: tag >> 3), (1...536_870_911).contains(number) else {
                return nil
            }
            switch tag & 7 {
            case 0:
                guard let value = varint(&rest) else { return nil }
                fields.append((number, .varint(value)))
            case 1:
                guard let bits = fixed(8, &rest) else { return nil }
                fields.append((number, .fixed64(bits)))
            case 2:
                guard let length = varint(&rest), length <= UInt64(rest.count) else { return nil }
                fields.append((number, .bytes(rest.prefix(Int(length)))))
                rest = rest.dropFirst(Int(length))
            case 5:
                guard let bits = fixed(4, &rest) else { return nil }
                fields.append((number, .fixed32(UInt32(bits))))
            default: return nil
            }
        }
        return fields
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    private static func fixed(_ count: Int, _ rest: inout ArraySlice<UInt8>) -> UInt64? {
        guard rest.count >= count else { return nil }
        var bits: UInt64 = 0
        for (place, byte) in rest.prefix(count).enumerated() { bits |= UInt64(byte) << UInt64(8 * place) }
        rest = rest.dropFirst(count)
        return bits
    }
}
