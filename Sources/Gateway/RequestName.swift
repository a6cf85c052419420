internal import CLinux
package import Outcomes
import Routing
import Sockets

/// A request's id and its 32 digits.
package struct RequestName {
    package let id: RequestID
    let high: UInt64
    let low: UInt64

    package init(_ id: RequestID) {
        self.id = id
        // Instance, loop, sequence and nonce side by side, as `RequestID.description` prints them.
        high = UInt64(id.instance) << 32 | UInt64(id.loop) << 24 | id.sequence >> 16
        low = (id.sequence & 0xFFFF) << 48 | id.nonce
    }

    func write(into buffer: inout ByteBuffer) {
        buffer.append(hexadecimal: high)
        buffer.append(hexadecimal: low)
    }

    /// The request as its own unit: what `route explain --unit ID` hashes.
    var unit: UnitID {
        let digits = digits
        return unsafe digits.span.withUnsafeBufferPointer { unsafe UnitID($0) }
    }

    /// As `write` writes it.
    var digits: InlineArray<32, UInt8> {
        var digits = InlineArray<32, UInt8>(repeating: 0)
        for index in 0..<32 {
            let word = index < 16 ? high : low
            let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - index % 16 * 4) & 15)
            digits[index] = nibble < 10 ? 0x30 + nibble : 0x57 + nibble
        }
        return digits
    }
}

/// Names the requests of one loop. The nonces come from the kernel's generator, in blocks: a client that knows one id can
/// guess no other, and a system call is made once in 512 requests.
package struct RequestNames: ~Copyable {
    private static let blockCount = 512
    private let instance: UInt32
    private let loop: UInt8
    private var sequence: UInt64 = 0
    private var block = [UInt64](repeating: 0, count: blockCount)
    private var used = blockCount

    package init(instance: UInt32, loop: UInt8) { (self.instance, self.loop) = (instance, loop) }

    package mutating func next() -> RequestName {
        if used == Self.blockCount { refill() }
        let nonce = block[used] & 0xFFFF_FFFF_FFFF
        used += 1
        sequence &+= 1
        return RequestName(RequestID(instance: instance, loop: loop, sequence: sequence & 0xFF_FFFF_FFFF, nonce: nonce))
    }

    private mutating func refill() {
        unsafe block.withUnsafeMutableBytes { bytes in
            var at = 0
            while at < bytes.count {
                let count = unsafe getrandom(bytes.baseAddress! + at, bytes.count - at, 0)
                if count > 0 { at += count }
            }
        }
        used = 0
    }
}
