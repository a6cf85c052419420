import JSON

/// How targeting conditions compare values. They were first evaluated in a browser, and the published cases hold everybody to
/// its rules: numbers compare with their spellings, what is missing is null, and null is 0 where a number is asked for.
enum LooseValue {
    /// As a number; not a number (NaN) where there is none, and then no comparison holds.
    static func number(_ value: JSONValue) -> Double {
        switch value {
        case .null: 0
        case .bool(let value): value ? 1 : 0
        case .integer(let value): Double(value)
        case .number(let value): value
        case .string(let text): number(text)
        case .array, .object: .nan
        }
    }

    private static func number(_ text: String) -> Double {
        let trimmed = text.drop(while: \.isWhitespace)
        if trimmed.isEmpty { return 0 }
        let end = trimmed.lastIndex { !$0.isWhitespace }.map { trimmed.index(after: $0) } ?? trimmed.endIndex
        let digits = trimmed[..<end]
        // Swift also reads "nan", "inf" and hexadecimal fractions, which are words here.
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }) else { return .nan }
        return Double(digits) ?? .nan
    }

    /// As a text: numbers as ECMAScript spells them. Nil for what is null, a list or an object.
    static func text(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): text
        case .integer, .number, .bool: value.canonicalText
        case .null, .array, .object: nil
        }
    }

    /// Whether `value` is what a condition names, across types where a person would say so: `8` and "8", true and "true".
    static func equals(_ value: JSONValue, _ wanted: JSONValue) -> Bool {
        switch wanted {
        case .null: value == .null
        case .string(let wanted): text(value) == wanted
        case .bool(let wanted): value != .null && isTrue(value) == wanted
        case .integer, .number: value != .null && value != "" && number(value) == number(wanted)
        case .array, .object: isSame(value, wanted)
        }
    }

    /// A header or cookie has only texts: there "false" means false.
    private static func isTrue(_ value: JSONValue) -> Bool {
        switch value {
        case .null: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .number(let value): value != 0 && !value.isNaN
        case .string(let text): !text.isEmpty && text != "false"
        case .array, .object: true
        }
    }

    /// Whether a condition's own switch (`$exists`) is off.
    static func isFalse(_ value: JSONValue) -> Bool { !isTrue(value) }

    /// Equal in type and value; `1` and `1.0` are one number.
    static func isSame(_ a: JSONValue, _ b: JSONValue) -> Bool {
        switch (a, b) {
        case (.integer, .number), (.number, .integer): number(a) == number(b)
        case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy { isSame($0, $1) }
        case (.object(let a), .object(let b)):
            a.count == b.count && a.allSatisfy { key, value in b[key].map { isSame(value, $0) } == true }
        default: a == b
        }
    }

    /// Less, equal or greater; nil when the two cannot be compared. Two texts compare by their UTF-16 units, all else as numbers.
    static func order(_ a: JSONValue, _ b: JSONValue) -> Order? {
        if case .string(let a) = a, case .string(let b) = b {
            if a.utf16.elementsEqual(b.utf16) { return .equal }
            return a.utf16.lexicographicallyPrecedes(b.utf16) ? .less : .greater
        }
        let (a, b) = (number(a), number(b))
        if a == b { return .equal }
        return a < b ? .less : a > b ? .greater : nil
    }

    enum Order { case less, equal, greater }

    static func folded(_ value: JSONValue) -> JSONValue {
        if case .string(let text) = value { .string(text.lowercased()) } else { value }
    }

    static func type(of value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool: "boolean"
        case .integer, .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}
