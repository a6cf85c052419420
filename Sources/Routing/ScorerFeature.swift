import JSON

/// One thing that a contextual bandit looks at, and how it becomes numbers.
public struct ScorerFeature: Equatable, Sendable, Codable {
    public enum Kind: Equatable, Sendable, Codable {
        /// One number: (value - center) / scale, held within a thousand either way.
        case number(center: Double, scale: Double)
        /// One number for each of these texts: 1 where it is the one. A text that is not listed is none of them.
        case category([String])
        /// As many numbers as there are slots: 1 in the slot that the text's hash falls to, for texts nobody can list.
        case hashed(slots: Int)
        /// 1 for true, 0 for false.
        case flag
        /// Two numbers for each arm: by how much this unit's earlier rewards under it were above those of all units, and how
        /// much of them there is. See `UnitHistory`.
        case history(arms: Int)
    }

    /// What a request says of a feature; a text is known by its hash (`UnitID`).
    public enum Value: Equatable, Sendable {
        case missing
        case number(Double)
        case flag(Bool)
        case text(UnitID)
    }

    /// No encoded number is further from 0.
    public static let numberMax = 1_000.0

    public var name: String
    /// Where it stands in a request; nil for history.
    public var source: AttributeSource?
    public var kind: Kind
    /// Of a category: the hashes of its texts.
    private var hashes: [UInt64]

    public init(name: String, source: AttributeSource?, kind: Kind) {
        (self.name, self.source, self.kind) = (name, source, kind)
        hashes = if case .category(let texts) = kind { texts.map { UnitID($0).hash } } else { [] }
    }

    /// How many numbers it becomes.
    public var width: Int {
        switch kind {
        case .number, .flag: 1
        case .category(let texts): texts.count
        case .hashed(let slots): max(1, slots)
        case .history(let arms): 2 * arms
        }
    }

    /// Reads a header's or JSON field's text as this kind of feature. Without allocating: the gateway asks for it.
    public func value(of text: Span<UInt8>) -> Value {
        switch kind {
        case .number, .history: ScorerFeature.number(text).map { .number($0) } ?? .missing
        case .flag: ScorerFeature.flag(text).map { .flag($0) } ?? .missing
        case .category, .hashed: .text(ScorerFeature.hash(text))
        }
    }

    /// What an attribute says of a feature; nil for what is no single value.
    static func text(_ attribute: JSONValue) -> String? {
        switch attribute {
        case .string(let text): text
        case .integer, .number, .bool: attribute.canonicalText
        case .null, .array, .object: nil
        }
    }

    public func value(of text: String) -> Value {
        let bytes = Array(text.utf8)
        return value(of: bytes.span)
    }

    /// Writes its `width` numbers at `place`, and returns the place behind them. What is missing, or is of another kind, is 0
    /// everywhere. History is written by its own table.
    public func encode(_ value: Value, into numbers: inout MutableSpan<Float>, at place: Int) -> Int {
        for i in place..<(place + width) { numbers[i] = 0 }
        switch (kind, value) {
        case (.number(let center, let scale), .number(let number)):
            let scaled = (number - center) / (scale == 0 ? 1 : scale)
            if !scaled.isNaN { numbers[place] = Float(max(-ScorerFeature.numberMax, min(ScorerFeature.numberMax, scaled))) }
        case (.flag, .flag(let isTrue)): numbers[place] = isTrue ? 1 : 0
        case (.flag, .number(let number)): numbers[place] = number == 0 ? 0 : 1
        case (.category, .text(let text)):
            if let slot = hashes.firstIndex(of: text.hash) { numbers[place + slot] = 1 }
        case (.hashed, .text(let text)):
            numbers[place + Int(UnitID.mixed(text.hash) % UInt64(width))] = 1
        default: break
        }
        return place + width
    }

    private static func hash(_ text: Span<UInt8>) -> UnitID {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for i in text.indices { hash = (hash ^ UInt64(text[i])) &* 0x0000_0100_0000_01b3 }
        return UnitID(hash: hash)
    }

    private static func flag(_ text: Span<UInt8>) -> Bool? {
        switch (text.count, text.isEmpty ? 0 : text[0] | 0x20) {
        case (4, 0x74), (3, 0x79), (1, 0x31), (1, 0x74), (1, 0x79), (2, 0x6F): true  // true yes 1 t y on
        case (5, 0x66), (2, 0x6E), (1, 0x30), (1, 0x66), (1, 0x6E), (3, 0x6F): false  // false no 0 f n off
        default: nil
        }
    }

    /// A decimal number, such as `-12.5e3`, alone in the text.
    private static func number(_ text: Span<UInt8>) -> Double? {
        var (at, digits, exponent, count) = (0, 0.0, 0, 0)
        let isNegative = !text.isEmpty && text[0] == 0x2D
        if isNegative || !text.isEmpty && text[0] == 0x2B { at = 1 }
        var isFraction = false
        while at < text.count {
            switch text[at] {
            case 0x30...0x39:
                // Digits past the 17th only count as places.
                if count < 17 { digits = digits * 10 + Double(text[at] - 0x30) } else { exponent += 1 }
                (count, exponent) = (count + 1, exponent - (isFraction ? 1 : 0))
            case 0x2E where !isFraction: isFraction = true
            case 0x65, 0x45:
                guard count > 0, let power = whole(text, from: at + 1) else { return nil }
                return scaled(isNegative ? -digits : digits, exponent + power)
            default: return nil
            }
            at += 1
        }
        return count > 0 ? scaled(isNegative ? -digits : digits, exponent) : nil
    }

    private static func whole(_ text: Span<UInt8>, from start: Int) -> Int? {
        guard start < text.count else { return nil }
        let isSigned = text[start] == 0x2D || text[start] == 0x2B
        var value = 0
        guard start + (isSigned ? 1 : 0) < text.count else { return nil }
        for at in (start + (isSigned ? 1 : 0))..<text.count {
            guard (0x30...0x39).contains(text[at]) else { return nil }
            value = min(10_000, value * 10 + Int(text[at] - 0x30))
        }
        return text[start] == 0x2D ? -value : value
    }

    private static func scaled(_ digits: Double, _ power: Int) -> Double {
        var (result, left) = (digits, min(abs(power), 700))
        while left > 0 {
            let step = min(left, 22)
            // Powers of ten up to the 22nd are exact.
            var factor = 1.0
            for _ in 0..<step { factor *= 10 }
            result = power < 0 ? result / factor : result * factor
            left -= step
        }
        return result
    }
}
