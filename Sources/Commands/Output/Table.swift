/// Rows of cells under a heading, in columns as wide as their widest cell. Widths count characters, not bytes, and the
/// decoration of a terminal counts nothing.
struct Table {
    var indent = 0
    let heading: [String]
    var rows: [[String]] = []

    init(_ heading: [String], indent: Int = 0) { (self.heading, self.indent) = (heading, indent) }

    mutating func add(_ row: [String]) { rows.append(row) }

    func text(_ style: Style = .plain) -> String {
        let all = heading.isEmpty ? rows : [heading] + rows
        let columns = all.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in all.map { $0.indices.contains(column) ? Table.width($0[column]) : 0 }.max() ?? 0
        }
        return all.enumerated().map { index, row in
            // Nothing stands after the last cell that says something, so that no line ends in blanks.
            let said = row.prefix((row.lastIndex { !$0.isEmpty } ?? -1) + 1)
            let cells = said.enumerated().map { column, cell in
                column == said.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - Table.width(cell))
            }
            let line = String(repeating: " ", count: indent) + cells.joined(separator: "  ")
            return index == 0 && !heading.isEmpty ? style.faint(line) : line
        }.joined(separator: "\n")
    }

    /// Characters a terminal shows: escape sequences (ESC [ ... m) are not among them.
    static func width(_ text: String) -> Int {
        var width = 0
        var isEscape = false
        for character in text {
            if character == "\u{1B}" {
                isEscape = true
            } else if isEscape {
                isEscape = character != "m"
            } else {
                width += 1
            }
        }
        return width
    }
}
