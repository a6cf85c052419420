import Faults
import Glibc
import Synchronization

/// A unit history as the gateway reads it: a file mapped into memory, written by one conductor and read by every loop without a
/// lock and without allocating. A row that is being replaced while it is read counts as none.
@safe public final class HistoryTable: Sendable {
    private static let magic: UInt64 = 0x4f43_4849_5354_3031
    /// The magic and the means of all units, by arm.
    private static let headWords = 1 + UnitHistory.armsMax
    private static let bytes =
        (headWords + UnitHistory.unitsMax * UnitHistory.rowWords) * MemoryLayout<UInt64>.stride

    private nonisolated(unsafe) let words: UnsafeMutablePointer<Atomic<UInt64>>

    /// Makes the file, or takes up what an earlier life put into it.
    init(path: String) throws(Fault) {
        let file = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw HistoryTable.fault("opened", path) }
        defer { close(file) }
        // All blocks are reserved now: a full disk is seen here, not as a fault on a write to memory.
        let code = posix_fallocate(file, 0, HistoryTable.bytes)
        errno = code
        guard code == 0 else { throw HistoryTable.fault("reserved", path) }
        let raw = unsafe mmap(nil, HistoryTable.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        guard unsafe raw != MAP_FAILED, let raw = unsafe raw else { throw HistoryTable.fault("mapped", path) }
        unsafe words = raw.bindMemory(
            to: Atomic<UInt64>.self, capacity: HistoryTable.bytes / MemoryLayout<UInt64>.stride)
        let (isNew, found) = unsafe words[0].compareExchange(
            expected: 0, desired: HistoryTable.magic, ordering: .acquiringAndReleasing)
        guard isNew || found == HistoryTable.magic else {
            unsafe munmap(raw, HistoryTable.bytes)
            throw Fault(
                .failed, what: "\(path) does not hold the history of an experiment's units.", why: "It begins with other bytes.",
                fix: "Move it away: a new one is made.")
        }
    }

    deinit { _ = unsafe munmap(words, HistoryTable.bytes) }

    /// Puts rows in their places; what they replace is gone. One writer at a time.
    public func publish(_ rows: [UnitHistory.Row], means: [Float]) {
        for (arm, mean) in means.enumerated() {
            unsafe words[1 + arm].store(UInt64(mean.bitPattern), ordering: .relaxed)
        }
        for row in rows where row.words.count == UnitHistory.rowWords && (0..<UnitHistory.unitsMax).contains(row.index) {
            let place = HistoryTable.headWords + row.index * UnitHistory.rowWords
            // Nobody takes a row for the new unit's before all of it is there.
            if unsafe words[place].load(ordering: .relaxed) != row.words[0] {
                unsafe words[place].store(0, ordering: .sequentiallyConsistent)
            }
            for word in 1..<row.words.count { unsafe words[place + word].store(row.words[word], ordering: .releasing) }
            unsafe words[place].store(row.words[0], ordering: .releasing)
        }
    }

    /// Writes two numbers for each arm of what is known of a unit; nothing where nothing is known.
    public func read(unit: UInt64, arms: Int, into numbers: inout MutableSpan<Float>, at start: Int) {
        let key = UnitHistory.key(of: unit)
        let first = UnitHistory.set(of: key)
        for row in first..<first + UnitHistory.ways {
            let place = HistoryTable.headWords + row * UnitHistory.rowWords
            guard unsafe words[place].load(ordering: .acquiring) == key else { continue }
            for arm in 0..<min(arms, UnitHistory.armsMax) {
                let (sum, count) = UnitHistory.entry(unsafe words[place + 2 + arm].load(ordering: .acquiring))
                guard count > 0 else { continue }
                let mean = Float(
                    bitPattern: UInt32(truncatingIfNeeded: unsafe words[1 + arm].load(ordering: .relaxed)))
                let known = UnitHistory.numbers(sum: sum, count: count, mean: mean)
                (numbers[start + 2 * arm], numbers[start + 2 * arm + 1]) = (known.above, known.amount)
            }
            if unsafe words[place].load(ordering: .acquiring) == key { return }
            // Another unit took the row meanwhile: what was read may be its.
            for number in start..<start + 2 * arms { numbers[number] = 0 }
            return
        }
    }

    private static func fault(_ what: String, _ path: String) -> Fault {
        Fault(
            .unavailable, what: "The history of an experiment's units cannot be kept in \(path).",
            why: "It could not be \(what): \(unsafe String(cString: strerror(errno))).",
            fix: "Free space there, or make the folder writable.")
    }
}
