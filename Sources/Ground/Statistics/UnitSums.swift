/// Sizes and values of one variant's units, some of which come again and again, in memory that does not grow: units are hashed into
/// cells as in `UnitCells`. Every entry has a weight, so that variants whose shares moved can be compared (`weight` 1 elsewhere).
///
/// Beside them a covariate from before the experiment, for CUPED (Deng, Xu, Kohavi and Walker 2013).
public struct UnitSums: Sendable, Equatable {
    /// Variances are off by about sqrt(2/cells) = 3 %, which is less than what the wealth's mixture forgives.
    static let cellsCount = 2_048

    /// What is taken off values before they are summed, so that a large common part costs no digits: the first one.
    public private(set) var offset: Double?
    var sizes: [Double] = []
    var values: [Double] = []
    /// Covariates less the first one, and how many units have one; empty until the first.
    var covariates: [Double] = []
    var known: [Double] = []
    /// Sum over entries of (weight * size)^2: what `xx` would be if no unit came twice.
    var entrySquares = 0.0

    public init(offset: Double? = nil) { self.offset = offset }

    /// One entry of a unit; `sign` -1 takes it back.
    public mutating func add(unit: UInt64, size: Double, value: Double, weight: Double = 1, sign: Double = 1) {
        if sizes.isEmpty {
            sizes = Array(repeating: 0, count: Self.cellsCount)
            values = sizes
        }
        let offset = self.offset ?? (size != 0 ? value / size : 0)
        self.offset = offset
        let cell = UnitCells.cell(of: unit, among: Self.cellsCount)
        sizes[cell] += sign * weight * size
        values[cell] += sign * weight * (value - offset * size)
        entrySquares += sign * weight * weight * size * size
    }

    /// A unit's covariate less a common reference that the caller keeps. Given once a unit, with the weight of its exposure.
    public mutating func add(unit: UInt64, covariate: Double, weight: Double = 1) {
        if covariates.isEmpty {
            covariates = Array(repeating: 0, count: Self.cellsCount)
            known = covariates
        }
        let cell = UnitCells.cell(of: unit, among: Self.cellsCount)
        covariates[cell] += weight * covariate
        known[cell] += weight
    }

    public var isEmpty: Bool { sizes.isEmpty }

    /// Requests (or what sizes are) of the unit that a random one belongs to: 1 when units do not repeat.
    public var meanClusterSize: Double {
        guard entrySquares > 0 else { return 1 }
        return max(1, moments().xx / entrySquares)
    }

    /// The variance of the figure for entries of variance 1 if no unit came twice.
    public var entryVariance: Double {
        let size = sizes.reduce(0, +)
        return size > 0 ? entrySquares / (size * size) : .infinity
    }

    /// Sums over units. With an adjustment, values are less `theta` times the covariate's distance from `center`.
    public func moments(adjusted by: CovariateAdjustment? = nil) -> UnitMoments {
        var moments = UnitMoments(offset: offset ?? 0)
        guard !sizes.isEmpty else { return moments }
        let adjustment = covariates.isEmpty ? nil : by
        func value(_ cell: Int) -> Double {
            guard let adjustment else { return values[cell] }
            return values[cell] - adjustment.theta * (covariates[cell] - adjustment.center * known[cell])
        }
        for cell in sizes.indices where sizes[cell] != 0 || values[cell] != 0 { moments.add(cell: sizes[cell], value(cell)) }
        let (x, y, count) = (moments.x, moments.y, Self.cellsCount)
        moments.xx = max(0, UnitCells.sumOverUnits(cellProducts: moments.xx, sums: (x, x), among: count))
        moments.xy = UnitCells.sumOverUnits(cellProducts: moments.xy, sums: (x, y), among: count)
        moments.yy = max(0, UnitCells.sumOverUnits(cellProducts: moments.yy, sums: (y, y), among: count))
        guard x > 0 else { return moments }
        let mean = y / x
        var (cubes, fourths) = (0.0, 0.0)
        for cell in sizes.indices {
            let rest = value(cell) - mean * sizes[cell]
            cubes += rest * rest * rest
            fourths += rest * rest * rest * rest
        }
        // Units that share a cell add nothing to its cubes in the mean, and 3 (sum of squares)^2 / cells to its fourth powers.
        let squares = moments.squares(about: moments.figure)
        moments.cubes = cubes
        moments.fourths = max(0, fourths - 3 * squares * squares / Double(count))
        return moments
    }
}

extension UnitMoments {
    /// A cell's totals, already less the offset.
    fileprivate mutating func add(cell size: Double, _ value: Double) {
        x += size
        y += value
        xx += size * size
        xy += size * value
        yy += value * value
    }
}

/// How much of a value its unit's past explains.
public struct CovariateAdjustment: Sendable, Equatable {
    public var theta: Double
    public var center: Double
    public init(theta: Double, center: Double) { (self.theta, self.center) = (theta, center) }

    /// From both variants' units together; nil where no covariate is known or none differs. The covariate is independent of the
    /// variant, so any theta is honest, and this one leaves the least variance.
    public static func pooled(_ arms: [UnitSums]) -> CovariateAdjustment? {
        let (sum, count) = arms.reduce((0.0, 0.0)) { ($0.0 + $1.covariates.reduce(0, +), $0.1 + $1.known.reduce(0, +)) }
        guard count > 0 else { return nil }
        let center = sum / count
        var (products, squares) = (0.0, 0.0)
        for arm in arms where !arm.covariates.isEmpty && !arm.sizes.isEmpty {
            let (size, value) = (arm.sizes.reduce(0, +), arm.values.reduce(0, +))
            guard size > 0 else { continue }
            var (product, square, rests, pasts) = (0.0, 0.0, 0.0, 0.0)
            for cell in arm.sizes.indices {
                let rest = arm.values[cell] - value / size * arm.sizes[cell]
                let past = arm.covariates[cell] - center * arm.known[cell]
                product += rest * past
                square += past * past
                rests += rest
                pasts += past
            }
            let count = UnitSums.cellsCount
            products += UnitCells.sumOverUnits(cellProducts: product, sums: (rests, pasts), among: count) / (size * size)
            squares += UnitCells.sumOverUnits(cellProducts: square, sums: (pasts, pasts), among: count) / (size * size)
        }
        return squares > 0 ? CovariateAdjustment(theta: products / squares, center: center) : nil
    }
}
