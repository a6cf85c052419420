import Faults
import Outcomes
import Routing
import Statistics
import Telemetry

/// What a route's recent traffic says of a metric: where it stands, and by how much units differ, so that a plan can count.
struct SeenMetric: Sendable, Equatable {
    /// The metric's figure today; nil where nobody knows it.
    var baseline: Double?
    /// The variance of the figure times `units`: as of one unit, whatever a unit repeats.
    var variancePerUnit: Double
    /// Units that said something.
    var units: Double
    /// Where this does not come from what was seen: from what else.
    var assumption: String?

    /// Fewer units say nothing of how they differ.
    static let unitsMin = 30.0

    /// Nil where too little is known.
    static func read(
        _ metric: Metric, of route: RouteID, in traffic: RecentTraffic, _ outcomes: OutcomeStore, span: Duration, newest: Int64
    ) async throws(Fault) -> SeenMetric? {
        if let automatic = AutomaticMetric(rawValue: metric.name) { return SeenMetric(metric, automatic, traffic) }
        let now = Timestamp.now()
        guard metric.kind != .quantile else {
            let values = try await outcomes.values(of: route, metric: metric.name, span: span, now: now)
            return SeenMetric(quantile: metric.quantile ?? 0.5, of: values)
        }
        let spread = try await outcomes.spread(
            of: route, metric: metric.name, over: metric.denominator, span: span, now: now, newest: newest)
        return SeenMetric(metric, spread, among: traffic.units)
    }

    /// Of what the gateway measures: from its newest answers.
    private init?(_ metric: Metric, _ automatic: AutomaticMetric, _ traffic: RecentTraffic) {
        let values =
            traffic.newest.compactMap { exposure in automatic.value(of: exposure).map { (unit: exposure.unit, value: $0) } }
            + traffic.newestUsages.compactMap { usage in automatic.value(of: usage).map { (unit: usage.unit, value: $0) } }
        guard metric.kind != .quantile else {
            self.init(quantile: metric.quantile ?? 0.5, of: values)
            return
        }
        var sums: [UInt64: (value: Double, size: Double)] = [:]
        for (unit, value) in values {
            let known = sums[unit] ?? (0, 0)
            sums[unit] = (known.value + value, known.size + 1)
        }
        var spread = UnitSpread()
        for sum in sums.values { spread.add(value: sum.value, size: sum.size) }
        self.init(metric, spread, among: spread.units)
    }

    /// `among`: all units that were there; a count is a zero for those that said nothing.
    private init?(_ metric: Metric, _ spread: UnitSpread, among all: Double) {
        var spread = spread
        if metric.kind == .count {
            spread.units = max(spread.units, all)
            (spread.sizes, spread.sizeSquares, spread.products) = (spread.units, spread.units, spread.values)
        }
        guard spread.units >= Self.unitsMin, let figure = spread.figure, var variance = spread.variancePerUnit else { return nil }
        // A share that was never seen to differ may still do so.
        if metric.kind == .binary { variance = max(variance, 1e-4) }
        guard variance > 0, variance.isFinite else { return nil }
        self.init(baseline: figure, variancePerUnit: variance, units: spread.units)
    }

    /// From how close values lie at the quantile, and how those of one unit go together.
    private init?(quantile q: Double, of values: [(unit: UInt64, value: Double)]) {
        let all = EmpiricalDistribution(of: values.map(\.value))
        guard let figure = all.quantile(q) else { return nil }
        var sums: [UInt64: (above: Double, size: Double)] = [:]
        for (unit, value) in values {
            let known = sums[unit] ?? (0, 0)
            sums[unit] = (known.above + (value > figure ? 1 : 0), known.size + 1)
        }
        var spread = UnitSpread()
        for sum in sums.values { spread.add(value: sum.above, size: sum.size) }
        guard spread.units >= Self.unitsMin, let clustered = spread.variancePerUnit else { return nil }
        let independent = q * (1 - q) / spread.sizes * spread.units
        let effect = max(1, clustered / independent)
        let distribution = EmpiricalDistribution(of: values.map(\.value), effective: Double(values.count) / effect)
        let error = distribution.standardError(of: q)
        guard error > 0 else { return nil }
        self.init(baseline: figure, variancePerUnit: error * error * spread.units, units: spread.units)
    }

    init(baseline: Double?, variancePerUnit: Double, assumption: String) {
        (self.baseline, self.variancePerUnit, units, self.assumption) = (baseline, variancePerUnit, 0, assumption)
    }

    private init(baseline: Double, variancePerUnit: Double, units: Double) {
        (self.baseline, self.variancePerUnit, self.units) = (baseline, variancePerUnit, units)
    }
}
