/// A second look at bytes that simdjson refused, because it does not say where: finds the first offence and its reason.
/// Also finds integers too wide for 64 bits, which are valid JSON.
struct JSONSurvey {
    struct Offence: Error, Equatable {
        let offset: Int
        let reason: String
    }

    private(set) var offence: Offence?
    /// Where integers that do not fit 64 bits end.
    private(set) var wideIntegerEnds: [Int] = []

    private let bytes: [UInt8]
    private var at = 0

    init(of bytes: [UInt8]) {
        self.bytes = bytes
        do throws(Offence) {
            try refuseInvalidUTF8()
            try value(depth: 0)
            skipSpace()
            if at < bytes.count { throw Offence(offset: at, reason: "The document has ended, but more bytes follow.") }
        } catch { offence = error }
    }

    /// The same document with `e0` after each wide integer.
    func spellingWideIntegersAsDoubles(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var copied = 0
        for end in wideIntegerEnds {
            result += bytes[copied..<end] + Array("e0".utf8)
            copied = end
        }
        return result + bytes[copied...]
    }

    private func refuseInvalidUTF8() throws(Offence) {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var offset = 0
        while true {
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar): offset += UTF8.width(scalar)
            case .error: throw Offence(offset: offset, reason: "These bytes are not UTF-8.")
            case .emptyInput: return
            }
        }
    }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { at += 1 }
    }

    private mutating func value(depth: Int) throws(Offence) {
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): try container(closing: UInt8(ascii: "}"), depth: depth + 1, keyed: true)
        case UInt8(ascii: "["): try container(closing: UInt8(ascii: "]"), depth: depth + 1, keyed: false)
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        case UInt8(ascii: "-"), .some(0x30...0x39): try number()
        case nil: throw Offence(offset: at, reason: "The document ends where a value should stand.")
        default: throw Offence(offset: at, reason: "No value begins like this.")
        }
    }

    private mutating func container(closing: UInt8, depth: Int, keyed: Bool) throws(Offence) {
        guard depth <= 512 else { throw Offence(offset: at, reason: "It is nested deeper than 512 levels.") }
        at += 1
        skipSpace()
        if next == closing {
            at += 1
            return
        }
        while true {
            if keyed { try key() }
            try value(depth: depth)
            skipSpace()
            if next == closing {
                at += 1
                return
            }
            guard next == UInt8(ascii: ",") else {
                throw Offence(offset: at, reason: "Expected a comma or '\(Character(UnicodeScalar(closing)))'.")
            }
            at += 1
        }
    }

    private mutating func key() throws(Offence) {
        skipSpace()
        guard next == UInt8(ascii: "\"") else { throw Offence(offset: at, reason: "Expected a key in double quotes.") }
        try string()
        skipSpace()
        guard next == UInt8(ascii: ":") else { throw Offence(offset: at, reason: "Expected a colon after the key.") }
        at += 1
    }

    private mutating func word(_ word: String) throws(Offence) {
        let expected = Array(word.utf8)
        guard bytes[at...].starts(with: expected) else { throw Offence(offset: at, reason: "No value begins like this.") }
        at += expected.count
    }

    private mutating func string() throws(Offence) {
        let start = at
        at += 1
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                at += 1
                return
            case UInt8(ascii: "\\"): try escape()
            case 0..<0x20: throw Offence(offset: at, reason: "A control character in a string must be escaped.")
            default: at += 1
            }
        }
        throw Offence(offset: start, reason: "This string is never closed.")
    }

    private mutating func escape() throws(Offence) {
        let start = at
        at += 2
        guard start + 1 < bytes.count else { return }
        if bytes[start + 1] != UInt8(ascii: "u") {
            guard "\"\\/bfnrt".utf8.contains(bytes[start + 1]) else {
                throw Offence(offset: start, reason: "JSON has no such escape.")
            }
            return
        }
        let unit = try hexUnit(from: start)
        guard !UTF16.isTrailSurrogate(unit) else { throw Offence(offset: start, reason: "A low surrogate stands alone.") }
        guard UTF16.isLeadSurrogate(unit) else { return }
        let second = at
        at += 2
        guard bytes[second...].starts(with: "\\u".utf8), UTF16.isTrailSurrogate(try hexUnit(from: second)) else {
            throw Offence(offset: start, reason: "A high surrogate stands alone.")
        }
    }

    /// Reads the four hex digits after `\u`, which begins at `start`.
    private mutating func hexUnit(from start: Int) throws(Offence) -> UInt16 {
        let digits = bytes.dropFirst(start + 2).prefix(4)
        guard digits.count == 4, digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
            let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw Offence(offset: start, reason: "\\u must be followed by four hex digits.") }
        at = start + 6
        return unit
    }

    private mutating func number() throws(Offence) {
        let start = at
        if next == UInt8(ascii: "-") { at += 1 }
        let digits = skipDigits()
        guard digits > 0 else { throw Offence(offset: start, reason: "A number needs digits.") }
        if digits > 1, bytes[at - digits] == UInt8(ascii: "0") {
            throw Offence(offset: start, reason: "A number has no leading zeros.")
        }
        var isInteger = true
        if next == UInt8(ascii: ".") {
            at += 1
            isInteger = false
            guard skipDigits() > 0 else { throw Offence(offset: start, reason: "A decimal point needs digits after it.") }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            at += 1
            isInteger = false
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
            guard skipDigits() > 0 else { throw Offence(offset: start, reason: "An exponent needs digits.") }
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        guard Double(text)?.isFinite == true else {
            throw Offence(offset: start, reason: "This number is past what a double can hold.")
        }
        if isInteger, Int64(text) == nil, UInt64(text) == nil { wideIntegerEnds.append(at) }
    }

    private mutating func skipDigits() -> Int {
        let start = at
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { at += 1 }
        return at - start
    }
}
