import Glibc
import Statistics

func exponential(_ x: Double) -> Double { exp(x) }

/// One metric of a file, by variant and unit.
struct OfflineColumn {
    private struct Unit {
        var size: Double
        var value: Double
        var past: Double?
    }

    private let column: OfflineQuestion.Column
    private let question: OfflineQuestion
    /// Control first.
    private var units: [[Unit]]
    private var observations: [Int]
    private var samples: [[Double]] = []
    /// Of quantiles: squared numbers of rows of each unit over their sum.
    private var clusters: [[(below: Double, rows: Double)]] = []
    private let theta: Double?
    private let isZeroOne: Bool

    init(_ table: UnitTable, _ place: Int, _ order: [Int], _ question: OfflineQuestion) {
        column = question.metrics[place]
        self.question = question
        var arms = Array(repeating: 0, count: order.count)
        for (arm, variant) in order.enumerated() { arms[variant] = arm }
        units = Array(repeating: [], count: order.count)
        observations = Array(repeating: 0, count: order.count)
        for (unit, variant) in table.assigned.enumerated() {
            guard let variant else { continue }
            let (arm, total) = (arms[variant], table.totals[place][unit])
            observations[arm] += total.count
            guard total.count > 0 || column.kind == .count else { continue }
            let past = table.covariates[unit].count > 0 ? table.covariates[unit].sum / Double(table.covariates[unit].count) : nil
            switch column.kind {
            case .binary, .mean: units[arm].append(Unit(size: 1, value: total.sum / Double(total.count), past: past))
            case .count: units[arm].append(Unit(size: 1, value: total.sum, past: past))
            case .ratio: units[arm].append(Unit(size: total.denominator, value: total.sum, past: past))
            case .quantile: units[arm].append(Unit(size: Double(total.count), value: 0, past: nil))
            }
        }
        if column.kind == .quantile {
            samples = Array(repeating: [], count: order.count)
            for (unit, value) in table.values[place] {
                if let variant = table.assigned[unit] { samples[arms[variant]].append(value) }
            }
            clusters = Self.clusters(table, place, arms, column.quantile)
        }
        theta = column.kind == .quantile ? nil : Self.adjust(&units)
        isZeroOne = column.kind == .binary && theta == nil && units.allSatisfy { $0.allSatisfy { $0.value == 0 || $0.value == 1 } }
    }

    /// CUPED: theta = cov(value, past) / var(past) over the units of all variants; a unit without a past is left as it is.
    private static func adjust(_ units: inout [[Unit]]) -> Double? {
        let known = units.flatMap { $0 }.filter { $0.past != nil }
        guard known.count > 2 else { return nil }
        let count = Double(known.count)
        let center = known.reduce(0) { $0 + ($1.past ?? 0) } / count
        let (values, sizes) = known.reduce((0.0, 0.0)) { ($0.0 + $1.value, $0.1 + $1.size) }
        guard sizes > 0 else { return nil }
        var (products, squares) = (0.0, 0.0)
        for unit in known {
            let past = (unit.past ?? center) - center
            products += (unit.value - values / sizes * unit.size) * past
            squares += past * past
        }
        guard squares > 0 else { return nil }
        let theta = products / squares
        for arm in units.indices {
            for place in units[arm].indices { units[arm][place].value -= theta * ((units[arm][place].past ?? center) - center) }
        }
        return theta
    }

    /// Of each unit, its rows and how many lie above the pooled quantile.
    private static func clusters(_ table: UnitTable, _ place: Int, _ arms: [Int], _ q: Double) -> [[(below: Double, rows: Double)]]
    {
        let threshold = EmpiricalDistribution(of: table.values[place].map(\.value)).quantile(q) ?? 0
        var totals = Array(repeating: (below: 0.0, rows: 0.0), count: table.assigned.count)
        for (unit, value) in table.values[place] {
            totals[unit].rows += 1
            if value <= threshold { totals[unit].below += 1 }
        }
        var clusters: [[(below: Double, rows: Double)]] = Array(repeating: [], count: arms.count)
        for (unit, variant) in table.assigned.enumerated() {
            if let variant, totals[unit].rows > 0 { clusters[arms[variant]].append(totals[unit]) }
        }
        return clusters
    }

