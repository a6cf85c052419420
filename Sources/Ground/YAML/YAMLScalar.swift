import JSON

/// Plain scalars by the core schema of YAML 1.2: no yes/no, no octal by a leading zero, no sexagesimal numbers, no dates.
enum YAMLScalar {
    static func json(_ text: String) -> JSONValue {
        switch text {
        case "", "~", "null", "Null", "NULL": .null
        case "true", "True", "TRUE": .bool(true)
        case "false", "False", "FALSE": .bool(false)
        default: number(text) ?? .string(text)
        }
    }

    /// An integer (decimal, 0o, 0x), a decimal number, or nil. What is past `Int64` is a `number`.
    static func number(_ text: String) -> JSONValue? {
        if text.hasPrefix("0o") { return unsigned(text.dropFirst(2), radix: 8) }
        if text.hasPrefix("0x") { return unsigned(text.dropFirst(2), radix: 16) }
        var rest = text.utf8[...]
        if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest.removeFirst() }
        let whole = takeDigits(&rest)
        var isInteger = true
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            isInteger = false
            fraction = takeDigits(&rest)
        }
        guard whole + fraction > 0 else { return nil }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest.removeFirst()
            isInteger = false
            if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest.removeFirst() }
            guard takeDigits(&rest) > 0 else { return nil }
        }
        guard rest.isEmpty else { return nil }
        if isInteger, let value = Int64(text) { return .integer(value) }
        // Swift reads neither "5." nor ".5" as YAML does in every case, so that the digits are completed first.
        return Double(completed(text)).map(JSONValue.number)
    }

    private static func unsigned(_ digits: Substring, radix: Int) -> JSONValue? {
        guard digits.utf8.first.map({ $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "+") }) == true else { return nil }
        return Int64(digits, radix: radix).map(JSONValue.integer)
    }

    private static func takeDigits(_ rest: inout Substring.UTF8View) -> Int {
        let count = rest.prefix { (0x30...0x39).contains($0) }.count
        rest.removeFirst(count)
        return count
    }

    /// `.5` -> `0.5`, `5.` -> `5.0`, `5.e3` -> `5.0e3`.
    private static func completed(_ text: String) -> String {
        guard let point = text.firstIndex(of: ".") else { return text }
        let before = text[..<point]
        let after = text[text.index(after: point)...]
        let whole = before.last?.isNumber == true ? before : before + "0"
        return whole + "." + (after.first?.isNumber == true ? after : "0" + after)
    }
}
