/// "Did you mean ...?": the closest known word to a mistyped one.
public enum Suggestion {
    /// The known word within a third of the typed word's length (at least 2 edits), or nil when none is near.
    /// Ties break by name.
    public static func closest(to typed: String, among known: some Sequence<String>) -> String? {
        let limit = max(2, typed.count / 3)
        return known.map { (distance: editDistance(typed, $0), word: $0) }
            .filter { $0.distance <= limit }
            .min { ($0.distance, $0.word) < ($1.distance, $1.word) }?
            .word
    }

    /// Levenshtein distance in characters: O(n m) time, O(m) space.
    static func editDistance(_ from: String, _ to: String) -> Int {
        let target = Array(to)
        var row = Array(0...target.count)
        for (i, a) in from.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in target.enumerated() {
                let substituted = diagonal + (a == b ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[target.count]
    }
}
