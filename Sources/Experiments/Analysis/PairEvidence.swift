import Statistics

/// One entry of a unit, as a comparison of two variants counts it.
struct PairEntry: Equatable, Sendable, Codable {
    var unit: UInt64
    var isTreated: Bool
    /// The treated variant's share of the two, when the unit was assigned.
    var share: Double
    var size: Double
    var value: Double

    /// Entries are weighted by the other variant's share (twice it, so that it is 1 at equal shares). The weighted difference is
    /// then the score of "no difference" at known shares: unbiased however the shares followed the outcomes, and without the huge
    /// weights of plain inverse propensities.
    var weight: Double { 2 * (isTreated ? 1 - share : share) }
}

/// What is known of one variant beside control for one metric: sufficient statistics, whatever the number of units.
struct PairEvidence: Equatable, Sendable, Codable {
    /// Quantiles: how units cluster is measured at a place that is frozen once so many values have come.
    static let valuesBeforeThreshold = 100

    var treated = UnitSums()
    var control = UnitSums()
    /// Shares of ones: by the treated variant's share in percent, so that moved shares stay apart. At most 101.
    private(set) var strata: [Int: RateStratum] = [:]
    private(set) var treatedValues = ValueHistogram()
    private(set) var controlValues = ValueHistogram()
    private(set) var threshold: Double?
    private(set) var early: [PairEntry] = []

    mutating func add(_ entry: PairEntry, to metric: Metric, sign: Double) {
        switch metric.kind {
        case .binary:
            count(entry, sign)
            addToUnits(entry, sign)
        case .count, .mean, .ratio: addToUnits(entry, sign)
        case .quantile: place(entry, of: metric, sign)
        }
    }

    private mutating func addToUnits(_ entry: PairEntry, _ sign: Double) {
        let (unit, size, value, weight) = (entry.unit, entry.size, entry.value, entry.weight)
        if entry.isTreated {
            treated.add(unit: unit, size: size, value: value, weight: weight, sign: sign)
        } else {
            control.add(unit: unit, size: size, value: value, weight: weight, sign: sign)
        }
    }

    private mutating func count(_ entry: PairEntry, _ sign: Double) {
        var stratum = strata[Int((entry.share * 100).rounded()), default: RateStratum()]
        stratum.shares += sign * entry.share
        if entry.isTreated {
            stratum.samples += sign
            stratum.hits += sign * entry.value
        } else {
            stratum.controlSamples += sign
            stratum.controlHits += sign * entry.value
        }
        strata[Int((entry.share * 100).rounded())] = stratum.total > 0.5 ? stratum : nil
    }

    private mutating func place(_ entry: PairEntry, of metric: Metric, _ sign: Double) {
        if entry.isTreated {
            treatedValues.add(entry.value, weight: entry.weight, sign: sign)
        } else {
            controlValues.add(entry.value, weight: entry.weight, sign: sign)
        }
        if let threshold {
            addToUnits(Self.exceeding(threshold, entry), sign)
        } else if sign < 0 {
            if let place = early.firstIndex(of: entry) { early.remove(at: place) }
        } else {
            early.append(entry)
            guard early.count >= Self.valuesBeforeThreshold else { return }
            // Of both variants together, so that it does not depend on which is which.
            let frozen = EmpiricalDistribution(of: early.map(\.value)).quantile(metric.quantile ?? 0.5) ?? 0
            threshold = frozen
            for entry in early { addToUnits(Self.exceeding(frozen, entry), 1) }
            early = []
        }
    }

    private static func exceeding(_ threshold: Double, _ entry: PairEntry) -> PairEntry {
        var entry = entry
        entry.value = entry.value > threshold ? 1 : 0
        return entry
    }

    mutating func add(covariate: Double, of entry: PairEntry) {
        if entry.isTreated {
            treated.add(unit: entry.unit, covariate: covariate, weight: entry.weight)
        } else {
            control.add(unit: entry.unit, covariate: covariate, weight: entry.weight)
        }
    }

    var sortedStrata: [RateStratum] { strata.sorted { $0.key < $1.key }.map(\.value) }

    /// By how much repeating units inflate the variance of the difference of two shares; between 1 and the size of a cluster.
    func designEffect() -> Double {
        let (own, other) = (treated.moments(), control.moments())
        guard !own.isEmpty, !other.isEmpty else { return 1 }
        let size = max(treated.meanClusterSize, control.meanClusterSize)
        // The sketch is off by a few percent: a cluster of 1.05 is one of 1.
        guard size > 1.05 else { return 1 }
        // About the rate of both, because a difference made by two heavy users inflates its own variance this way.
        let pooled = (own.effective * own.figure + other.effective * other.figure) / (own.effective + other.effective)
        let clustered = own.variance(about: pooled) + other.variance(about: pooled)
        let independent = pooled * (1 - pooled) * (treated.entryVariance + control.entryVariance)
        return independent > 0 ? min(size, max(1, clustered / independent)) : 1
    }
}
