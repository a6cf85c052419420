/// What int8 rounding lost, for each bucket. Only the thread whose operation runs touches it.
final class Residuals {
    static let bucketsMax = 4_096

    @safe private final class Kept {
        let count: Int
        /// Whether `next` holds what was kept before the last operation, to which `settle` may go back.
        var isSpent = false
        var current: UnsafeMutablePointer<Float>
        var next: UnsafeMutablePointer<Float>

        init(count: Int) {
            self.count = count
            unsafe (current, next) = (.allocate(capacity: count), .allocate(capacity: count))
            unsafe current.initialize(repeating: 0, count: count)
            unsafe next.initialize(repeating: 0, count: count)
        }

        deinit {
            unsafe current.deallocate()
            unsafe next.deallocate()
        }
    }

    private var kept: [UInt32: Kept] = [:]

    /// Runs an operation with what is kept and what will be. Only one that ends well spends what was kept.
    func spend(
        bucket: UInt32, count: Int,
        _ run: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>) throws(CollectiveFailure) -> Void
    ) throws(CollectiveFailure) {
        if kept[bucket]?.count != count {
            guard kept[bucket] != nil || kept.count < Residuals.bucketsMax else {
                throw CollectiveFailure(.limitReached, "rounding errors are kept for \(Residuals.bucketsMax) buckets, and no more")
            }
            kept[bucket] = Kept(count: count)
        }
        guard let own = kept[bucket] else { return }
        own.isSpent = false
        unsafe try run(own.current, own.next)
        unsafe (own.current, own.next) = (own.next, own.current)
        own.isSpent = true
    }

    /// What was spent since the last time stays spent (`keeps`: the step counts), or goes back (it will be done again).
    func settle(keeps: Bool) {
        for own in kept.values where own.isSpent {
            if !keeps { unsafe (own.current, own.next) = (own.next, own.current) }
            own.isSpent = false
        }
    }

    /// Nil forgets all.
    func forget(_ bucket: UInt32?) {
        if let bucket { kept[bucket] = nil } else { kept = [:] }
    }
}
