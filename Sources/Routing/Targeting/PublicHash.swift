/// The hash that GrowthBook's SDKs publish, in both versions: the same unit gets the same number here and in any of them, so
/// that an experiment can move between the two without moving its users. FNV-1a 32 over the text's UTF-16 units.
public enum PublicHash {
    /// Version 1: `value` then `seed`, in thousandths.
    public static func v1(seed: String, value: String) -> Double? { unit(version: 1, seed: seed.utf8, value: value.utf8) }

    /// Version 2: the hash of the hash of `seed` then `value`, in ten thousandths. Unlike version 1 it does not correlate
    /// experiments whose seeds differ little.
    public static func v2(seed: String, value: String) -> Double? { unit(version: 2, seed: seed.utf8, value: value.utf8) }

    /// By number of the version; nil for one that was never published.
    public static func hash(version: Int, seed: String, value: String) -> Double? {
        unit(version: version, seed: seed.utf8, value: value.utf8)
    }

    /// The number in [0, 1) for UTF-8 bytes. Allocates nothing.
    public static func unit(version: Int, seed: some Sequence<UInt8>, value: some Sequence<UInt8>) -> Double? {
        var hash = FNV32()
        switch version {
        case 1:
            hash.add(value)
            hash.add(seed)
            return Double(hash.state % 1_000) / 1_000
        case 2:
            hash.add(seed)
            hash.add(value)
            var again = FNV32()
            again.add(decimal: hash.state)
            return Double(again.state % 10_000) / 10_000
        default: return nil
        }
    }
}

/// FNV-1a with 32 bits, over UTF-16 units.
struct FNV32 {
    private(set) var state: UInt32 = 0x811c_9dc5

    /// Adds UTF-8 text, unit by unit as UTF-16 has it: that is what the published hash counts.
    mutating func add(_ bytes: some Sequence<UInt8>) {
        var iterator = bytes.makeIterator()
        var decoder = UTF8()
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            let value = scalar.value
            if value < 0x1_0000 {
                add(UInt16(value))
            } else {
                add(UInt16(0xd800 + (value - 0x1_0000) >> 10))
                add(UInt16(0xdc00 + (value & 0x3ff)))
            }
        }
    }

    /// The digits of a number, without making a text of them.
    mutating func add(decimal number: UInt32) {
        var divisor: UInt32 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            add(UInt16(0x30 + number / divisor % 10))
            divisor /= 10
        }
    }

    private mutating func add(_ unit: UInt16) { state = (state ^ UInt32(unit)) &* 0x0100_0193 }
}
