public import Routing
public import Telemetry

/// What one request to a model used and cost. It stands beside the exposure of the same request.
public struct Usage: Sendable, Equatable {
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The provider told no figures: they were counted here.
        public static let estimated = Flags(rawValue: 1)
        /// No price is known: the cost is 0.
        public static let unpriced = Flags(rawValue: 2)
        /// Another provider than the first answered. The variant is still the assigned one.
        public static let fallback = Flags(rawValue: 4)
        public static let streamed = Flags(rawValue: 8)
    }

    public var request: RequestID
    public var route: RouteID
    public var variant: VariantID
    /// As on the exposure, in basis points.
    public var propensity: UInt16
    public var unit: UInt64
    public var at: Timestamp
    public var inputTokens: UInt32
    public var outputTokens: UInt32
    /// Of the input.
    public var cachedTokens: UInt32
    /// In billionths of a dollar.
    public var costNanoUSD: Int64
    /// First request byte read to first byte of the answer's body; 0 when none came.
    public var firstTokenMicroseconds: UInt32
    /// How often it was sent again, to the same provider or the next.
    public var retries: UInt8
    public var flags: Flags

    public init(
        request: RequestID, route: RouteID, variant: VariantID, propensity: UInt16, unit: UInt64, at: Timestamp,
        inputTokens: UInt32 = 0, outputTokens: UInt32 = 0, cachedTokens: UInt32 = 0, costNanoUSD: Int64 = 0,
        firstTokenMicroseconds: UInt32 = 0, retries: UInt8 = 0, flags: Flags = []
    ) {
        (self.request, self.route, self.variant, self.propensity, self.unit, self.at) =
            (request, route, variant, propensity, unit, at)
        (self.inputTokens, self.outputTokens, self.cachedTokens) = (inputTokens, outputTokens, cachedTokens)
        (self.costNanoUSD, self.firstTokenMicroseconds, self.retries, self.flags) =
            (costNanoUSD, firstTokenMicroseconds, retries, flags)
    }
}

/// In a slot of 64 bytes:
///
///     0, 1  the request id             4  when (ms)                   7  time to first token, propensity, variant, slot kind
///     2     the unit                   5  input and output tokens
///     3     the cost                   6  cached tokens, route, flags, retries
extension Usage: SlotRecord {
    var record: ExposureRecord {
        let id = request.words
        return ExposureRecord(
            words: (
                id.0, id.1, unit, UInt64(bitPattern: costNanoUSD), UInt64(bitPattern: at.milliseconds),
                UInt64(inputTokens) << 32 | UInt64(outputTokens),
                UInt64(cachedTokens) << 32 | UInt64(route.number) << 16 | UInt64(flags.rawValue) << 8 | UInt64(retries),
                UInt64(firstTokenMicroseconds) << 32 | UInt64(propensity) << 16 | UInt64(variant.number) << 8
                    | UInt64(ExposureRecord.Slot.usage.rawValue)
            ))
    }
}

extension ExposureRecord {
    var isUsage: Bool { word.7 & 0xff == UInt64(Slot.usage.rawValue) }

    /// Nil for every other kind of slot.
    var usage: Usage? {
        guard isUsage else { return nil }
        return Usage(
            request: id, route: route, variant: VariantID(UInt8(truncatingIfNeeded: word.7 >> 8)),
            propensity: UInt16(truncatingIfNeeded: word.7 >> 16), unit: unit, at: at,
            inputTokens: UInt32(truncatingIfNeeded: word.5 >> 32), outputTokens: UInt32(truncatingIfNeeded: word.5),
            cachedTokens: UInt32(truncatingIfNeeded: word.6 >> 32), costNanoUSD: Int64(bitPattern: word.3),
            firstTokenMicroseconds: UInt32(truncatingIfNeeded: word.7 >> 32), retries: UInt8(truncatingIfNeeded: word.6),
            flags: Usage.Flags(rawValue: UInt8(truncatingIfNeeded: word.6 >> 8)))
    }
}
