extension JSONValue {
    /// Canonical text (RFC 8785, JCS): keys sorted by their UTF-16 units, no white space, numbers as ECMAScript writes them,
    /// so that equal values have equal bytes. Non-finite numbers are written as null. One step beyond RFC 8785: an
    /// `integer` past 2^53 keeps all its digits, because a ledger must not round what it records.
    public var canonicalText: String {
        var writer = JSONWriter(indent: nil)
        writer.write(self)
        return writer.text
    }

    /// The same, indented by two spaces, for people.
    public var prettyText: String {
        var writer = JSONWriter(indent: 2)
        writer.write(self)
        return writer.text
    }
}

/// Writes values as UTF-8 text.
struct JSONWriter {
    /// Spaces per level; nil writes everything on one line.
    let indent: Int?
    private var bytes: [UInt8] = []
    private var level = 0

    init(indent: Int?) { self.indent = indent }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    mutating func write(_ value: JSONValue) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .integer(let value): append(String(value))
        case .number(let value): append(JSONWriter.ecmaScript(value))
        case .string(let value): quote(value)
        case .array(let items):
            list("[", "]", items) { writer, item in writer.write(item) }
        case .object(let members):
            list("{", "}", JSONWriter.sorted(members)) { writer, member in
                writer.quote(member.key)
                writer.append(writer.indent == nil ? ":" : ": ")
                writer.write(member.value)
            }
        }
    }

    private mutating func list<Item>(
        _ open: StaticString, _ close: StaticString, _ items: [Item], each: (inout JSONWriter, Item) -> Void
    ) {
        append(open.description)
        level += 1
        for (index, item) in items.enumerated() {
            if index > 0 { append(",") }
            breakLine()
            each(&self, item)
        }
        level -= 1
        if !items.isEmpty { breakLine() }
        append(close.description)
    }

    private mutating func breakLine() {
        guard let indent else { return }
        bytes.append(0x0A)
        bytes.append(contentsOf: repeatElement(0x20, count: indent * level))
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func quote(_ text: String) {
        bytes.append(0x22)
        for byte in text.utf8 {
            switch byte {
            case 0x22: append("\\\"")
            case 0x5C: append("\\\\")
            case 0x08: append("\\b")
            case 0x09: append("\\t")
            case 0x0A: append("\\n")
            case 0x0C: append("\\f")
            case 0x0D: append("\\r")
            case 0x00..<0x20: append("\\u00" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16))
            default: bytes.append(byte)
            }
        }
        bytes.append(0x22)
    }

    /// UTF-8 order is code point order; it differs from UTF-16 order only past U+D7FF (first byte 0xEE and up).
    private static func sorted(_ members: [String: JSONValue]) -> [(key: String, value: JSONValue)] {
        let plain = members.keys.allSatisfy { $0.utf8.allSatisfy { $0 < 0xEE } }
        return plain
            ? members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            : members.sorted { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) }
    }

    /// ECMAScript's Number::toString: Swift finds the same shortest digits, only their layout differs.
    static func ecmaScript(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        guard value != 0 else { return "0" }
        let (digits, point) = shortestDigits(value.magnitude)
        let body: String
        switch point {
        case 1...21 where point >= digits.count: body = digits + String(repeating: "0", count: point - digits.count)
        case 1...21: body = digits.prefix(point) + "." + digits.dropFirst(point)
        case -5...0: body = "0." + String(repeating: "0", count: -point) + digits
        default:
            let exponent = point - 1
            let fraction = digits.count == 1 ? "" : "." + digits.dropFirst()
            body = digits.prefix(1) + fraction + (exponent < 0 ? "e-" : "e+") + String(exponent.magnitude)
        }
        return value < 0 ? "-" + body : body
    }

    /// The shortest digits that read back as `magnitude`, and where their decimal point stands: 0.digits * 10^point.
    private static func shortestDigits(_ magnitude: Double) -> (digits: String, point: Int) {
        let parts = magnitude.description.split(separator: "e")
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let all = mantissa.joined()
        let leading = all.prefix { $0 == "0" }.count
        var digits = all.dropFirst(leading)
        while digits.last == "0" { digits.removeLast() }
        return (String(digits), mantissa[0].count - leading + exponent)
    }
}
