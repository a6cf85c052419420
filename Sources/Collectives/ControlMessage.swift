internal import CCollectives

/// What two ranks tell each other beside the operations, on a connection of its own, so that it never waits behind their bytes.
struct ControlMessage: Equatable {
    enum Kind: UInt32 {
        /// This epoch is over, and why.
        case ended = 1
        /// The sender goes on to a later epoch.
        case moved = 2
        /// The sender leaves in good order.
        case goodbye = 3
        /// The host's first rank has shared memory: process, descriptor, nonce.
        case memory = 4
        /// The sender has that memory too.
        case attached = 5
    }

    static let count = 192
    static let magic: UInt32 = 0x434C_434F  // "OCLC"
    static let textMax = 144

    var kind: Kind
    var epoch: UInt64
    var code: Int32 = 0
    var slot: Int32 = -1
    var first: UInt64 = 0
    var second: UInt64 = 0
    var text = ""

    var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.put(ControlMessage.magic)
        writer.put(kind.rawValue)
        writer.put(epoch)
        writer.put(UInt32(bitPattern: code))
        writer.put(UInt32(bitPattern: slot))
        writer.put(first)
        writer.put(second)
        var end = Array(text.utf8.prefix(ControlMessage.textMax))
        while !end.isEmpty, String(validating: end, as: UTF8.self) == nil { end.removeLast() }
        writer.bytes += end + [UInt8](repeating: 0, count: ControlMessage.textMax - end.count)
        writer.put(unsafe claw_checksum(0, writer.bytes, writer.bytes.count))
        return writer.bytes + [0, 0, 0, 0]
    }

    /// Nil for what is no message, or does not have its checksum.
    init?(_ bytes: [UInt8]) {
        let content = Array(bytes.prefix(ControlMessage.count - 8))
        var reader = ByteReader(bytes)
        var sum = ByteReader(Array(bytes.dropFirst(content.count)))
        guard bytes.count == ControlMessage.count, reader.take(UInt32.self) == ControlMessage.magic,
            let kind = Kind(rawValue: reader.take(UInt32.self)),
            unsafe sum.take(UInt32.self) == claw_checksum(0, content, content.count)
        else { return nil }
        self.kind = kind
        epoch = reader.take(UInt64.self)
        code = Int32(bitPattern: reader.take(UInt32.self))
        slot = Int32(bitPattern: reader.take(UInt32.self))
        first = reader.take(UInt64.self)
        second = reader.take(UInt64.self)
        text = String(decoding: content.dropFirst(40).prefix { $0 != 0 }, as: UTF8.self)
    }

    init(
        _ kind: Kind, epoch: UInt64, code: Int32 = 0, slot: Int32 = -1, first: UInt64 = 0, second: UInt64 = 0, text: String = ""
    ) {
        (self.kind, self.epoch, self.code, self.slot) = (kind, epoch, code, slot)
        (self.first, self.second, self.text) = (first, second, text)
    }

    /// Why the epoch is over, to the one who hears this from `sender`.
    func failure(from sender: Int32) -> CollectiveFailure? {
        switch kind {
        case .ended:
            let reason = CollectiveFailure.Reason(rawValue: code) ?? .aborted
            let told = text.isEmpty ? "" : ": \(text)"
            return CollectiveFailure(reason, slot: slot >= 0 ? slot : sender, "slot \(sender) ended epoch \(epoch)\(told)")
        case .moved:
            return CollectiveFailure(
                .staleEpoch, slot: sender, epoch: first, "slot \(sender) went on to epoch \(first): take the newer membership")
        case .goodbye, .memory, .attached: return nil
        }
    }
}
