/// What units of one variant came to, in sums: each unit has a value `y` and a size `x` (1, its requests, or a ratio's
/// denominator), and the figure is the sum of the values over the sum of the sizes.
///
/// Values are kept less `offset` times their size, so that a large common part costs no digits.
public struct UnitMoments: Sendable, Equatable {
    public var offset: Double
    public var x = 0.0
    public var y = 0.0
    public var xx = 0.0
    public var xy = 0.0
    public var yy = 0.0
    /// sum of (y - m x)^3 about this variant's own figure m, and of the fourth powers.
    public var cubes = 0.0
    public var fourths = 0.0

    public init(offset: Double = 0) { self.offset = offset }

    /// One unit, whole: for data at rest. `cubes` and `fourths` are added by `addTails` in a second pass.
    public mutating func add(x size: Double, y value: Double) {
        let rest = value - offset * size
        x += size
        y += rest
        xx += size * size
        xy += size * rest
        yy += rest * rest
    }

    /// The same unit again, once all are added.
    public mutating func addTails(x size: Double, y value: Double) {
        let rest = value - figure * size
        cubes += rest * rest * rest
        fourths += rest * rest * rest * rest
    }

    public var isEmpty: Bool { !(x > 0) }
    public var figure: Double { isEmpty ? 0 : offset + y / x }

    /// Kish's effective number of units: as many of equal size say as much.
    public var effective: Double { xx > 0 ? x * x / xx : 0 }

    /// sum over units of (y - m x)^2.
    public func squares(about figure: Double) -> Double {
        let m = figure - offset
        return max(0, yy - 2 * m * xy + m * m * xx)
    }

    /// The variance of the figure, linearised (the delta method where sizes differ).
    public func variance(about figure: Double) -> Double { isEmpty ? .infinity : squares(about: figure) / (x * x) }

    /// Central moments of one average unit.
    var secondMoment: Double { isEmpty ? 0 : variance(about: figure) * effective }
    var thirdMoment: Double { isEmpty ? 0 : cubes / (x * x * x) * effective * effective }
    var fourthMoment: Double { isEmpty ? 0 : fourths / (x * x * x * x) * effective * effective * effective }
}
