public import JSON
import Statistics

/// What a person says of a metric and its route where nothing, or something else, was seen of them.
public struct PlanAssumption: Sendable, Equatable {
    /// Control's figure.
    public var baseline: Double?
    /// Of one value, around the figure.
    public var deviation: Double?
    /// New units of the route.
    public var unitsPerDay: Double?

    public init(baseline: Double? = nil, deviation: Double? = nil, unitsPerDay: Double? = nil) {
        (self.baseline, self.deviation, self.unitsPerDay) = (baseline, deviation, unitsPerDay)
    }

    /// `{"baseline", "deviation", "units_per_day"}`, each of which may be missing.
    public init(_ json: JSONValue?) {
        self.init(
            baseline: json?["baseline"]?.numberValue, deviation: json?["deviation"]?.numberValue,
            unitsPerDay: json?["units_per_day"]?.numberValue)
    }

    var saysMetric: Bool { baseline != nil || deviation != nil }
}

extension SeenMetric {
    /// What follows from what a person said; and where nothing was said, the worst that can be, or a small effect.
    static func assumed(_ metric: Metric, _ given: PlanAssumption) -> SeenMetric {
        let effect = metric.minimumEffect ?? 1
        var (variance, how) = spread(metric, given, effect)
        if metric.kind == .quantile {
            // Of a normal distribution with that deviation.
            let q = metric.quantile ?? 0.5
            let z = NormalDistribution.quantile(q)
            let density = NormalDistribution.density(z)
            variance *= q * (1 - q) / (density * density)
            how += ", normally distributed"
        }
        return SeenMetric(baseline: given.baseline, variancePerUnit: variance, assumption: how)
    }

    private static func spread(_ metric: Metric, _ given: PlanAssumption, _ effect: Double) -> (Double, String) {
        if let deviation = given.deviation, metric.kind != .binary {
            return (deviation * deviation, "a deviation of \(ExperimentPlan.text(deviation)), as was said")
        }
        switch (metric.kind, given.baseline) {
        case (.binary, let baseline?) where baseline > 0 && baseline < 1:
            return (baseline * (1 - baseline), "a share of \(ExperimentPlan.text(baseline)), as was said")
        case (.binary, _): return (0.25, "a share of one half, where units differ most; say another with --baseline")
        case (.count, let baseline?) where baseline > 0:
            return (baseline, "\(ExperimentPlan.text(baseline)) events a unit by chance alone (Poisson); say more with --deviation")
        case (_, let baseline?) where baseline != 0:
            return (baseline * baseline, "a deviation as large as the figure said; say another with --deviation")
        case (.count, _), (.mean, _), (.ratio, _), (.quantile, _):
            let deviation = 10 * effect
            return (
                deviation * deviation,
                "a deviation of ten minimum effects, \(ExperimentPlan.text(deviation)), for want of anything known; say it with --deviation"
            )
        }
    }
}
