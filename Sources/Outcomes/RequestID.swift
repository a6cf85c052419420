/// A request's name: 128 bits, printed as 32 hex digits (`X-OpenClaw-Request-Id`). The gateway instance, the loop and the
/// loop's sequence number stand in it, so that feedback finds the file of its exposure by arithmetic.
public struct RequestID: Hashable, Sendable, CustomStringConvertible {
    public let instance: UInt32  // one life of one gateway; random
    public let loop: UInt8
    public let sequence: UInt64  // 40 bits
    public let nonce: UInt64  // 48 random bits: a request id cannot be guessed from another

    public init(instance: UInt32, loop: UInt8, sequence: UInt64, nonce: UInt64) {
        (self.instance, self.loop, self.sequence, self.nonce) =
            (instance, loop, sequence & RequestID.sequenceMax, nonce & RequestID.nonceMax)
    }

    /// Exactly 32 hex digits: 8 of the instance, 2 of the loop, 10 of the sequence, 12 of the nonce.
    public init?(_ text: String) {
        var words: (UInt64, UInt64) = (0, 0)
        var count = 0
        for byte in text.utf8 {
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x61...0x66: digit = byte - 0x61 + 10
            case 0x41...0x46: digit = byte - 0x41 + 10
            default: return nil
            }
            guard count < 32 else { return nil }
            if count < 16 { words.0 = words.0 << 4 | UInt64(digit) } else { words.1 = words.1 << 4 | UInt64(digit) }
            count += 1
        }
        guard count == 32 else { return nil }
        self.init(words: words)
    }

    public var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(32)
        for word in [words.0, words.1] {
            for shift in stride(from: UInt64(60), through: 0, by: -4) {
                let digit = UInt8(word >> shift & 15)
                text.append(digit < 10 ? digit + 0x30 : digit - 10 + 0x61)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    static let sequenceMax: UInt64 = (1 << 40) - 1
    static let nonceMax: UInt64 = (1 << 48) - 1

    /// The 128 bits in the order they are printed.
    var words: (UInt64, UInt64) {
        (UInt64(instance) << 32 | UInt64(loop) << 24 | sequence >> 16, (sequence & 0xffff) << 48 | nonce)
    }

    init(words: (UInt64, UInt64)) {
        instance = UInt32(truncatingIfNeeded: words.0 >> 32)
        loop = UInt8(truncatingIfNeeded: words.0 >> 24)
        sequence = (words.0 & 0xff_ffff) << 16 | words.1 >> 48
        nonce = words.1 & RequestID.nonceMax
    }
}
