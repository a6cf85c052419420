import Faults
import Glibc
import Routing
import Telemetry

/// All exposures in the order they arrived: append-only segment files, the oldest removed beyond a limit of bytes or age.
///
/// An exposure's place is its slot in the whole log; slots only grow, over restarts and crashes too. Durable against the end
/// of the process when `append` returns, and against the end of the machine when it was synced (about a second later).
final class ExposureLog {
    let directory: String
    private let bytesMax: Int
    private let slotsPerSegment: Int
    /// A segment that began longer ago is ended although it has room, so that what is old can be removed.
    private let spanMax: Duration
    private var segments: [Segment] = []
    /// The last segment is open for appending (not so after a crash: the next batch begins a new one).
    private var isLastOpen = false
    private var buffer: [UInt64] = []
    /// Slots cut away at start because a crash tore them.
    private(set) var tornSlots = 0

    private static let scanSlots = 1_024
    private static let batchMax = 16_384

    init(directory: String, bytesMax: Int, slotsPerSegment: Int, spanMax: Duration) throws(Fault) {
        (self.directory, self.bytesMax, self.spanMax) = (directory, bytesMax, spanMax)
        self.slotsPerSegment = min(max(slotsPerSegment, 2), Segment.slotsMax)
        let numbers = SmallFile.names(in: directory).compactMap { ExposureLog.number(of: $0) }.sorted()
        for number in numbers {
            let (segment, wasSealed, torn) = try Segment.open(number, in: directory)
            if !wasSealed { segment.seal(in: directory) }
            segments.append(segment)
            tornSlots += torn
            // A clean end left a seal. Without one, slots that were given out may be gone: they are not given out again.
            isLastOpen = wasSealed && segment.file.slots + 2 <= self.slotsPerSegment
        }
        if isLastOpen, let last = segments.last { SmallFile.remove(Segment.path(directory, last.number) + ".sealed") }
    }

    private static func number(of name: String) -> Int64? {
        guard name.hasPrefix("exposures-"), name.hasSuffix(".log") else { return nil }
        return Int64(name.dropFirst(10).dropLast(4))
    }

    /// Where the next exposure will stand, or before it: everything that arrives later is at or after this.
    var endSlot: Int64 {
        guard let last = segments.last else { return 0 }
        return isLastOpen ? last.endSlot : (last.number + 1) << Segment.slotBits
    }
    var firstSlot: Int64 { segments.first?.firstSlot ?? 0 }
    var bytes: Int { segments.reduce(0) { $0 + $1.bytes } }
    var newest: Timestamp? { segments.compactMap(\.summary.newest).max() }
    var segmentCount: Int { segments.count }
    /// What must be synced for the latest batches to be durable.
    var openFile: SlotFile? { isLastOpen ? segments.last?.file : nil }

    /// Appends slots in their order. Segments that are complete by it are handed back to be synced.
    func append(_ slots: [some SlotRecord]) throws(Fault) -> [SlotFile] {
        var completed: [SlotFile] = []
        var rest = slots[...]
        while let first = rest.first {
            if let full = try makeRoom(at: first.at) { completed.append(full) }
            guard let segment = segments.last else { preconditionFailure("room was made") }
            let room = min(slotsPerSegment - segment.file.slots - 1, ExposureLog.batchMax)
            try segment.append(rest.prefix(room), buffer: &buffer)
            rest = rest.dropFirst(room)
        }
        return completed
    }

    /// Begins a new segment where the last has no room for a header and a record, or began too long ago.
    private func makeRoom(at now: Timestamp) throws(Fault) -> SlotFile? {
        if isLastOpen, let last = segments.last, last.file.slots + 2 <= slotsPerSegment,
            last.summary.oldest.map({ now - $0 <= spanMax }) ?? true
        {
            return nil
        }
        let full = isLastOpen ? segments.last : nil
        let next = try Segment.create((segments.last?.number ?? -1) + 1, in: directory)
        SmallFile.syncFolder(directory)
        full?.seal(in: directory)
        segments.append(next)
        isLastOpen = true
        return full?.file
    }

    /// The exposure of a request, newest segment first.
    func find(_ id: RequestID) throws(Fault) -> Exposure? {
        for segment in segments.reversed() {
            let isComplete = segment !== segments.last || !isLastOpen
            if let exposure = try segment.find(id, in: directory, isComplete: isComplete) { return exposure }
        }
        return nil
    }

    func exposure(at slot: Int64) throws(Fault) -> Exposure? {
        guard let segment = segments.last(where: { $0.firstSlot <= slot }) else { return nil }
        var record: [UInt64] = Array(repeating: 0, count: ExposureRecord.words)
        let place = Int(slot - segment.firstSlot)
        return try segment.file.read(place..<place + 1, into: &record) == 1 ? ExposureRecord(record, at: 0).exposure : nil
    }

    /// The first slot at or after `slot` that is in a segment (there are none between a segment that ended early and the next).
    func occupied(from slot: Int64) -> Int64 {
        for segment in segments where segment.endSlot > slot { return max(slot, segment.firstSlot) }
        return max(slot, endSlot)
    }

    /// Where the newest `count` slots begin.
    func start(ofNewest count: Int64) -> Int64 {
        var left = count
        for segment in segments.reversed() {
            let slots = segment.endSlot - segment.firstSlot
            if slots >= left { return segment.endSlot - left }
            left -= slots
        }
        return firstSlot
    }

    /// Walks the exposures in `start..<end` until `body` returns false; returns where the next walk begins.
    /// `withUsage` also walks what requests to models used, and what contextual choices looked at.
    func scan(from start: Int64, to end: Int64, withUsage: Bool = false, _ body: (Int64, ExposureRecord) -> Bool) throws(Fault)
        -> Int64
    {
        var slot = max(start, firstSlot)
        var chunk: [UInt64] = Array(repeating: 0, count: ExposureLog.scanSlots * ExposureRecord.words)
        for segment in segments where segment.endSlot > slot && segment.firstSlot < end {
            slot = max(slot, segment.firstSlot)
            while slot < min(segment.endSlot, end) {
                let place = Int(slot - segment.firstSlot)
                let count = Int(min(Int64(ExposureLog.scanSlots), end - slot))
                let read = try segment.file.read(place..<place + count, into: &chunk)
                for index in 0..<read {
                    let record = ExposureRecord(chunk, at: index * ExposureRecord.words)
                    if record.isExposure || (withUsage && (record.isUsage || record.isContext)), !body(slot + Int64(index), record)
                    {
                        return slot + Int64(index) + 1
                    }
                }
                slot += Int64(read)
            }
        }
        return max(slot, end)
    }

    /// Removes the oldest segments beyond the limit of bytes, and those with nothing newer than `oldest`; never the last.
    /// Returns how many.
    func prune(olderThan oldest: Timestamp) -> Int {
        var (total, removed) = (bytes, 0)
        while segments.count > 1, let first = segments.first {
            guard total > bytesMax || first.summary.newest.map({ $0 < oldest }) ?? true else { break }
            total -= first.bytes
            segments.removeFirst()
            removed += 1
            for end in ["log", "sealed", "index"] { SmallFile.remove("\(Segment.path(directory, first.number)).\(end)") }
        }
        return removed
    }

    /// A clean end: the next life opens the segments without reading them through.
    func close() {
        if isLastOpen, let last = segments.last {
            fdatasync(last.file.descriptor)
            last.seal(in: directory)
        }
        segments = []
        isLastOpen = false
    }
}
