/// The deadlines of many keys (small integers: descriptors), in 1 024 slots of 8 ms. Pure: time comes from the caller.
///
/// Moving a deadline later only writes a number: the key stays in its old slot and is moved on when that slot comes round.
/// A connection therefore re-arms its deadline on each request for the price of one store.
struct TimerWheel {
    private struct Link {
        var due = Int64.max
        var slot: Int32 = -1
        var next: Int32 = -1
        var previous: Int32 = -1
    }
    static let slotCount: Int64 = 1_024
    static let tickMilliseconds: Int64 = 8

    private var heads = [Int32](repeating: -1, count: Int(slotCount))
    private var occupied = [UInt64](repeating: 0, count: Int(slotCount / 64))
    private var links: [Link] = []
    private var tickDone: Int64

    init(now: Int64) { tickDone = now / Self.tickMilliseconds }

    /// The key's deadline becomes `due` (milliseconds on the caller's clock), whatever it was.
    mutating func set(_ key: Int, due: Int64) {
        while links.count <= key { links.append(Link()) }
        links[key].due = due
        let slot = links[key].slot
        if slot >= 0 {
            if due >= earliestVisit(of: Int64(slot)) { return }
            unlink(key)
        }
        link(key)
    }

    mutating func clear(_ key: Int) {
        if links.indices.contains(key) { links[key].due = .max }
    }

    /// Hands over each key whose deadline is at or before `now`, once.
    mutating func advance(to now: Int64, expired: (Int) -> Void) {
        let tickNow = now / Self.tickMilliseconds
        guard tickNow > tickDone else { return }
        let first = max(tickDone + 1, tickNow - Self.slotCount + 1)
        tickDone = tickNow
        var due: [Int] = []
        for tick in first...tickNow {
            var key = heads[Int(tick % Self.slotCount)]
            while key >= 0 {
                let next = links[Int(key)].next
                if links[Int(key)].due == .max {
                    unlink(Int(key))
                } else if links[Int(key)].due <= now {
                    unlink(Int(key))
                    links[Int(key)].due = .max
                    due.append(Int(key))
                } else if slot(for: links[Int(key)].due) != Int32(tick % Self.slotCount) {
                    unlink(Int(key))
                    link(Int(key))
                }
                key = next
            }
        }
        for key in due { expired(key) }
    }

    /// Milliseconds until a slot with keys in it comes round; nil when no key is linked.
    func wait(from now: Int64) -> Int64? {
        let start = (tickDone + 1) % Self.slotCount
        for step in 0...Int64(occupied.count) {
            let word = (Int(start) / 64 + Int(step)) % occupied.count
            var bits = occupied[word]
            if step == 0 { bits &= ~0 << UInt64(start % 64) }
            if bits == 0 { continue }
            let slot = Int64(word * 64 + bits.trailingZeroBitCount)
            return max(0, earliestVisit(of: slot) - now)
        }
        return nil
    }

    /// When the slot is next walked: the first millisecond of its next tick.
    private func earliestVisit(of slot: Int64) -> Int64 {
        let ahead = (slot - tickDone % Self.slotCount + Self.slotCount - 1) % Self.slotCount + 1
        return (tickDone + ahead) * Self.tickMilliseconds
    }

    /// A deadline is due in the tick after it, so that it is never early.
    private func slot(for due: Int64) -> Int32 {
        Int32(max((due + Self.tickMilliseconds - 1) / Self.tickMilliseconds, tickDone + 1) % Self.slotCount)
    }

    private mutating func link(_ key: Int) {
        let slot = slot(for: links[key].due)
        let head = heads[Int(slot)]
        (links[key].slot, links[key].next, links[key].previous) = (slot, head, -1)
        if head >= 0 { links[Int(head)].previous = Int32(key) }
        heads[Int(slot)] = Int32(key)
        occupied[Int(slot) / 64] |= 1 << UInt64(slot % 64)
    }

    private mutating func unlink(_ key: Int) {
        let link = links[key]
        if link.previous >= 0 { links[Int(link.previous)].next = link.next } else { heads[Int(link.slot)] = link.next }
        if link.next >= 0 { links[Int(link.next)].previous = link.previous }
        if heads[Int(link.slot)] < 0 { occupied[Int(link.slot) / 64] &= ~(1 << UInt64(link.slot % 64)) }
        (links[key].slot, links[key].next, links[key].previous) = (-1, -1, -1)
    }
}
