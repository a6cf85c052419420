import CCollectives
import Statistics
import Testing

/// Rounds a float to bfloat16 by comparing its two neighbours.
private func nearestShort(_ value: Float) -> UInt16 {
    let low = UInt16(value.bitPattern >> 16)
    if value.isNaN { return low | 0x40 }
    let rest = value.bitPattern & 0xFFFF
    if rest > 0x8000 || rest == 0x8000 && low & 1 == 1 { return low &+ 1 }
    return low
}

/// Every instruction set this machine has.
private func forEachLevel(_ body: (Int32) -> Void) {
    let best = claw_instructions()
    for level in Int32(0)...best {
        claw_use_instructions(level)
        body(level)
    }
    claw_use_instructions(best)
}

@Suite(.serialized) struct CodecTests {
    private func encode(
        _ wire: Int, _ values: [Float], residual: [Float]? = nil, keeps: Bool = false
    ) -> (bytes: [UInt8], lost: [Float]) {
        var bytes = [UInt8](repeating: 0, count: Int(claw_wire_bytes(Int32(wire), UInt64(values.count))))
        var lost = [Float](repeating: 0, count: values.count)
        unsafe lost.withUnsafeMutableBufferPointer { lost in
            unsafe claw_encode(
                Int32(wire), values, residual, keeps ? lost.baseAddress : nil, UInt64(values.count), &bytes)
        }
        return (bytes, lost)
    }

    private func decode(_ wire: Int, _ bytes: [UInt8], count: Int, onto: [Float]? = nil, scale: Float = 1) -> [Float] {
        var values = onto ?? [Float](repeating: 0, count: count)
        unsafe claw_decode(Int32(wire), bytes, UInt64(count), onto != nil, scale, &values)
        return values
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `bfloat16 rounds to the nearest, ties to even, and keeps infinities and NaN`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var values = (0..<5_001).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
        values += [0, -0, .infinity, -.infinity, .nan, .greatestFiniteMagnitude, .leastNonzeroMagnitude]
        values += [Float(bitPattern: 0x3F80_8000), Float(bitPattern: 0x3F81_8000), Float(bitPattern: 0x7F80_0001)]
        let expected = values.map(nearestShort)
        forEachLevel { level in
            let bytes = encode(1, values).bytes
            let shorts = values.indices.map { UInt16(bytes[2 * $0]) | UInt16(bytes[2 * $0 + 1]) << 8 }
            #expect(shorts == expected, "seed \(seed), instructions \(level)")
            let back = decode(1, bytes, count: values.count)
            #expect(zip(back, values).allSatisfy { $0.isNaN == $1.isNaN }, "seed \(seed), instructions \(level)")
            #expect(zip(back, expected).allSatisfy { $0.isNaN || $0.bitPattern == UInt32($1) << 16 })
        }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `int8 is off by at most half a step, and what it lost is known to the bit`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let count = Int(random.next() % 2_000) + 1
        let size = Float(sign: .plus, exponent: Int(random.next() % 60) - 30, significand: 1)
        let values = (0..<count).map { _ in (Float(random.unit()) - 0.5) * size }
        let residual = (0..<count).map { _ in (Float(random.unit()) - 0.5) * size / 100 }
        forEachLevel { level in
            let (bytes, lost) = encode(2, values, residual: residual, keeps: true)
            let back = decode(2, bytes, count: count)
            for block in stride(from: 0, to: count, by: 256) {
                let places = block..<min(block + 256, count)
                let wanted = places.map { values[$0] + residual[$0] }
                let step = (wanted.map(\.magnitude).max() ?? 0) / 127
                for (place, want) in zip(places, wanted) {
                    #expect(abs(back[place] - want) <= step * 0.5001, "seed \(seed), value \(place), instructions \(level)")
                    #expect(lost[place] == want - back[place], "seed \(seed), value \(place), instructions \(level)")
                }
            }
        }
    }

    @Test func `all instruction sets write the same bytes and read the same values`() {
        var random = SplitMix64(seed: 7)
        let values = (0..<3_333).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
        for wire in 0...2 {
            var written: [[UInt8]] = []
            var read: [[UInt32]] = []
            forEachLevel { _ in
                written.append(encode(wire, values).bytes)
                read.append(decode(wire, written[0], count: values.count, onto: values, scale: 0.5).map(\.bitPattern))
            }
            #expect(Set(written).count == 1, "wire \(wire)")
            #expect(
                zip(read, read.dropFirst()).allSatisfy { one, other in
                    zip(one, other).allSatisfy { $0 == $1 || Float(bitPattern: $0).isNaN && Float(bitPattern: $1).isNaN }
                }, "wire \(wire)")
        }
    }

    @Test func `zeros, huge and tiny values survive int8, and an overflow is seen by who reads it`() {
        let zeros = [Float](repeating: 0, count: 300)
        #expect(decode(2, encode(2, zeros).bytes, count: 300) == zeros)
        let huge: [Float] = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0]
        let back = decode(2, encode(2, huge).bytes, count: 3)
        #expect(zip(back, huge).allSatisfy { $0.isFinite && abs($0 - $1) <= .greatestFiniteMagnitude / 200 })
        let tiny: [Float] = [1e-38, -1e-38, .leastNonzeroMagnitude]
        let (bytes, lost) = encode(2, tiny, keeps: true)
        #expect(decode(2, bytes, count: 3) == [0, 0, 0] && lost == tiny)
        var overflow = [Float](repeating: 1, count: 600)
        overflow[10] = .infinity
        let (spoilt, kept) = encode(2, overflow, keeps: true)
        let read = decode(2, spoilt, count: 600)
        #expect(read[..<256].allSatisfy { $0.isNaN } && read[256...].allSatisfy { abs($0 - 1) < 0.01 })
        #expect(kept.allSatisfy { $0.isFinite })
    }

    @Test func `a known text has its known checksum, at any length and place`() {
        var random = SplitMix64(seed: 3)
        let bytes = (0..<60_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        func slow(_ part: ArraySlice<UInt8>) -> UInt32 {
            ~part.reduce(~0) { sum, byte in
                (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0x82F6_3B78 : 0) }
            }
        }
        forEachLevel { level in
            #expect(unsafe claw_checksum(0, Array("123456789".utf8), 9) == 0xE306_9283)
            for length in [0, 1, 7, 8, 63, 4_095, 12_287, 12_288, 12_289, 40_000] {
                let from = Int(random.next() % 1_000)
                let part = bytes[from..<from + length]
                #expect(unsafe claw_checksum(0, Array(part), length) == slow(part), "\(length) bytes, instructions \(level)")
            }
        }
        let (first, second) = (Array(bytes[..<5_000]), Array(bytes[5_000..<9_000]))
        let sum = unsafe claw_checksum(claw_checksum(0, first, 5_000), second, 4_000)
        #expect(unsafe sum == claw_checksum(0, Array(bytes[..<9_000]), 9_000))
    }

    @Test(arguments: [
        (
            [UInt8](repeating: 0x0b, count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func `a published digest comes out (RFC 4231)`(key: [UInt8], text: String, expected: String) {
        var digest = [UInt8](repeating: 0, count: 32)
        unsafe claw_digest(key, key.count, Array(text.utf8), text.utf8.count, &digest)
        let hex = digest.map { byte in [byte >> 4, byte & 15].map { String($0, radix: 16) }.joined() }.joined()
        #expect(hex == expected)
    }
}
