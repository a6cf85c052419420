/// Hits and samples that come from units, some of which repeat: counts, and by how much repetition inflates their variance.
///
/// Requests of one user are not independent. The design effect (Kish 1965; Rao and Scott 1992) is the variance of the sum over
/// units divided by what it would be over independent requests; counts divided by it are the counts of an equally informative
/// sample of independent requests. Deviations are taken from the *limit under test*, not from the observed rate: a mean that
/// was shifted by two heavy users then inflates its own variance, which is what keeps the test honest while few users are known.
/// When every unit sends one request it is 1, and the test is the exact one.
public struct ClusteredRate: Sendable, Equatable {
    struct Cell: Sendable, Equatable {
        var samples: UInt32 = 0
        var hits: UInt32 = 0
    }

    public internal(set) var samples: Int64 = 0
    public internal(set) var hits: Int64 = 0
    /// Sums over cells of samples^2, samples * hits and hits^2.
    public internal(set) var samplesSquared = 0.0
    public internal(set) var samplesHits = 0.0
    public internal(set) var hitsSquared = 0.0
    var cells: [Cell] = []

    public init() {}

    /// Where a sample is counted: one cell, a few additions, no allocation after the first.
    public mutating func add(unit: UInt64, hit: Bool) {
        if cells.isEmpty { cells = Array(repeating: Cell(), count: UnitCells.count) }
        let index = UnitCells.cell(of: unit)
        var cell = cells[index]
        // A cell that is full stops growing: 4 billion requests of one user say no more than that.
        guard cell.samples < .max else { return }
        samples += 1
        samplesSquared += 2 * Double(cell.samples) + 1
        cell.samples += 1
        if hit {
            hits += 1
            samplesHits += Double(cell.samples) + Double(cell.hits)
            hitsSquared += 2 * Double(cell.hits) + 1
            cell.hits += 1
        } else {
            samplesHits += Double(cell.hits)
        }
        cells[index] = cell
    }

    /// How many samples a unit has given, with those of the units that share its cell.
    public func samples(of unit: UInt64) -> Int64 { cells.isEmpty ? 0 : Int64(cells[UnitCells.cell(of: unit)].samples) }

    public var rate: Double { samples > 0 ? Double(hits) / Double(samples) : 0 }

    /// sum over units of (hits - rate * samples)^2.
    func squares(about rate: Double) -> Double {
        let overCells = hitsSquared - 2 * rate * samplesHits + rate * rate * samplesSquared
        return UnitCells.sumOverUnits(cellSquares: overCells, sum: Double(hits) - rate * Double(samples))
    }

    /// The same if every sample were a unit of its own.
    func squaresOfRequests(about rate: Double) -> Double {
        Double(hits) * (1 - 2 * rate) + Double(samples) * rate * rate
    }

    /// Requests of the unit that a random request belongs to: 1 when units do not repeat.
    public var meanClusterSize: Double {
        guard samples > 0 else { return 1 }
        return max(1, UnitCells.sumOverUnits(cellSquares: samplesSquared, sum: Double(samples)) / Double(samples))
    }
}

extension ClusteredRate {
    /// For claims of harm: the measured design effect at this limit, never below 1.
    public func designEffect(at limit: Double) -> Double {
        let independent = squaresOfRequests(about: limit)
        return independent > 0 ? max(1, squares(about: limit) / independent) : 1
    }

    /// For claims of harmlessness: as long as hardly a hit was seen, nothing is known of how hits cluster, so the measured
    /// value is averaged with a pessimistic one. See `DesignEffect`.
    public func cautiousDesignEffect(at limit: Double) -> Double {
        DesignEffect.cautious(
            measured: designEffect(at: limit), clusterSize: meanClusterSize, samples: Double(samples), defects: Double(hits))
    }
}

/// What is believed of the design effect before the data have shown it.
public enum DesignEffect {
    /// The correlation within a unit that is assumed until shown otherwise: a clean unit counts as at most four clean requests.
    static let priorCorrelation = 0.25
    /// How many defects that belief weighs.
    static let priorDefects = 4.0
    /// A variance that rests on few units is itself uncertain, and errs on the low side when heavy users are missing: the
    /// effect grows by this over the effective number of units. Chosen by `make validate` (a mean at its limit, all defects
    /// made by 1 % of the users).
    static let priorUnits = 50.0

    /// The mean of the measured effect and the believed one, weighted by the defects behind each, and a margin for few units.
    /// Exactly the measured one when units do not repeat.
    public static func cautious(measured: Double, clusterSize: Double, samples: Double, defects: Double) -> Double {
        guard samples > 0 else { return 1 }
        let believed = 1 + priorCorrelation * (clusterSize - 1)
        let mixed = (priorDefects * believed + defects * measured) / (priorDefects + defects)
        return mixed * (1 + priorUnits * (clusterSize - 1) / samples)
    }
}
