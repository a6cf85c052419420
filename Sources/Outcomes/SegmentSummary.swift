import JSON
import Routing
import Telemetry

/// What a segment holds, in a few numbers: which gateway loops and which of their requests, and from when to when.
struct SegmentSummary: Equatable {
    /// Requests of one loop of one gateway life.
    struct Range: Equatable {
        var instance: UInt32
        var loop: UInt8
        var sequences: ClosedRange<UInt64>
    }
    static let rangesMax = 256

    var slots = 0
    private(set) var oldest: Timestamp?
    private(set) var newest: Timestamp?
    private(set) var ranges: [Range] = []
    /// More loops than there is room for: the ranges say nothing then.
    private(set) var isOverfull = false
    private var last = 0

    static func == (a: SegmentSummary, b: SegmentSummary) -> Bool { a.json == b.json }

    @inline(__always)
    mutating func add(_ id: RequestID, at: Timestamp) {
        if let oldest, let newest {
            if at < oldest { self.oldest = at }
            if at > newest { self.newest = at }
        } else {
            (oldest, newest) = (at, at)
        }
        // Batches come from one loop, so the range is nearly always the last one used.
        if last < ranges.count, ranges[last].instance == id.instance, ranges[last].loop == id.loop {
            widen(last, to: id.sequence)
        } else {
            place(id)
        }
    }

    func mayHave(_ id: RequestID) -> Bool {
        isOverfull
            || ranges.contains { $0.instance == id.instance && $0.loop == id.loop && $0.sequences.contains(id.sequence) }
    }

    private mutating func place(_ id: RequestID) {
        if let index = ranges.firstIndex(where: { $0.instance == id.instance && $0.loop == id.loop }) {
            last = index
            widen(index, to: id.sequence)
        } else if ranges.count < SegmentSummary.rangesMax {
            last = ranges.count
            ranges.append(Range(instance: id.instance, loop: id.loop, sequences: id.sequence...id.sequence))
        } else {
            isOverfull = true
        }
    }

    @inline(__always)
    private mutating func widen(_ index: Int, to sequence: UInt64) {
        let range = ranges[index].sequences
        if sequence > range.upperBound {
            ranges[index].sequences = range.lowerBound...sequence
        } else if sequence < range.lowerBound {
            ranges[index].sequences = sequence...range.upperBound
        }
    }
}

extension SegmentSummary {
    var json: JSONValue {
        [
            "slots": .integer(Int64(slots)), "overfull": .bool(isOverfull),
            "oldest": oldest.map { .integer($0.milliseconds) } ?? .null,
            "newest": newest.map { .integer($0.milliseconds) } ?? .null,
            "ranges": .array(
                ranges.map {
                    [
                        .integer(Int64($0.instance)), .integer(Int64($0.loop)), .integer(Int64($0.sequences.lowerBound)),
                        .integer(Int64($0.sequences.upperBound)),
                    ]
                }),
        ]
    }

    init?(_ json: JSONValue) {
        guard let slots = json["slots"]?.integerValue, let ranges = json["ranges"]?.arrayValue else { return nil }
        self.slots = Int(slots)
        isOverfull = json["overfull"] == true
        oldest = json["oldest"]?.integerValue.map { Timestamp(milliseconds: $0) }
        newest = json["newest"]?.integerValue.map { Timestamp(milliseconds: $0) }
        for range in ranges {
            let numbers = (range.arrayValue ?? []).compactMap(\.integerValue)
            guard numbers.count == 4, numbers[2] <= numbers[3], let instance = UInt32(exactly: numbers[0]),
                let loop = UInt8(exactly: numbers[1]), let from = UInt64(exactly: numbers[2]), let to = UInt64(exactly: numbers[3])
            else { return nil }
            self.ranges.append(Range(instance: instance, loop: loop, sequences: from...to))
        }
    }

    /// Nil when there is none, or it cannot be used: the segment is read through then.
    static func read(_ path: String) -> SegmentSummary? {
        guard let bytes = SmallFile.read(path), let json = try? JSONValue(parsing: bytes) else { return nil }
        return SegmentSummary(json)
    }

    func write(_ path: String) { SmallFile.write(path, Array(json.canonicalText.utf8)) }
}
