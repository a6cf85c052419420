/// Written sparsely: the cells in use, as flat rows.
extension UnitSums: Codable {
    private enum Key: String, CodingKey { case offset, entrySquares, cells, rows, pasts }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encodeIfPresent(offset, forKey: .offset)
        try container.encode(entrySquares, forKey: .entrySquares)
        let used = (0..<Self.cellsCount).filter { cell in
            !sizes.isEmpty && (sizes[cell] != 0 || values[cell] != 0) || !known.isEmpty && known[cell] != 0
        }
        try container.encode(used, forKey: .cells)
        try container.encode(sizes.isEmpty ? [] : used.flatMap { [sizes[$0], values[$0]] }, forKey: .rows)
        try container.encode(covariates.isEmpty ? [] : used.flatMap { [covariates[$0], known[$0]] }, forKey: .pasts)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        self.init(offset: try container.decodeIfPresent(Double.self, forKey: .offset))
        entrySquares = try container.decode(Double.self, forKey: .entrySquares)
        let used = try container.decode([Int].self, forKey: .cells)
        let rows = try container.decode([Double].self, forKey: .rows)
        let pasts = try container.decode([Double].self, forKey: .pasts)
        let isWhole = [rows, pasts].allSatisfy { $0.isEmpty || $0.count == 2 * used.count }
        guard isWhole, used.allSatisfy({ (0..<Self.cellsCount).contains($0) }) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: container.codingPath, debugDescription: "rows of unit sums are out of range"))
        }
        (sizes, values) = Self.columns(rows, used)
        (covariates, known) = Self.columns(pasts, used)
    }

    private static func columns(_ rows: [Double], _ used: [Int]) -> ([Double], [Double]) {
        guard !rows.isEmpty else { return ([], []) }
        var (first, second) = (Array(repeating: 0.0, count: cellsCount), Array(repeating: 0.0, count: cellsCount))
        for (place, cell) in used.enumerated() { (first[cell], second[cell]) = (rows[2 * place], rows[2 * place + 1]) }
        return (first, second)
    }
}
