public import Faults
import Glibc
import Synchronization

/// Which variant each unit of an experiment saw first: a file mapped into memory that loops insert into without a lock, and
/// that outlives them. Entries are never removed; an entry whose variant is gone is replaced by the next.
///
/// A slot is one word: 42 bits of the unit's hash, 14 of the propensity it was assigned with, 8 of the variant; with the place
/// it stands at, 56 bits tell units apart. Two units that share them (one pair in some ten million full tables) share a variant.
@safe public final class StickyTable: Sendable {
    public struct Entry: Equatable, Sendable {
        public var variant: VariantID
        /// Basis points, at the time the unit was assigned.
        public var propensity: UInt16
        init(variant: VariantID, propensity: UInt16) { (self.variant, self.propensity) = (variant, propensity) }
    }

    /// Units one experiment can hold: 8 MiB of file.
    public static let slots = 1 << 20
    private static let probesMax = 64
    private static let magic: UInt64 = 0x4f43_5354_4943_4b31
    /// Words before the first slot; the first of them is the magic.
    private static let headWords = 8
    private static let bytes = (headWords + slots) * MemoryLayout<UInt64>.stride

    private nonisolated(unsafe) let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let refused = Atomic<Int>(0)

    /// Makes the file, or takes up what an earlier life put into it.
    init(path: String) throws(Fault) {
        let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw StickyTable.fault("opened", path) }
        defer { close(file) }
        // All blocks are reserved now: a full disk is seen here, not as a fault on a write to memory.
        let code = posix_fallocate(file, 0, StickyTable.bytes)
        errno = code
        guard code == 0 else { throw StickyTable.fault("reserved", path) }
        let raw = unsafe mmap(nil, StickyTable.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        guard unsafe raw != MAP_FAILED, let raw = unsafe raw else { throw StickyTable.fault("mapped", path) }
        unsafe words = raw.bindMemory(to: Atomic<UInt64>.self, capacity: StickyTable.headWords + StickyTable.slots)
        let (isNew, found) = unsafe words[0].compareExchange(
            expected: 0, desired: StickyTable.magic, ordering: .acquiringAndReleasing)
        guard isNew || found == StickyTable.magic else {
            unsafe munmap(raw, StickyTable.bytes)
            throw Fault(
                .failed, what: "\(path) does not hold the units of an experiment.", why: "It begins with other bytes.",
                fix: "Move it away: the experiment begins a new one.")
        }
    }

    deinit { _ = unsafe munmap(words, StickyTable.bytes) }

    /// Units that could not be kept because the table was full where they belong: they follow the split.
    public var turnedAway: Int { refused.load(ordering: .relaxed) }

    /// What the unit saw first.
    public func entry(of unit: UnitID) -> Entry? {
        let (key, start) = StickyTable.place(of: unit)
        for step in 0..<StickyTable.probesMax {
            let word = unsafe words[StickyTable.index(start, step)].load(ordering: .acquiring)
            if word == 0 { return nil }
            if word >> 22 == key { return StickyTable.entry(word) }
        }
        return nil
    }

    /// The unit's entry from now on: the one it has, unless its variant is gone; else `entry`. Nil when there is no room.
    func insert(_ unit: UnitID, _ entry: Entry, among alive: [VariantID]) -> Entry? {
        let (key, start) = StickyTable.place(of: unit)
        let wanted = key << 22 | UInt64(min(entry.propensity, 0x3fff)) << 8 | UInt64(entry.variant.number)
        for step in 0..<StickyTable.probesMax {
            let index = StickyTable.index(start, step)
            var word = unsafe words[index].load(ordering: .acquiring)
            while word == 0 || word >> 22 == key {
                if word != 0 {
                    let found = StickyTable.entry(word)
                    if alive.contains(found.variant) { return found }
                }
                let (done, other) = unsafe words[index].compareExchange(
                    expected: word, desired: wanted, ordering: .acquiringAndReleasing)
                if done { return entry }
                word = other  // another loop was first: its word is looked at again
            }
        }
        refused.add(1, ordering: .relaxed)
        return nil
    }

    /// The key is never 0, so that no entry looks like a free slot.
    private static func place(of unit: UnitID) -> (key: UInt64, start: Int) {
        let hash = UnitID.mixed(unit.hash ^ magic)
        return (max(hash >> 22, 1), Int(hash & UInt64(slots - 1)))
    }

    private static func index(_ start: Int, _ step: Int) -> Int { headWords + (start + step) & (slots - 1) }

    private static func entry(_ word: UInt64) -> Entry {
        Entry(variant: VariantID(UInt8(truncatingIfNeeded: word)), propensity: UInt16(truncatingIfNeeded: word >> 8 & 0x3fff))
    }

    private static func fault(_ what: String, _ path: String) -> Fault {
        Fault(
            .unavailable, what: "The units of an experiment cannot be kept in \(path).",
            why: "It could not be \(what): \(unsafe String(cString: strerror(errno))).",
            fix: "Free space there, or make the folder writable.")
    }
}

/// The tables of one installation, each opened once and shared by all who ask.
public final class StickyFolder: Sendable {
    public let path: String
    private let tables = Mutex<[UInt16: StickyTable]>([:])
    private let histories = Mutex<[UInt16: HistoryTable]>([:])

    public init(path: String) { self.path = path }

    /// The table of an experiment, made when there is none. May wait for the disk: not for a loop.
    public func table(of experiment: UInt16) throws(Fault) -> StickyTable {
        let path = path
        return try tables.withLock { tables throws(Fault) in
            if let open = tables[experiment] { return open }
            try StickyFolder.make(path)
            let table = try StickyTable(path: "\(path)/\(experiment).units")
            tables[experiment] = table
            return table
        }
    }

    /// What units of an experiment earned earlier, made when there is none. May wait for the disk: not for a loop.
    public func history(of experiment: UInt16) throws(Fault) -> HistoryTable {
        let path = path
        return try histories.withLock { histories throws(Fault) in
            if let open = histories[experiment] { return open }
            try StickyFolder.make(path)
            let table = try HistoryTable(path: "\(path)/\(experiment).history")
            histories[experiment] = table
            return table
        }
    }

    private static func make(_ path: String) throws(Fault) {
        guard unsafe mkdir(path, 0o700) != 0, errno != EEXIST else { return }
        throw Fault(
            .unavailable, what: "The folder \(path) cannot be made.", why: unsafe String(cString: strerror(errno)),
            fix: "Make its parent writable.")
    }

    /// The experiment has ended. Loops that still hold its table keep it until their next one.
    public func remove(_ experiment: UInt16) {
        tables.withLock { $0[experiment] = nil }
        _ = unsafe unlink("\(path)/\(experiment).units")
        histories.withLock { $0[experiment] = nil }
        _ = unsafe unlink("\(path)/\(experiment).history")
    }

    /// Removes the files of experiments that are off: a life that ended between taking one off and removing its file leaves it.
    public func removeAll(but live: Set<UInt16>) {
        guard let folder = unsafe opendir(path) else { return }
        defer { unsafe closedir(folder) }
        while let item = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &item.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasSuffix(".units"), let number = UInt16(name.dropLast(6)), !live.contains(number) else { continue }
            remove(number)
        }
    }

    /// Units of running experiments that could not be kept.
    public var turnedAway: Int { tables.withLock { $0.values.reduce(0) { $0 + $1.turnedAway } } }
}
