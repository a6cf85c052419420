public import Routing
public import Telemetry

/// What a contextual choice looked at: the request's features as its scorer read them. It stands before the exposure of the same
/// request, so that who learns from the exposure knows them by then.
public struct Context: Sendable, Equatable {
    public var request: RequestID
    public var route: RouteID
    public var variant: VariantID
    public var at: Timestamp
    /// As encoded, without the constant.
    public var features: [Float]

    /// What a scorer can look at.
    public static let featuresMax = 1_024

    public init(request: RequestID, route: RouteID, variant: VariantID, at: Timestamp, features: [Float]) {
        (self.request, self.route, self.variant, self.at) = (request, route, variant, at)
        self.features = Array(features.prefix(Context.featuresMax))
    }
}

/// A part of a context in a slot of 64 bytes: six features. All parts of a context stand one after the other.
///
///     0, 1  the request id              4  when (ms)
///     2, 3, 5  two features each        6  which part, how many features in all, route    7  variant, slot kind
struct ContextPart: SlotRecord {
    static let features = 6
    let context: Context
    let index: Int

    static func parts(of context: Context) -> [ContextPart] {
        let count = max(1, (context.features.count + features - 1) / features)
        return (0..<count).map { ContextPart(context: context, index: $0) }
    }

    var request: RequestID { context.request }
    var at: Timestamp { context.at }

    var record: ExposureRecord {
        func word(_ pair: Int) -> UInt64 {
            let first = index * ContextPart.features + 2 * pair
            func bits(_ place: Int) -> UInt64 {
                place < context.features.count ? UInt64(context.features[place].bitPattern) : 0
            }
            return bits(first) << 32 | bits(first + 1)
        }
        let id = request.words
        return ExposureRecord(
            words: (
                id.0, id.1, word(0), word(1), UInt64(bitPattern: at.milliseconds), word(2),
                UInt64(index) << 48 | UInt64(context.features.count) << 32 | UInt64(context.route.number) << 16,
                UInt64(context.variant.number) << 8 | UInt64(ExposureRecord.Slot.context.rawValue)
            ))
    }
}

extension ExposureRecord {
    var isContext: Bool { word.7 & 0xff == UInt64(Slot.context.rawValue) }
}

/// Puts a context's parts together again as they are walked over.
struct ContextReader {
    private var open: Context?
    private var parts = 0

    /// The context, when this was its last part. A part whose earlier ones were removed is passed over.
    mutating func take(_ record: ExposureRecord) -> Context? {
        let (index, count) = (Int(record.word.6 >> 48), Int(record.word.6 >> 32 & 0xffff))
        if index == 0 {
            let variant = VariantID(UInt8(truncatingIfNeeded: record.word.7 >> 8))
            open = Context(request: record.id, route: record.route, variant: variant, at: record.at, features: [])
            parts = 0
        }
        guard var context = open, context.request == record.id, index == parts else {
            open = nil
            return nil
        }
        for word in [record.word.2, record.word.3, record.word.5] {
            for shift in [32, 0] as [UInt64] where context.features.count < count {
                context.features.append(Float(bitPattern: UInt32(truncatingIfNeeded: word >> shift)))
            }
        }
        (open, parts) = (context, parts + 1)
        guard context.features.count == count else { return nil }
        open = nil
        return context
    }
}
