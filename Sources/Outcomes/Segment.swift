import Faults
import Telemetry

/// One file of the exposure log. It holds the slots from `number` x 2^20 on; a batch is never split over two segments.
final class Segment {
    /// 2^20 slots of 64 bytes: 64 MiB.
    static let slotBits: Int64 = 20
    static let slotsMax = 1 << 20

    let number: Int64
    let file: SlotFile
    private(set) var summary = SegmentSummary()
    private var index: RequestIndex?

    var firstSlot: Int64 { number << Segment.slotBits }
    /// Where the next batch begins.
    var endSlot: Int64 { firstSlot + Int64(file.slots) }
    var bytes: Int { file.slots * ExposureRecord.bytes }

    private init(number: Int64, file: SlotFile) { (self.number, self.file) = (number, file) }

    static func path(_ directory: String, _ number: Int64) -> String {
        let digits = String(number)
        return "\(directory)/exposures-" + String(repeating: "0", count: max(0, 10 - digits.count)) + digits
    }
    static func create(_ number: Int64, in directory: String) throws(Fault) -> Segment {
        Segment(number: number, file: try SlotFile(path(directory, number) + ".log"))
    }

    /// Opens a segment that an earlier life wrote. One that was not sealed is read through, and what a crash tore off at its
    /// end is cut away (`torn` slots).
    static func open(_ number: Int64, in directory: String) throws(Fault) -> (Segment, wasSealed: Bool, torn: Int) {
        let segment = try create(number, in: directory)
        if let summary = SegmentSummary.read(path(directory, number) + ".sealed"), summary.slots == segment.file.slots {
            segment.summary = summary
            return (segment, true, 0)
        }
        let found = segment.file.slots
        try segment.file.truncate(to: try segment.verified())
        return (segment, false, found - segment.file.slots)
    }

    /// How many slots from the beginning are whole batches; fills the summary with them.
    private func verified() throws(Fault) -> Int {
        var slot = 0
        var buffer: [UInt64] = Array(repeating: 0, count: ExposureRecord.words)
        while try file.read(slot..<slot + 1, into: &buffer) == 1 {
            let header = ExposureRecord(buffer, at: 0)
            guard let count = header.batchCount(at: firstSlot + Int64(slot)), count > 0, slot + 1 + count <= file.slots else {
                break
            }
            if buffer.count < count * ExposureRecord.words { buffer = Array(repeating: 0, count: count * ExposureRecord.words) }
            _ = try file.read(slot + 1..<slot + 1 + count, into: &buffer)
            let words = buffer[..<(count * ExposureRecord.words)]
            guard ExposureRecord.checksum(of: words, at: firstSlot + Int64(slot)) == header.word.1 else { break }
            for place in 0..<count {
                let record = ExposureRecord(buffer, at: place * ExposureRecord.words)
                summary.add(record.id, at: record.at)
            }
            slot += 1 + count
            summary.slots = slot
        }
        return slot
    }

    /// Appends a batch in one write. `buffer` is working space that is used again and again.
    func append(_ slots: ArraySlice<some SlotRecord>, buffer: inout [UInt64]) throws(Fault) {
        let size = (slots.count + 1) * ExposureRecord.words
        if buffer.count < size { buffer = Array(repeating: 0, count: size) }
        var start = ExposureRecord.words
        for slot in slots {
            slot.record.write(to: &buffer, at: start)
            start += ExposureRecord.words
        }
        let slot = endSlot
        let sum = ExposureRecord.checksum(of: buffer[ExposureRecord.words..<size], at: slot)
        ExposureRecord(batchOf: slots.count, at: slot, checksum: sum).write(to: &buffer, at: 0)
        try file.append(slots.count + 1, of: buffer)
        for slot in slots { summary.add(slot.request, at: slot.at) }
        summary.slots = file.slots
    }

    /// The exposure of a request, when it is here and its nonce is the one that was given out.
    func find(_ id: RequestID, in directory: String, isComplete: Bool) throws(Fault) -> Exposure? {
        guard summary.mayHave(id) else { return nil }
        let index = self.index ?? RequestIndex(path: Segment.path(directory, number) + ".index")
        self.index = index
        if isComplete { try index.finish(with: file) } else { try index.catchUp(with: file) }
        var buffer: [UInt64] = Array(repeating: 0, count: ExposureRecord.words)
        for slot in index.slots(of: id) where try file.read(slot..<slot + 1, into: &buffer) == 1 {
            let record = ExposureRecord(buffer, at: 0)
            if record.isExposure, record.id == id { return record.exposure }
        }
        return nil
    }

    /// Nothing more will be appended, or this life ends: the next one opens it without reading it through.
    func seal(in directory: String) { summary.write(Segment.path(directory, number) + ".sealed") }
}
