import Statistics

/// Shares as a table may carry them: whole basis points that sum to 10 000.
enum LawfulShares {
    /// Shares raised to the floor at the cost of those above it, then rounded so that the sum stays: the largest remainders
    /// are rounded up. Who is not live gets nothing. Where nothing is wanted of anybody, all live ones get the same.
    static func basisPoints(_ wanted: [Double], live: [Int], floor: Int) -> [Int] {
        let whole = DrawLattice.usualCount
        var wanted = wanted
        if live.allSatisfy({ wanted[$0] <= 0 }) { for arm in live { wanted[arm] = 1 } }
        let floor = min(max(0, floor), whole / live.count)
        var low: Set<Int> = []
        var factor = 1.0
        while true {
            let above = live.filter { !low.contains($0) }
            let sum = above.reduce(0) { $0 + wanted[$1] }
            guard !above.isEmpty, sum > 0 else { break }
            factor = Double(whole - low.count * floor) / sum
            let sunk = above.filter { wanted[$0] * factor < Double(floor) }
            if sunk.isEmpty { break }
            low.formUnion(sunk)
        }
        var shares = Array(repeating: 0, count: wanted.count)
        var remainders: [(arm: Int, part: Double)] = []
        for arm in live {
            let exact = low.contains(arm) ? Double(floor) : wanted[arm] * factor
            shares[arm] = Int(exact)
            remainders.append((arm, exact - Double(shares[arm])))
        }
        remainders.sort { ($1.part, $0.arm) < ($0.part, $1.arm) }
        let missing = whole - shares.reduce(0, +)
        for turn in 0..<max(0, missing) { shares[remainders[turn % remainders.count].arm] += 1 }
        return shares
    }
}
