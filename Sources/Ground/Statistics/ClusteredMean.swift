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

    /// A value that was added turns out to have been another one.
    public mutating func replace(unit: UInt64, _ old: Double, by new: Double) {
        guard samples(of: unit) > 0 else { return }
        let index = UnitCells.cell(of: unit)
        let before = cells[index].deviation
        let after = before + new - old
        cells[index].deviation = after
        cellSquares += after * after - before * before
        deviations += new - old
        deviationsSquared += (new - limit) * (new - limit) - (old - limit) * (old - limit)
        defects += old - new
    }

    /// How many samples a unit has given, with those of the units that share its cell.
    public func samples(of unit: UInt64) -> Int64 { cells.isEmpty ? 0 : Int64(cells[UnitCells.cell(of: unit)].samples) }

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