    // MARK: comparing

    func reading(variants: [String]) -> (MetricReading, logWealths: [Double]) {
        let metric = Metric(
            name: column.name, kind: column.kind, direction: column.direction,
            quantile: column.kind == .quantile ? column.quantile : nil, denominator: column.denominator,
            covariate: question.covariate)
        var wealths = Array(repeating: 0.0, count: variants.count)
        let arms = variants.indices.map { arm -> ArmReading in
            var reading = ArmReading(
                arm: arm, units: units[arm].count, observations: observations[arm], mean: figure(of: arm))
            guard arm > 0, reading.mean != nil, figure(of: 0) != nil else { return reading }
            let comparison = comparison(of: arm)
            wealths[arm] = comparison.logWealth(against: Line())
            reading.difference = comparison.difference
            reading.relativeDifference = comparison.relativeDifference
            reading.interval = comparison.interval(alpha: question.alpha)
            reading.relativeInterval = comparison.relativeInterval(alpha: question.alpha)
            reading.pValue = comparison.pValue
            reading.varianceReduction = varianceReduction(of: arm)
            if question.isFixed { reading.fixed = fixed(of: arm, comparison) }
            return reading
        }
        var reading = MetricReading(metric: metric, alpha: question.alpha, arms: arms, method: method)
        let known = arms.filter { $0.mean != nil }
        // One unit does not say by how much it might have been another: then nobody is likely anything.
        let beliefs = known.compactMap(belief)
        guard beliefs.count == known.count, known.count > 1 else { return (reading, wealths) }
        for (arm, answer) in zip(known, Belief.compare(beliefs, isUp: column.direction == .up)) {
            reading.arms[arm.arm].probabilityBest = answer.best
            reading.arms[arm.arm].expectedLoss = answer.loss
        }
        return (reading, wealths)
    }

    /// As it stands in the file, unadjusted.
    private func figure(of arm: Int) -> Double? {
        if column.kind == .quantile { return EmpiricalDistribution(of: samples[arm]).quantile(column.quantile) }
        let moments = raw(arm)
        return moments.isEmpty ? nil : moments.figure
    }

    private func raw(_ arm: Int) -> UnitMoments {
        guard let theta else { return moments(arm) }
        let all = units.flatMap { $0 }.compactMap(\.past)
        let center = all.reduce(0, +) / Double(max(1, all.count))
        return moments(arm) { $0.value + theta * (($0.past ?? center) - center) }
    }

    private func moments(_ arm: Int, _ value: (Unit) -> Double = { $0.value }) -> UnitMoments {
        let size = units[arm].reduce(0) { $0 + $1.size }
        var moments = UnitMoments(offset: size > 0 ? units[arm].reduce(0) { $0 + value($1) } / size : 0)
        for unit in units[arm] { moments.add(x: unit.size, y: value(unit)) }
        for unit in units[arm] { moments.addTails(x: unit.size, y: value(unit)) }
        return moments
    }

    private func comparison(of arm: Int) -> any Comparison {
        if column.kind == .quantile {
            return QuantileComparison(
                column.quantile, treated: distribution(arm), control: distribution(0), plannedUnits: question.plannedUnits,
                alpha: question.alpha)
        }
        if isZeroOne {
            var stratum = RateStratum()
            (stratum.samples, stratum.controlSamples) = (Double(units[arm].count), Double(units[0].count))
            // The share that came about: the plan may not be known, and given the numbers the rest is fair as well.
            stratum.shares = stratum.samples
            (stratum.hits, stratum.controlHits) = (hits(arm), hits(0))
            return RateComparison(strata: [stratum], plannedSamples: question.plannedUnits, alpha: question.alpha)
        }
        return MeanComparison(
            treated: moments(arm), control: moments(0), plannedUnits: question.plannedUnits, alpha: question.alpha)
    }

