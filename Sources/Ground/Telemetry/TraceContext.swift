/// The caller's place in a distributed trace (W3C Trace Context, `traceparent`). No heap memory, so that the gateway can use it.
public struct TraceContext: Equatable, Sendable {
    public let traceHigh: UInt64
    public let traceLow: UInt64
    public let parent: UInt64
    public let isSampled: Bool

    init(traceHigh: UInt64, traceLow: UInt64, parent: UInt64, isSampled: Bool) {
        (self.traceHigh, self.traceLow, self.parent, self.isSampled) = (traceHigh, traceLow, parent, isSampled)
    }

    /// Starts a trace of our own.
    public static func generate(using random: inout some RandomNumberGenerator) -> TraceContext {
        TraceContext(
            traceHigh: random.next(), traceLow: nonZero(&random), parent: nonZero(&random), isSampled: true)
    }

    /// The same trace with a new parent: what is sent onward by somebody who records a span.
    public func child(using random: inout some RandomNumberGenerator) -> TraceContext {
        TraceContext(traceHigh: traceHigh, traceLow: traceLow, parent: TraceContext.nonZero(&random), isSampled: isSampled)
    }

    private static func nonZero(_ random: inout some RandomNumberGenerator) -> UInt64 {
        UInt64.random(in: 1...UInt64.max, using: &random)
    }

    /// Reads a `traceparent` value; nil when it is malformed, and then a new trace is started, as the specification says.
    /// A version after 00 may carry more after its flags.
    public init?(traceparent bytes: some Collection<UInt8>) {
        guard bytes.count >= 55 else { return nil }
        var scan = bytes.makeIterator()
        guard let version = Self.hex(&scan, 2), version != 0xFF, scan.next() == Self.dash,
            let high = Self.hex(&scan, 16), let low = Self.hex(&scan, 16), scan.next() == Self.dash,
            let parent = Self.hex(&scan, 16), scan.next() == Self.dash, let flags = Self.hex(&scan, 2)
        else { return nil }
        switch (version, scan.next()) {
        case (0, nil), (1..., nil), (1..., Self.dash): break
        default: return nil
        }
        guard high | low != 0, parent != 0 else { return nil }
        self.init(traceHigh: high, traceLow: low, parent: parent, isSampled: flags & 1 == 1)
    }

    /// `00-<32 hex>-<16 hex>-01`
    public var traceparent: String { "00-\(traceID)-\(Self.hex(parent))-\(isSampled ? "01" : "00")" }

    /// 32 hex digits, for logs.
    public var traceID: String { Self.hex(traceHigh) + Self.hex(traceLow) }

    private static let dash = UInt8(ascii: "-")

    private static func hex(_ scan: inout some IteratorProtocol<UInt8>, _ digits: Int) -> UInt64? {
        var value: UInt64 = 0
        for _ in 0..<digits {
            switch scan.next() {
            case .some(let byte) where (0x30...0x39).contains(byte): value = value << 4 | UInt64(byte - 0x30)
            case .some(let byte) where (0x61...0x66).contains(byte): value = value << 4 | UInt64(byte - 0x57)
            default: return nil
            }
        }
        return value
    }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
