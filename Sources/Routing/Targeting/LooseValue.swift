import JSON

/// How targeting conditions compare values. They were first evaluated by JavaScript in a browser, and the published cases hold
/// everybody to its rules: numbers compare with their spellings, a list is its elements joined by commas where a text or a number
/// is asked for, what is missing is null, and null is 0 or "null".
enum LooseValue {
    /// As a number; not a number (NaN) where there is none, and then no comparison holds.
    static func number(_ value: JSONValue) -> Double {
        switch value {
        case .null: 0
        case .bool(let value): value ? 1 : 0
        case .integer(let value): Double(value)
        case .number(let value): value
        case .string(let text): number(text)
        case .array: number(text(value))
        case .object: .nan
        }
    }

    private static func number(_ text: String) -> Double {
        let scalars = text.unicodeScalars
        func isSpace(_ scalar: Unicode.Scalar) -> Bool {
            scalar.value <= 0xffff && UnitSet.space.contains(UInt16(scalar.value))
        }
        guard let start = scalars.firstIndex(where: { !isSpace($0) }), let last = scalars.lastIndex(where: { !isSpace($0) }) else {
            return 0
        }
        let digits = String(scalars[start...last])
        switch digits {
        case "Infinity", "+Infinity": return .infinity
        case "-Infinity": return -.infinity
        default: break
        }
        if let radix = radix(digits) {
            let rest = digits.dropFirst(2)
            guard !rest.isEmpty, rest.allSatisfy({ $0.hexDigitValue.map { $0 < radix } == true }) else { return .nan }
            return rest.reduce(0.0) { $0 * Double(radix) + Double($1.hexDigitValue ?? 0) }
        }
        // Swift also reads "nan", "inf" and hexadecimal fractions, which are words here.
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }) else { return .nan }
        return Double(digits) ?? .nan
    }

    /// Of whole numbers written as `0x1F`, `0o17`, `0b11`; nil for all others.
    private static func radix(_ digits: String) -> Int? {
        switch digits.prefix(2) {
        case "0x", "0X": 16
        case "0o", "0O": 8
        case "0b", "0B": 2
        default: nil
        }
    }

    /// As a text: numbers as ECMAScript spells them, though whole ones keep digits that a browser would lose.
    static func text(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): text
        case .integer, .number, .bool: value.canonicalText
        case .null: "null"
        case .array(let items): items.map { $0 == .null ? "" : text($0) }.joined(separator: ",")
        case .object: "[object Object]"
        }
    }

    /// Whether `value` is what a condition names: loosely, so that `8` is "8" and a list of one 8 is, too.
    static func equals(_ value: JSONValue, _ wanted: JSONValue) -> Bool {
        switch wanted {
        case .null: value == .null
        case .string(let wanted): isSame(text(value), wanted)
        case .bool(let wanted): value != .null && isTrue(value) == wanted
        case .integer, .number: number(value) == number(wanted)
        case .array, .object: isSame(value, wanted)
        }
    }

    /// What JavaScript takes for true: everything but false, null, zero and the empty text. The *text* "false" is true; that of a
    /// header or cookie becomes a boolean where it is read (`AttributeSource.value`).
    static func isTrue(_ value: JSONValue) -> Bool {
        switch value {
        case .null: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .number(let value): value != 0 && !value.isNaN
        case .string(let text): !text.isEmpty
        case .array, .object: true
        }
    }

    /// Equal in type and value, and no list or object: two of these are never one, however alike.
    static func isIdentical(_ a: JSONValue, _ b: JSONValue) -> Bool {
        switch (a, b) {
        case (.array, _), (.object, _): false
        default: isSame(a, b)
        }
    }

    /// Of the same content; `1` and `1.0` are one number. Members of objects may stand in any order.
    static func isSame(_ a: JSONValue, _ b: JSONValue) -> Bool {
        switch (a, b) {
        case (.integer, .number), (.number, .integer): number(a) == number(b)
        case (.string(let a), .string(let b)): isSame(a, b)
        case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy { isSame($0, $1) }
        case (.object(let a), .object(let b)):
            a.count == b.count && a.allSatisfy { key, value in b[key].map { isSame(value, $0) } == true }
        default: a == b
        }
    }

    /// By code units: texts that only look alike are two.
    private static func isSame(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }

    /// Less, equal or greater; nil when the two cannot be compared. Two texts compare by their UTF-16 units, all else as numbers;
    /// lists and objects are their texts.
    static func order(_ a: JSONValue, _ b: JSONValue) -> Order? {
        if let a = orderedText(a), let b = orderedText(b) {
            if isSame(a, b) { return .equal }
            return a.utf16.lexicographicallyPrecedes(b.utf16) ? .less : .greater
        }
        let (a, b) = (number(a), number(b))
        if a == b { return .equal }
        return a < b ? .less : a > b ? .greater : nil
    }

    private static func orderedText(_ value: JSONValue) -> String? {
        switch value {
        case .string, .array, .object: text(value)
        case .null, .bool, .integer, .number: nil
        }
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
