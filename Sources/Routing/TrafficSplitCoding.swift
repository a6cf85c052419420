import Ledger

/// How a split is written: the salt in hex, the variants that own something, and per bucket the index of its owner in as few
/// bits as that needs (1 for two variants), in base64. Two variants take 1.7 kB, one variant nothing.
extension TrafficSplit: Codable {
    private enum Key: String, CodingKey { case salt, variants, owners }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        let palette = Set(owners).sorted()
        let bits = TrafficSplit.bitsPerBucket(variants: palette.count)
        try container.encode(Hex.text(of: salt), forKey: .salt)
        try container.encode(palette, forKey: .variants)
        if bits == 0 { return }
        var indexOf = [UInt8](repeating: 0, count: 256)
        for (index, number) in palette.enumerated() { indexOf[Int(number)] = UInt8(index) }
        var packed = [UInt8](repeating: 0, count: (owners.count * bits + 7) / 8)
        for (bucket, owner) in owners.enumerated() {
            packed[bucket * bits / 8] |= indexOf[Int(owner)] << UInt8(bucket * bits % 8)
        }
        try container.encode(Base64.text(of: packed), forKey: .owners)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        func refused(_ key: Key, _ why: String) -> DecodingError {
            .dataCorruptedError(forKey: key, in: container, debugDescription: why)
        }
        guard let salt = Hex.word(try container.decode(String.self, forKey: .salt)) else {
            throw refused(.salt, "a salt is 16 hex digits")
        }
        let palette = try container.decode([UInt8].self, forKey: .variants)
        guard (1...256).contains(palette.count) else { throw refused(.variants, "a split has 1 to 256 variants") }
        let bits = TrafficSplit.bitsPerBucket(variants: palette.count)
        if bits == 0 {
            self.init(salt: salt, owners: Array(repeating: palette[0], count: TrafficSplit.bucketCount))
            return
        }
        guard let packed = Base64.bytes(of: try container.decode(String.self, forKey: .owners)),
            packed.count == (TrafficSplit.bucketCount * bits + 7) / 8
        else { throw refused(.owners, "the owners of 10 000 buckets are not all there") }
        var owners = [UInt8](repeating: 0, count: TrafficSplit.bucketCount)
        let mask = UInt8(truncatingIfNeeded: (1 << bits) - 1)
        for bucket in owners.indices {
            let index = Int(packed[bucket * bits / 8] >> UInt8(bucket * bits % 8) & mask)
            guard index < palette.count else { throw refused(.owners, "bucket \(bucket) has no owner") }
            owners[bucket] = palette[index]
        }
        self.init(salt: salt, owners: owners)
    }

    /// A divisor of 8, so that a bucket never straddles two bytes.
    private static func bitsPerBucket(variants: Int) -> Int {
        switch variants {
        case ...1: 0
        case 2: 1
        case 3...4: 2
        case 5...16: 4
        default: 8
        }
    }
}

/// 64 bits as 16 hex digits (JSON integers end at 2^63).
enum Hex {
    static func text(of word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
    static func word(_ text: String) -> UInt64? {
        text.utf8.count == 16 && text.utf8.allSatisfy { isDigit($0) } ? UInt64(text, radix: 16) : nil
    }
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }
}
