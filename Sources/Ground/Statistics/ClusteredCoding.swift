/// Written sparsely: only cells in use, as flat rows; the sums are recomputed by nobody, they are part of the state.
extension ClusteredRate: Codable {
    private enum Key: String, CodingKey { case samples, hits, samplesSquared, samplesHits, hitsSquared, cells }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(samples, forKey: .samples)
        try container.encode(hits, forKey: .hits)
        try container.encode(samplesSquared, forKey: .samplesSquared)
        try container.encode(samplesHits, forKey: .samplesHits)
        try container.encode(hitsSquared, forKey: .hitsSquared)
        var rows: [Int64] = []
        for (index, cell) in cells.enumerated() where cell.samples > 0 {
            rows += [Int64(index), Int64(cell.samples), Int64(cell.hits)]
        }
        try container.encode(rows, forKey: .cells)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        samples = try container.decode(Int64.self, forKey: .samples)
        hits = try container.decode(Int64.self, forKey: .hits)
        samplesSquared = try container.decode(Double.self, forKey: .samplesSquared)
        samplesHits = try container.decode(Double.self, forKey: .samplesHits)
        hitsSquared = try container.decode(Double.self, forKey: .hitsSquared)
        let rows = try container.decode([Int64].self, forKey: .cells)
        guard !rows.isEmpty else { return }
        cells = Array(repeating: Cell(), count: UnitCells.count)
        for row in stride(from: 0, to: rows.count - 2, by: 3) {
            guard let index = Int(exactly: rows[row]), cells.indices.contains(index),
                let samples = UInt32(exactly: rows[row + 1]), let hits = UInt32(exactly: rows[row + 2])
            else { throw Self.broken(container.codingPath) }
            cells[index] = Cell(samples: samples, hits: hits)
        }
    }

    private static func broken(_ path: [any CodingKey]) -> DecodingError {
        DecodingError.dataCorrupted(.init(codingPath: path, debugDescription: "a row of unit totals is out of range"))
    }
}

extension ClusteredMean: Codable {
    private enum Key: String, CodingKey {
        case limit, samples, deviations, deviationsSquared, cellSquares, samplesSquared, defects, cells, sums
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(limit, forKey: .limit)
        try container.encode(samples, forKey: .samples)
        try container.encode(deviations, forKey: .deviations)
        try container.encode(deviationsSquared, forKey: .deviationsSquared)
        try container.encode(cellSquares, forKey: .cellSquares)
        try container.encode(samplesSquared, forKey: .samplesSquared)
        try container.encode(defects, forKey: .defects)
        var rows: [Int64] = []
        var sums: [Double] = []
        for (index, cell) in cells.enumerated() where cell.samples > 0 {
            rows += [Int64(index), Int64(cell.samples)]
            sums.append(cell.deviation)
        }
        try container.encode(rows, forKey: .cells)
        try container.encode(sums, forKey: .sums)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        limit = try container.decode(Double.self, forKey: .limit)
        samples = try container.decode(Int64.self, forKey: .samples)
        deviations = try container.decode(Double.self, forKey: .deviations)
        deviationsSquared = try container.decode(Double.self, forKey: .deviationsSquared)
        cellSquares = try container.decode(Double.self, forKey: .cellSquares)
        samplesSquared = try container.decode(Double.self, forKey: .samplesSquared)
        defects = try container.decode(Double.self, forKey: .defects)
        let rows = try container.decode([Int64].self, forKey: .cells)
        let sums = try container.decode([Double].self, forKey: .sums)
        guard !rows.isEmpty else { return }
        cells = Array(repeating: Cell(), count: UnitCells.count)
        for (place, sum) in sums.enumerated() {
            guard rows.indices.contains(2 * place + 1), let index = Int(exactly: rows[2 * place]), cells.indices.contains(index),
                let samples = UInt32(exactly: rows[2 * place + 1])
            else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: container.codingPath, debugDescription: "a row of unit totals is out of range"))
            }
            cells[index] = Cell(samples: samples, deviation: sum)
        }
    }
}
