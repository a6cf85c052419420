/// The characters of RFC 9110, and scanning eight at a time.
enum ASCII {
    /// Whether the character may stand in a token (a method, a field name).
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        // One bit for each character; a test spells the set out.
        let bits: UInt64 = byte < 64 ? 0x03FF_6CFA_0000_0000 : 0x57FF_FFFF_C7FF_FFFE
        return byte < 128 && bits >> UInt64(byte & 63) & 1 == 1
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }

    @inline(__always)
    static func lowered(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}

extension Span where Element == UInt8 {
    private static var ones: UInt64 { 0x0101_0101_0101_0101 }
    private static var tops: UInt64 { 0x8080_8080_8080_8080 }

    /// Eight bytes, the first lowest. The caller has checked that they are there.
    @inline(__always)
    private func word(at index: Int) -> UInt64 {
        unsafe withUnsafeBufferPointer {
            unsafe UInt64(littleEndian: UnsafeRawPointer($0.baseAddress.unsafelyUnwrapped + index).loadUnaligned(as: UInt64.self))
        }
    }

    /// The first control character other than tab at or after `start`, or `count`.
    @inline(__always)
    func endOfText(from start: Int) -> Int {
        var at = start
        while true {
            while at + 8 <= count {
                let word = word(at: at)
                let below = (word &- Self.ones &* 0x20) & ~word
                let deletes = word ^ (Self.ones &* 0x7F)
                let found = (below | ((deletes &- Self.ones) & ~deletes)) & Self.tops
                if found != 0 {
                    at += found.trailingZeroBitCount / 8
                    break
                }
                at += 8
            }
            while at < count, self[at] >= 0x20 || self[at] == 0x09, self[at] != 0x7F {
                at += 1
                if at + 8 <= count { break }
            }
            guard at < count, self[at] >= 0x20 || self[at] == 0x09, self[at] != 0x7F else { return at }
        }
    }

    /// Whether the bytes in `range` are `text`, which is lower case, without regard to case.
    @inline(__always)
    func matches(_ text: StaticString, _ range: ByteRange) -> Bool {
        guard range.count == text.utf8CodeUnitCount, range.end <= count else { return false }
        for index in 0..<range.count where unsafe ASCII.lowered(self[range.start + index]) != text.utf8Start[index] { return false }
        return true
    }

    /// Whether `text` stands at `start`, without regard to case.
    func matches(_ text: Span<UInt8>, at start: Int) -> Bool {
        guard start + text.count <= count else { return false }
        for index in text.indices where ASCII.lowered(self[start + index]) != ASCII.lowered(text[index]) { return false }
        return true
    }

    /// The next item of a comma-separated list without the white space around it; empty items are skipped.
    func nextListItem(from at: inout Int, to end: Int) -> ByteRange? {
        while at < end {
            var start = at
            while at < end, self[at] != 0x2C { at += 1 }
            var stop = at
            at += 1
            while start < stop, self[start] == 0x20 || self[start] == 0x09 { start += 1 }
            while stop > start, self[stop - 1] == 0x20 || self[stop - 1] == 0x09 { stop -= 1 }
            if stop > start { return ByteRange(start: start, count: stop - start) }
        }
        return nil
    }
}
