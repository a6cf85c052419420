/// Scores of units, some of which are scored repeatedly: deviations from a limit, summed per unit.
public struct ClusteredMean: Sendable, Equatable {
    struct Cell: Sendable, Equatable {
        var samples: UInt32 = 0
        var deviation = 0.0
    }

    public let limit: Double
    public internal(set) var samples: Int64 = 0
    public internal(set) var deviations = 0.0
    public internal(set) var deviationsSquared = 0.0
    public internal(set) var cellSquares = 0.0
    public internal(set) var samplesSquared = 0.0
    public internal(set) var defects = 0.0
    var cells: [Cell] = []

    public init(limit: Double) { self.limit = limit }

    public mutating func add(unit: UInt64, _ value: Double) {
        if cells.isEmpty { cells = Array(repeating: Cell(), count: UnitCells.count) }
        let index = UnitCells.cell(of: unit)
        var cell = cells[index]
        guard cell.samples < .max else { return }
        let deviation = value - limit
        let before = cell.deviation
        cell.deviation += deviation
        let after = cell.deviation
        cellSquares += after * after - before * before
        samplesSquared += 2 * Double(cell.samples) + 1
        cell.samples += 1
        cells[index] = cell
        samples += 1
        deviations += deviation
        deviationsSquared += deviation * deviation
        defects += 1 - value
    }

    public var meanClusterSize: Double {
        guard samples > 0 else { return 1 }
        return max(1, UnitCells.sumOverUnits(cellSquares: samplesSquared, sum: Double(samples)) / Double(samples))
    }

    /// As for rates: measured about the limit, never below 1.
    public var designEffect: Double {
        guard deviationsSquared > 0 else { return 1 }
        return max(1, UnitCells.sumOverUnits(cellSquares: cellSquares, sum: deviations) / deviationsSquared)
    }

    public var cautiousDesignEffect: Double {
        DesignEffect.cautious(measured: designEffect, clusterSize: meanClusterSize, samples: Double(samples), defects: defects)
    }
}
