/// All quantiles at (i + 1/2) / count of one distribution, in one pass over its density.
///
/// The density is given by its logarithm on the whole line, up to a constant; it must rise to one mode and fall after it. It is
/// summed by Simpson's rule on each side of the mode, and inverted cell by cell by a cubic that has the density's slope at both
/// ends: no incomplete beta function is asked ten thousand times. Only portable arithmetic decides the result's bits.
public struct QuantileSweep {
    /// Cells on each side of the mode.
    private static let cells = 256
    /// The density is followed until it has fallen by this many nats: what lies beyond is below 1e-12 of the whole.
    private static let depth = 30.0

    private var places: [Double] = []
    private var densities: [Double] = []
    /// The mass to the left of each place.
    private var masses: [Double] = [0]

    /// `scale` is a first guess of the distribution's width; it need not be near.
    public init(mode: Double, scale: Double, logDensity: (Double) -> Double) {
        precondition(mode.isFinite && scale > 0 && scale.isFinite, "a density needs a mode and a width")
        let peak = logDensity(mode)
        let left = QuantileSweep.reach(from: mode, step: -scale, peak: peak, logDensity)
        let right = QuantileSweep.reach(from: mode, step: scale, peak: peak, logDensity)
        places.reserveCapacity(2 * QuantileSweep.cells + 1)
        densities.reserveCapacity(2 * QuantileSweep.cells + 1)
        masses.reserveCapacity(2 * QuantileSweep.cells + 1)
        append(mode - left, PortableMath.exp(logDensity(mode - left) - peak))
        extend(to: mode, from: mode - left, peak: peak, logDensity)
        extend(to: mode + right, from: mode, peak: peak, logDensity)
    }

    private mutating func append(_ place: Double, _ density: Double) {
        places.append(place)
        densities.append(density)
    }

    private mutating func extend(to end: Double, from start: Double, peak: Double, _ logDensity: (Double) -> Double) {
        let width = (end - start) / Double(QuantileSweep.cells)
        for cell in 1...QuantileSweep.cells {
            let place = start + width * Double(cell)
            let middle = PortableMath.exp(logDensity(place - width / 2) - peak)
            let density = PortableMath.exp(logDensity(place) - peak)
            masses.append(masses[masses.count - 1] + width / 6 * (densities[densities.count - 1] + 4 * middle + density))
            append(place, density)
        }
    }

    /// How far the density reaches on one side, always positive.
    private static func reach(from mode: Double, step: Double, peak: Double, _ logDensity: (Double) -> Double) -> Double {
        func fall(_ distance: Double) -> Double { peak - logDensity(mode + distance) }
        var (inside, outside) = (0.0, step)
        // A guess too wide is halved first, one too narrow doubled.
        for _ in 0..<200 where fall(outside) < depth { (inside, outside) = (outside, outside * 2) }
        for _ in 0..<200 where fall(outside) > 2 * depth {
            let middle = inside + (outside - inside) / 2
            if fall(middle) < depth { inside = middle } else { outside = middle }
        }
        return abs(outside)
    }

    /// The quantiles, rising.
    public func quantiles(count: Int) -> [Double] {
        let total = masses[masses.count - 1]
        var cell = 0
        return (0..<count).map { index in
            let mass = (Double(index) + 0.5) / Double(count) * total
            while cell + 2 < masses.count, masses[cell + 1] <= mass { cell += 1 }
            return place(at: mass, in: cell)
        }
    }

    /// The quantile at one probability, 0 < p < 1.
    public func quantile(_ probability: Double) -> Double {
        precondition(probability > 0 && probability < 1, "a quantile is asked for outside 0...1")
        let mass = probability * masses[masses.count - 1]
        var (low, high) = (0, masses.count - 2)
        while low < high {
            let middle = (low + high + 1) / 2
            if masses[middle] <= mass { low = middle } else { high = middle - 1 }
        }
        return place(at: mass, in: low)
    }

    private func place(at mass: Double, in cell: Int) -> Double {
        let (held, width) = (masses[cell + 1] - masses[cell], places[cell + 1] - places[cell])
        guard held > 0 else { return places[cell] }
        let s = min(1, max(0, (mass - masses[cell]) / held))
        // Slopes of the place by the part of the cell's mass, kept where the cubic is sure to rise (Fritsch and Carlson 1980).
        let first = min(held / max(densities[cell], 1e-300), 3 * width)
        let last = min(held / max(densities[cell + 1], 1e-300), 3 * width)
        let rest = 1 - s
        return places[cell] + s * s * (3 - 2 * s) * width + s * rest * rest * first - s * s * rest * last
    }
}
