import Faults

/// Which slots of one segment may hold a request: a hash table of 2^21 entries of 20 bits of slot and 12 bits of hash (slot 0
/// is a header, so that 0 is free). Made when a segment is first asked for a request, not while exposures arrive: an
/// installation that sends no feedback never pays for it.
final class RequestIndex {
    private static let entries = 2 * Segment.slotsMax
    /// After the table: how many slots an index that is finished covers.
    private static let finishedAt = entries
    private static let chunk = 1_024

    private let path: String
    /// In memory where the file cannot be had (a full disk); nil where that cannot be had either.
    private let table: MappedTable<UInt32>?
    private var covered = 0

    init(path: String) {
        self.path = path
        if let kept = MappedTable<UInt32>(count: RequestIndex.entries + 1, path: path), kept[RequestIndex.finishedAt] != 0 {
            // Finished by this life or an earlier one, and on disk since before it said so.
            (table, covered) = (kept, Int(kept[RequestIndex.finishedAt]))
            return
        }
        SmallFile.remove(path)
        table = MappedTable(count: RequestIndex.entries + 1, path: path) ?? MappedTable(count: RequestIndex.entries + 1)
    }

    /// Takes in what was appended since.
    func catchUp(with file: SlotFile) throws(Fault) {
        guard covered < file.slots, let table else { return }
        var buffer: [UInt64] = Array(repeating: 0, count: RequestIndex.chunk * ExposureRecord.words)
        while covered < file.slots {
            let count = try file.read(covered..<covered + RequestIndex.chunk, into: &buffer)
            for place in 0..<count {
                let record = ExposureRecord(buffer, at: place * ExposureRecord.words)
                if record.isExposure { RequestIndex.insert(record.id, slot: covered + place, into: table) }
            }
            covered += count
        }
    }

    /// The segment is complete: this index serves later lives too.
    func finish(with file: SlotFile) throws(Fault) {
        try catchUp(with: file)
        guard let table, table[RequestIndex.finishedAt] == 0, table.sync() else { return }
        table[RequestIndex.finishedAt] = UInt32(covered)
    }

    /// Candidates: the record itself says whether it is the one.
    func slots(of id: RequestID) -> [Int] {
        guard let table else { return [] }
        let hash = RequestIndex.hash(id)
        var place = Int(hash & UInt64(RequestIndex.entries - 1))
        var found: [Int] = []
        while table[place] != 0 {
            if table[place] & 0xfff == UInt32(truncatingIfNeeded: hash >> 52) { found.append(Int(table[place] >> 12)) }
            place = (place + 1) & (RequestIndex.entries - 1)
        }
        return found
    }

    /// The table is at most half full: there is always a free entry.
    private static func insert(_ id: RequestID, slot: Int, into table: MappedTable<UInt32>) {
        let hash = hash(id)
        var place = Int(hash & UInt64(entries - 1))
        while table[place] != 0 { place = (place + 1) & (entries - 1) }
        table[place] = UInt32(slot) << 12 | UInt32(truncatingIfNeeded: hash >> 52)
    }

    private static func hash(_ id: RequestID) -> UInt64 {
        var x = id.words.0 ^ id.words.1.byteSwapped
        x = (x ^ x >> 32) &* 0xd6e8_feb8_6659_fd93
        x = (x ^ x >> 32) &* 0xd6e8_feb8_6659_fd93
        return x ^ x >> 32
    }
}
