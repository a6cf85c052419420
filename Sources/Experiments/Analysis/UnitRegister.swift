/// Which units were seen before, in a fixed number of bits.
///
/// A unit whose bit was set by another one is taken for known. Whose bit that is has nothing to do with variants, so ratios of
/// variants stay true, and every unit that is found new counts for those that were missed: 1 / (1 - share of bits set).
public struct UnitRegister: Equatable, Sendable {
    /// One megabyte: of a million units 6 % are taken for others, and counted for.
    static let bitsCount = 1 << 23

    private var words: [UInt64] = []
    public private(set) var set = 0

    public init() {}

    /// For how many units this one stands, when it was not seen before; nil when it was.
    public mutating func insert(_ unit: UInt64, arm: Int? = nil) -> Double? {
        if words.isEmpty { words = Array(repeating: 0, count: Self.bitsCount / 64) }
        let bit = Self.bit(of: unit, arm)
        let mask = UInt64(1) << UInt64(bit & 63)
        guard words[bit >> 6] & mask == 0 else { return nil }
        let weight = 1 / (1 - Double(set) / Double(Self.bitsCount))
        words[bit >> 6] |= mask
        set += 1
        return weight
    }

    /// Murmur's finaliser: independent of the hashes of splits and cells.
    private static func bit(of unit: UInt64, _ arm: Int?) -> Int {
        var z = unit ^ (UInt64(truncatingIfNeeded: (arm ?? -1) + 2) &* 0xd6e8_feb8_6659_fd93)
        z = (z ^ (z >> 33)) &* 0xff51_afd7_ed55_8ccd
        z = (z ^ (z >> 33)) &* 0xc4ce_b9fe_1a85_ec53
        return Int((z ^ (z >> 33)) & UInt64(bitsCount - 1))
    }
}

/// Written as the distances between the bits that are set, each in groups of seven bits, as hexadecimal text.
extension UnitRegister: Codable {
    public func encode(to encoder: any Encoder) throws {
        var bytes: [UInt8] = []
        var last = -1
        for (index, word) in words.enumerated() where word != 0 {
            var rest = word
            while rest != 0 {
                let bit = index << 6 + rest.trailingZeroBitCount
                var distance = bit - last - 1
                while distance >= 0x80 {
                    bytes.append(UInt8(distance & 0x7F) | 0x80)
                    distance >>= 7
                }
                bytes.append(UInt8(distance))
                last = bit
                rest &= rest - 1
            }
        }
        var container = encoder.singleValueContainer()
        try container.encode(String(decoding: bytes.flatMap { [Self.digit($0 >> 4), Self.digit($0 & 15)] }, as: UTF8.self))
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let digits = Array(try container.decode(String.self).utf8)
        let broken = DecodingError.dataCorruptedError(in: container, debugDescription: "not a register of units")
        var (last, distance, shift) = (-1, 0, 0)
        for place in stride(from: 0, to: digits.count, by: 2) {
            guard place + 1 < digits.count, let high = Self.value(digits[place]), let low = Self.value(digits[place + 1]) else {
                throw broken
            }
            let byte = high << 4 | low
            distance |= (byte & 0x7F) << shift
            shift += 7
            if byte & 0x80 != 0 {
                guard shift < 28 else { throw broken }
                continue
            }
            last += distance + 1
            guard last < Self.bitsCount else { throw broken }
            if words.isEmpty { words = Array(repeating: 0, count: Self.bitsCount / 64) }
            words[last >> 6] |= UInt64(1) << UInt64(last & 63)
            set += 1
            (distance, shift) = (0, 0)
        }
        guard shift == 0 else { throw broken }
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
    private static func value(_ digit: UInt8) -> Int? {
        switch digit {
        case 0x30...0x39: Int(digit) - 0x30
        case 0x61...0x66: Int(digit) - 0x57
        default: nil
        }
    }
}
