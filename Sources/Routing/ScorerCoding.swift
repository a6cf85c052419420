// A scorer on the wire is what it is made of; what speeds it up is made again. A belief's numbers are written as the
// hexadecimal digits of their bits: exact, and a quarter of what decimal fractions would take.
extension Scorer: Codable {
    private enum CodingKeys: String, CodingKey { case rule, features, arms, floor, seed }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(rule, forKey: .rule)
        try container.encode(features, forKey: .features)
        try container.encode(arms, forKey: .arms)
        try container.encode(floor, forKey: .floor)
        try container.encode(seed, forKey: .seed)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let features = try container.decode([ScorerFeature].self, forKey: .features)
        let arms = try container.decode([Arm].self, forKey: .arms)
        let length = features.reduce(1) { $0 + $1.width }
        guard length - 1 <= Scorer.featuresMax, arms.allSatisfy({ $0.mean.count == length }), arms.contains(where: \.isLive) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "the arms of a scorer do not fit its features"))
        }
        self.init(
            rule: try container.decode(Rule.self, forKey: .rule), features: features, arms: arms,
            floor: try container.decode(Int.self, forKey: .floor), seed: try container.decode(UInt64.self, forKey: .seed))
    }
}

extension Scorer.Arm: Codable {
    private enum CodingKeys: String, CodingKey { case mean, factor, live }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(FloatText.write(mean), forKey: .mean)
        try container.encode(FloatText.write(factor), forKey: .factor)
        try container.encode(isLive, forKey: .live)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard let mean = FloatText.read(try container.decode(String.self, forKey: .mean)),
            let factor = FloatText.read(try container.decode(String.self, forKey: .factor)),
            factor.count == mean.count * (mean.count + 1) / 2
        else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "an arm of a scorer is not written as one"))
        }
        self.init(mean: mean, factor: factor, isLive: try container.decode(Bool.self, forKey: .live))
    }
}

/// Numbers as eight hexadecimal digits each.
private enum FloatText {
    private static let digits = Array("0123456789abcdef".utf8)

    static func write(_ numbers: [Float]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(8 * numbers.count)
        for number in numbers {
            for shift in stride(from: 28, through: 0, by: -4) { text.append(digits[Int(number.bitPattern >> UInt32(shift)) & 15]) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil when it is no such text, or a number in it is not finite.
    static func read(_ text: String) -> [Float]? {
        var (numbers, bits, count) = ([Float](), UInt32(0), 0)
        for byte in text.utf8 {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x61...0x66: digit = byte - 0x61 + 10
            default: return nil
            }
            (bits, count) = (bits << 4 | UInt32(digit), count + 1)
            if count % 8 == 0 {
                guard Float(bitPattern: bits).isFinite else { return nil }
                numbers.append(Float(bitPattern: bits))
            }
        }
        return count % 8 == 0 ? numbers : nil
    }
}
