/// Finds the data in a chunked body, strictly, as it arrives in pieces. Extensions and trailers are bounded and dropped.
public struct ChunkedDecoder: Sendable {
    public enum Event: Equatable, Sendable {
        /// These bytes of the input are data.
        case data(ByteRange)
        /// The input is used up; the body goes on.
        case needsMore
        /// The body ended; what follows belongs to the next message.
        case end
        case refused
    }
    private enum State {
        case size(digits: Int, value: Int)
        case chunkExtension(value: Int)
        case sizeLineFeed(value: Int)
        case data(left: Int)
        case dataReturn, dataLineFeed
        case trailerStart, trailer, trailerLineFeed, lastLineFeed
        case ended
    }
    private var state = State.size(digits: 0, value: 0)
    /// Bytes of extensions and trailers seen in this body.
    private var extraBytes = 0
    private static let extraBytesMax = 8 << 10

    public init() {}

    /// The next thing in `bytes` from `at` on; moves `at` past it.
    public mutating func next(_ bytes: Span<UInt8>, at: inout Int) -> Event {
        while at < bytes.count {
            if case .data(let left) = state {
                let count = min(left, bytes.count - at)
                let found = ByteRange(start: at, count: count)
                at += count
                state = left == count ? .dataReturn : .data(left: left - count)
                return .data(found)
            }
            let byte = bytes[at]
            at += 1
            guard step(byte) else { return .refused }
            if case .ended = state { return .end }
        }
        return .needsMore
    }

    private mutating func step(_ byte: UInt8) -> Bool {
        switch (state, byte) {
        case (.size(let digits, let value), _) where ASCII.hexValue(byte) != nil && digits < 15:
            state = .size(digits: digits + 1, value: value << 4 | Int(ASCII.hexValue(byte) ?? 0))
        case (.size(let digits, let value), 0x0D) where digits > 0: state = .sizeLineFeed(value: value)
        case (.size(let digits, let value), 0x3B) where digits > 0: state = .chunkExtension(value: value)
        case (.chunkExtension(let value), 0x0D): state = .sizeLineFeed(value: value)
        case (.chunkExtension, _): return isExtra(byte)
        case (.sizeLineFeed(let value), 0x0A): state = value > 0 ? .data(left: value) : .trailerStart
        case (.dataReturn, 0x0D): state = .dataLineFeed
        case (.dataLineFeed, 0x0A): state = .size(digits: 0, value: 0)
        case (.trailerStart, 0x0D): state = .lastLineFeed
        case (.trailerStart, _) where ASCII.isToken(byte): state = .trailer
        case (.trailer, 0x0D): state = .trailerLineFeed
        case (.trailer, _): return isExtra(byte)
        case (.trailerLineFeed, 0x0A): state = .trailerStart
        case (.lastLineFeed, 0x0A): state = .ended
        default: return false
        }
        return true
    }

    private mutating func isExtra(_ byte: UInt8) -> Bool {
        extraBytes += 1
        return extraBytes <= Self.extraBytesMax && (byte >= 0x20 || byte == 0x09) && byte != 0x7F
    }
}
