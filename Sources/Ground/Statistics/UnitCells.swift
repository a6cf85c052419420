/// Per-unit totals in bounded memory: units are hashed into cells, once and for ever.
///
/// Sums of squares over units are asked for, never a unit. Two units in one cell add their product to the cell's square; over
/// the hash that is (S^2 - sum of squares) / cells in the mean, and is taken off again (as in the second-moment sketch of Alon,
/// Matias and Szegedy 1996). The error that remains is about sqrt(2/cells) = 1 % of the sum, whatever the number of units.
enum UnitCells {
    static let count = 16_384

    /// The finaliser of SplitMix64: independent of the hash that picks a unit's variant. `count` is a power of two.
    static func cell(of unit: UInt64, among count: Int = count) -> Int {
        var z = unit &+ 0x9e37_79b9_7f4a_7c15
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((z ^ (z >> 31)) & UInt64(count - 1))
    }

    /// The sum of squares over units, from the sum of squares over cells and the plain sum.
    static func sumOverUnits(cellSquares: Double, sum: Double) -> Double {
        max(0, sumOverUnits(cellProducts: cellSquares, sums: (sum, sum)))
    }

    /// The same for products of two totals.
    static func sumOverUnits(cellProducts: Double, sums: (Double, Double), among count: Int = count) -> Double {
        (cellProducts - sums.0 * sums.1 / Double(count)) / (1 - 1 / Double(count))
    }
}
