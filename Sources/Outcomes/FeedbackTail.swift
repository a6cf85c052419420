import Routing

/// The newest feedback in memory, so that watchers that keep up do not ask the database.
struct FeedbackTail {
    static let scoresMax = 16_384

    private var kept: [FeedbackTable.Kept] = []
    /// Everything after this sequence is here.
    private(set) var completeAfter: Int64

    init(after sequence: Int64) { completeAfter = sequence }

    /// In order of their sequences.
    mutating func append(_ row: FeedbackTable.Kept) {
        kept.append(row)
        if kept.count >= 2 * FeedbackTail.scoresMax {
            kept.removeFirst(kept.count - FeedbackTail.scoresMax)
            completeAfter = kept[0].sequence - 1
        }
    }

    /// At most `limit` of a route, when all that would be read are here.
    func rows(of route: RouteID, after: Int64, limit: Int) -> [FeedbackTable.Kept]? {
        guard after >= completeAfter else { return nil }
        var (low, high) = (0, kept.count)
        while low < high {
            let middle = (low + high) / 2
            if kept[middle].sequence <= after { low = middle + 1 } else { high = middle }
        }
        var found: [FeedbackTable.Kept] = []
        for row in kept[low...] where row.score.route == route {
            if found.count == limit { break }
            found.append(row)
        }
        return found
    }
}