    private func hits(_ arm: Int) -> Double { units[arm].reduce(0) { $0 + $1.value } }

    private func distribution(_ arm: Int) -> EmpiricalDistribution {
        let rows = clusters[arm].reduce(0) { $0 + $1.rows }
        let share = clusters[arm].reduce(0) { $0 + $1.below } / max(1, rows)
        let clustered = clusters[arm].reduce(0) { sum, unit in
            let rest = unit.below - share * unit.rows
            return sum + rest * rest
        }
        let independent = rows * share * (1 - share)
        let effect = independent > 0 ? max(1, clustered / independent) : 1
        return EmpiricalDistribution(of: samples[arm], effective: rows / (units[arm].count == Int(rows) ? 1 : effect))
    }

    private func fixed(of arm: Int, _ comparison: any Comparison) -> FixedHorizon? {
        if isZeroOne {
            return FixedHorizon.twoProportions(
                own: (hits(arm), Double(units[arm].count)), other: (hits(0), Double(units[0].count)), alpha: question.alpha)
        }
        if let quantiles = comparison as? QuantileComparison { return FixedHorizon.quantiles(quantiles, alpha: question.alpha) }
        let (own, other) = (spread(arm), spread(0))
        if column.kind == .ratio {
            return FixedHorizon.normal(
                "delta method", difference: comparison.difference, error: (own.error + other.error).squareRoot(),
                alpha: question.alpha)
        }
        return FixedHorizon.welch(
            own: (own.figure, own.error * own.count, own.count), other: (other.figure, other.error * other.count, other.count),
            alpha: question.alpha)
    }

    /// The figure, its squared standard error with n - 1, and the number of units.
    private func spread(_ arm: Int) -> (figure: Double, error: Double, count: Double) {
        let (moments, count) = (moments(arm), Double(units[arm].count))
        let error = count > 1 ? moments.variance(about: moments.figure) * count / (count - 1) : .infinity
        return (moments.figure, error, count)
    }

    /// Of the difference with control, by what was known before.
    private func varianceReduction(of arm: Int) -> Double? {
        guard theta != nil else { return nil }
        let (own, other) = (raw(arm), raw(0))
        let plain = own.variance(about: own.figure) + other.variance(about: other.figure)
        let (adjusted, adjustedOther) = (moments(arm), moments(0))
        let rest = adjusted.variance(about: adjusted.figure) + adjustedOther.variance(about: adjustedOther.figure)
        return plain > 0 && plain.isFinite ? 1 - rest / plain : nil
    }

    private func belief(_ reading: ArmReading) -> Belief? {
        if isZeroOne { return Belief.ofRate(hits: hits(reading.arm), of: Double(units[reading.arm].count)) }
        let error =
            column.kind == .quantile
            ? distribution(reading.arm).standardError(of: column.quantile) : spread(reading.arm).error.squareRoot()
        let mean = column.kind == .quantile ? reading.mean ?? 0 : spread(reading.arm).figure
        guard error.isFinite, units[reading.arm].count > 1 else { return nil }
        return .normal(mean: mean, deviation: error)
    }

    private var method: String {
        switch column.kind {
        case .binary where isZeroOne: "always-valid likelihood ratio of variants given outcomes, one value a unit"
        case .binary, .count, .mean, .ratio:
            "asymptotic confidence sequence over units, variance about the claim"
                + (column.kind == .ratio ? ", delta method" : "") + (theta.map { ", CUPED with theta \($0)" } ?? "")
        case .quantile: "always-valid profile likelihood of the shares below two quantiles, over rows, variance over units"
        }
    }
}
