import Glibc

/// Bytes on their way: appended at the end, consumed at the front. Owns its memory, grows by doubling, and gives a large
/// block back when it runs empty, so that one big body does not stay resident with an idle connection.
@safe public struct ByteBuffer: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>
    private var capacity = 0
    private var start = 0
    private var end = 0

    /// What an empty buffer may keep.
    static let keptBytesMax = 64 << 10

    public init() { unsafe base = Self.nowhere }
    deinit { if capacity > 0 { unsafe free(base) } }

    /// Stands for "no memory yet", so that `base` needs no optional.
    private static var nowhere: UnsafeMutablePointer<UInt8> { unsafe UnsafeMutablePointer(bitPattern: 16)! }

    public var count: Int { end - start }
    public var isEmpty: Bool { start == end }

    /// The bytes held; valid until the next mutation.
    @unsafe public var bytes: UnsafeBufferPointer<UInt8> { unsafe UnsafeBufferPointer(start: base + start, count: end - start) }

    public mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        unsafe (base + end).update(from: source, count: bytes.count)
        end += bytes.count
    }

    public mutating func append(_ bytes: borrowing Span<UInt8>) {
        unsafe bytes.withUnsafeBufferPointer { unsafe append($0) }
    }

    public mutating func append(_ text: StaticString) {
        unsafe append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    public mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

    public mutating func append(_ text: String) {
        var copy = text
        copy.withUTF8 { unsafe append($0) }
    }

    public mutating func append(byte: UInt8) {
        reserve(1)
        unsafe base[end] = byte
        end += 1
    }

    /// Decimal digits of a number.
    public mutating func append(decimal number: Int) {
        reserve(20)
        var rest = UInt(number)
        var digits = 1
        var bound: UInt = 10
        while rest >= bound && digits < 19 { (digits, bound) = (digits + 1, bound &* 10) }
        var at = end + digits
        repeat {
            at -= 1
            unsafe base[at] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while at > end
        end += digits
    }

    /// The lower-case hexadecimal digits of a number, `digits` of them.
    public mutating func append(hexadecimal number: UInt64, digits: Int) {
        for shift in stride(from: (digits - 1) * 4, through: 0, by: -4) {
            let nibble = UInt8(truncatingIfNeeded: (number >> UInt64(shift)) & 15)
            append(byte: nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
        }
    }

    /// The 16 lower-case hexadecimal digits of a number.
    public mutating func append(hexadecimal number: UInt64) {
        reserve(16)
        let place = unsafe UnsafeMutableRawPointer(base + end)
        unsafe place.storeBytes(of: Self.digits(of: UInt32(truncatingIfNeeded: number >> 32)), as: UInt64.self)
        unsafe (place + 8).storeBytes(of: Self.digits(of: UInt32(truncatingIfNeeded: number)), as: UInt64.self)
        end += 16
    }

    /// Eight hexadecimal digits as they lie in memory, all at once: each gets a byte, then its character.
    @inline(__always)
    private static func digits(of number: UInt32) -> UInt64 {
        var nibbles = UInt64(number)
        nibbles = (nibbles << 16 | nibbles) & 0x0000_FFFF_0000_FFFF
        nibbles = (nibbles << 8 | nibbles) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles << 4 | nibbles) & 0x0F0F_0F0F_0F0F_0F0F
        let isLetter = (nibbles &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return (nibbles &+ 0x3030_3030_3030_3030 &+ isLetter &* 39).bigEndian
    }

    /// Drops `count` bytes at the front.
    public mutating func consume(_ count: Int) {
        precondition(count <= end - start)
        start += count
        if start == end { removeAll() }
    }

    /// Drops what was appended after the first `count` bytes.
    public mutating func truncate(to count: Int) {
        precondition(count <= end - start)
        end = start + count
    }

    public mutating func removeAll() {
        (start, end) = (0, 0)
        if capacity > Self.keptBytesMax { giveBack() }
    }

    /// Frees the memory, whatever it holds.
    public mutating func giveBack() {
        if capacity > 0 { unsafe free(base) }
        unsafe base = Self.nowhere
        (capacity, start, end) = (0, 0, 0)
    }

    /// Makes room for `extra` more bytes at the end.
    public mutating func reserve(_ extra: Int) {
        if end + extra > capacity { grow(extra) }
    }

    private mutating func grow(_ extra: Int) {
        let held = end - start
        if start >= held && held + extra <= capacity {
            unsafe memmove(base, base + start, held)
        } else {
            let wanted = max(held + extra, capacity * 2, 512)
            guard let fresh = unsafe malloc(wanted) else { preconditionFailure("out of memory: \(wanted) bytes") }
            unsafe memcpy(fresh, base + start, held)
            if capacity > 0 { unsafe free(base) }
            unsafe base = fresh.assumingMemoryBound(to: UInt8.self)
            capacity = wanted
        }
        (start, end) = (0, held)
    }
}
