/// When the wealth against "good" is worth computing again, which only a hit can raise: never so late that a crossing could be missed by more than 2 %
/// of the hits, and not while no possible run of hits could have crossed. A function of the counts alone, so that a failure
/// does not depend on when somebody asked for verdicts.
struct LookSchedule: Sendable, Codable {
    private var next: Int64 = 1

    func isDue(_ hits: Int64) -> Bool { hits >= next }

    /// `gainMax`: the most that one hit can add to the log wealth.
    mutating func looked(at hits: Int64, wealthMissing: Double, gainMax: Double) {
        let needed = Int64(max(0, min(wealthMissing / gainMax, 1e9)))
        // Counts of repeated units may change their weight, so the skip is never over an eighth of what was seen.
        next = hits + max(1, hits / 64, min(needed, hits / 8))
    }
}
