import Routing
import Telemetry

/// What stands in one slot of the log.
protocol SlotRecord {
    var request: RequestID { get }
    var at: Timestamp { get }
    var record: ExposureRecord { get }
}

extension Exposure: SlotRecord {
    var record: ExposureRecord { ExposureRecord(self) }
}

/// One slot of a segment file: 64 bytes, eight little-endian words. A slot holds an exposure, what a request to a model used, or
/// the header of the batch in the slots after it.
///
///     0, 1  the request id             4  when (ms)                          7  propensity, variant, kind, slot kind
///     2     the unit                   5  latency, bytes in
///     3     the table's position       6  bytes out, route, status
struct ExposureRecord {
    static let words = 8
    static let bytes = 64

    enum Slot: UInt8 {
        case batch = 1
        case exposure = 2
        case usage = 3
        case context = 4
    }

    let word: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

    init(_ exposure: Exposure) {
        let id = exposure.request.words
        word = (
            id.0, id.1, exposure.unit, UInt64(bitPattern: exposure.tablePosition), UInt64(bitPattern: exposure.at.milliseconds),
            UInt64(exposure.latencyMicroseconds) << 32 | UInt64(exposure.bytesIn),
            UInt64(exposure.bytesOut) << 32 | UInt64(exposure.route.number) << 16 | UInt64(exposure.status),
            UInt64(exposure.propensity) << 48 | UInt64(exposure.variant.number) << 40 | UInt64(exposure.kind.rawValue) << 32
                | UInt64(Slot.exposure.rawValue)
        )
    }

    init(words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)) { word = words }

    /// The header of a batch of `count` slots whose header stands in `slot` of the whole log.
    init(batchOf count: Int, at slot: Int64, checksum: UInt64) {
        word = (
            ExposureRecord.magic << 32 | UInt64(count), checksum, UInt64(bitPattern: slot), 0, 0, 0, 0, UInt64(Slot.batch.rawValue)
        )
    }

    /// Reads the slot that begins at `start` of a buffer of words.
    @inline(__always)
    init(_ buffer: [UInt64], at start: Int) {
        word = (
            buffer[start], buffer[start + 1], buffer[start + 2], buffer[start + 3], buffer[start + 4], buffer[start + 5],
            buffer[start + 6], buffer[start + 7]
        )
    }

    @inline(__always)
    func write(to buffer: inout [UInt64], at start: Int) {
        (buffer[start], buffer[start + 1], buffer[start + 2], buffer[start + 3]) = (word.0, word.1, word.2, word.3)
        (buffer[start + 4], buffer[start + 5], buffer[start + 6], buffer[start + 7]) = (word.4, word.5, word.6, word.7)
    }

    var isExposure: Bool { word.7 & 0xff == UInt64(Slot.exposure.rawValue) }
    var id: RequestID { RequestID(words: (word.0, word.1)) }
    var unit: UInt64 { word.2 }
    var route: RouteID { RouteID(UInt16(truncatingIfNeeded: word.6 >> 16)) }
    var at: Timestamp { Timestamp(milliseconds: Int64(bitPattern: word.4)) }

    /// Nil for a batch header, and for a kind that a later version wrote.
    var exposure: Exposure? {
        guard isExposure, let kind = AnswerKind(rawValue: UInt8(truncatingIfNeeded: word.7 >> 32)) else { return nil }
        return Exposure(
            request: id, route: route, variant: VariantID(UInt8(truncatingIfNeeded: word.7 >> 40)), kind: kind,
            status: UInt16(truncatingIfNeeded: word.6), propensity: UInt16(truncatingIfNeeded: word.7 >> 48), unit: unit,
            tablePosition: Int64(bitPattern: word.3), at: at, latencyMicroseconds: UInt32(truncatingIfNeeded: word.5 >> 32),
            bytesIn: UInt32(truncatingIfNeeded: word.5), bytesOut: UInt32(truncatingIfNeeded: word.6 >> 32))
    }

    /// How many slots follow this header, when it is one and stands where it says.
    func batchCount(at slot: Int64) -> Int? {
        guard word.7 == UInt64(Slot.batch.rawValue), word.0 >> 32 == ExposureRecord.magic, word.2 == UInt64(bitPattern: slot) else {
            return nil
        }
        return Int(word.0 & 0xffff_ffff)
    }

    /// Over the words of a batch and where it stands: a torn write, or an old batch in a new place, does not pass. Not a CRC,
    /// which costs ten times as much in software: nobody needs its guarantees about bursts here.
    @inline(__always)
    static func checksum(of words: ArraySlice<UInt64>, at slot: Int64) -> UInt64 {
        var sum = UInt64(bitPattern: slot) &+ 0x9e37_79b9_7f4a_7c15
        for word in words {
            sum = (sum ^ word) &* 0xff51_afd7_ed55_8ccd
            sum ^= sum >> 32
        }
        return sum
    }

    private static let magic: UInt64 = 0x4f43_5831  // "OCX1"
}
