import Faults
import Routing

/// (route, unit) -> its latest exposure, for feedback that names no request. A million entries of 16 bytes in sets of four:
/// where a set is full, the unit that was seen longest ago is forgotten. Like `RequestIndex` it is made from the log when it
/// is first asked, and catches up when it is asked again.
final class UnitIndex {
    private static let ways = 4
    private let sets: Int
    /// Key and slot + 1, alternating.
    private let table: MappedTable<UInt64>?
    private var covered: Int64 = 0

    /// `unitsMax` is rounded down to a power of two.
    init(unitsMax: Int) {
        var sets = 1
        while sets * 2 * UnitIndex.ways <= unitsMax { sets *= 2 }
        self.sets = sets
        table = MappedTable(count: sets * UnitIndex.ways * 2)
    }

    /// How far back it looks when it is made: older exposures would be forgotten anyway.
    var slotsMax: Int64 { Int64(sets * UnitIndex.ways) }

    func catchUp(with log: ExposureLog) throws(Fault) {
        guard let table else { return }
        let end = log.endSlot
        covered = try log.scan(from: max(covered, end - slotsMax), to: end) { slot, record in
            UnitIndex.remember(UnitIndex.key(record.route, record.unit), slot, in: table, sets: sets)
            return true
        }
    }

    func slot(of route: RouteID, _ unit: UInt64) -> Int64? {
        guard let table else { return nil }
        let key = UnitIndex.key(route, unit)
        let first = UnitIndex.first(key, sets: sets)
        for way in 0..<UnitIndex.ways where table[first + 2 * way] == key {
            let slot = table[first + 2 * way + 1]
            if slot > 0 { return Int64(slot) - 1 }
        }
        return nil
    }

    /// Its own entry, else a free one, else the one that is oldest: slots only grow.
    private static func remember(_ key: UInt64, _ slot: Int64, in table: MappedTable<UInt64>, sets: Int) {
        let first = first(key, sets: sets)
        var victim = first
        for way in 0..<ways {
            let place = first + 2 * way
            if table[place] == key && table[place + 1] > 0 {
                victim = place
                break
            }
            if table[place + 1] < table[victim + 1] { victim = place }
        }
        table[victim] = key
        table[victim + 1] = UInt64(slot + 1)
    }

    private static func first(_ key: UInt64, sets: Int) -> Int { Int(key >> 16 & UInt64(sets - 1)) * ways * 2 }

    /// A unit is a hash already; the multiplication makes routes independent. The record itself says whether it is the one.
    private static func key(_ route: RouteID, _ unit: UInt64) -> UInt64 {
        var x = unit ^ (UInt64(route.number) &+ 1) &* 0x9e37_79b9_7f4a_7c15
        x = (x ^ x >> 32) &* 0xd6e8_feb8_6659_fd93
        return x ^ x >> 32
    }
}
