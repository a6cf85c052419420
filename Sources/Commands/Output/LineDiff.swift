import JSON

/// What became of each line between two texts: the fewest lines taken away and added.
enum LineDiff {
    enum Change: String {
        case kept = " "
        case removed = "-"
        case added = "+"
    }
    struct Line: Equatable {
        let change: Change
        let text: String
    }

    /// How many unchanged lines are shown around a change.
    private static let context = 3

    static func lines(_ old: String, _ new: String) -> [Line] {
        let (before, after) = (split(old), split(new))
        var changes: [Int: Bool] = [:]
        var insertions: [Int: Bool] = [:]
        for change in after.difference(from: before) {
            switch change {
            case .remove(let offset, _, _): changes[offset] = true
            case .insert(let offset, _, _): insertions[offset] = true
            }
        }
        var lines: [Line] = []
        var (from, to) = (0, 0)
        while from < before.count || to < after.count {
            if from < before.count, changes[from] != nil {
                lines.append(Line(change: .removed, text: before[from]))
                from += 1
            } else if to < after.count, insertions[to] != nil {
                lines.append(Line(change: .added, text: after[to]))
                to += 1
            } else {
                lines.append(Line(change: .kept, text: before[from]))
                (from, to) = (from + 1, to + 1)
            }
        }
        return lines
    }

    private static func split(_ text: String) -> [String] {
        text.isEmpty ? [] : text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// The changes with a few lines around them; what lies between is one line of dots.
    static func near(_ lines: [JSONValue]) -> [JSONValue] {
        let changed = lines.indices.filter { lines[$0]["change"] != " " }
        var shown: [JSONValue] = []
        var isGap = false
        for index in lines.indices {
            if changed.contains(where: { abs($0 - index) <= context }) {
                shown.append(lines[index])
                isGap = false
            } else if !isGap {
                shown.append(["change": "...", "line": ""])
                isGap = true
            }
        }
        return shown
    }
}
