public import Faults
public import JSON
import Statistics

/// The same comparisons on data from elsewhere, at rest: units are gathered exactly.
///
/// A unit's value is the mean of its rows for `binary` and `mean`, their sum for `count`, the sums of both columns for `ratio`; a
/// quantile is over rows, its variance over units. A unit without a value does not count, except for `count`, where it is a zero.
/// Units seen in several variants are left out and counted.
public struct OfflineAnalysis: Sendable {
    public let question: OfflineQuestion
    public let rows: Int
    public let unitsInSeveral: Int
    /// Control first, then in the order of the file.
    public let variants: [String]
    public let counts: [Int]
    /// Pearson's chi-square against the planned shares: a file is looked at once.
    public let sampleRatioPValue: Double?
    /// Valid at every look.
    public let sampleRatioSequentialPValue: Double?
    public private(set) var readings: [MetricReading] = []
    /// Holm's p-values over all metrics and variants, by metric and variant; and which fall by e-BH.
    public private(set) var corrected: [[Double?]] = []
    public private(set) var discoveries: [[Bool]] = []

    public init(path: String, question: OfflineQuestion) throws(Fault) {
        let table = try UnitTable(path: path, question)
        self.question = question
        (rows, unitsInSeveral) = (table.rows, table.unitsInSeveral)
        guard let control = table.variants.firstIndex(of: question.control) else {
            let near = Suggestion.closest(to: question.control, among: table.variants).map { "did you mean '\($0)'? " } ?? ""
            throw Fault(
                .badConfiguration, what: "no row is of variant '\(question.control)'",
                why: "column '\(question.variant)' has \(table.variants.prefix(10).joined(separator: ", "))",
                fix: near + "name control as it stands in the file")
        }
        let order = [control] + table.variants.indices.filter { $0 != control }
        variants = order.map { table.variants[$0] }
        counts = order.map { variant in table.assigned.count { $0 == variant } }
        for name in question.shares.keys.sorted() where !variants.contains(name) {
            throw Fault(
                .usage, what: "--share names '\(name)'", why: "no row is of such a variant: \(variants.joined(separator: ", "))",
                fix: "name variants as they stand in the file")
        }
        let shares = variants.map { question.shares.isEmpty ? 1 : question.shares[$0] ?? 0 }
        sampleRatioPValue = SampleRatio.pValue(counts: counts.map(Double.init), shares: shares)
        let wealth = shares.reduce(0, +) > 0 ? SampleRatio.logWealth(counts: counts.map(Double.init), shares: shares) : 0
        sampleRatioSequentialPValue = min(1, exponential(-wealth))
        var wealths: [[Double]] = []
        for place in question.metrics.indices {
            let column = OfflineColumn(table, place, order, question)
            let (reading, logs) = column.reading(variants: variants)
            readings.append(reading)
            wealths.append(logs)
        }
        correct(wealths)
    }

    /// Over all metrics and variants together.
    private mutating func correct(_ wealths: [[Double]]) {
        let places = readings.indices.flatMap { metric in variants.indices.dropFirst().map { (metric, $0) } }
        let asked = places.filter { readings[$0.0].arms[$0.1].pValue != nil }
        let holm = Multiplicity.holm(asked.map { readings[$0.0].arms[$0.1].pValue ?? 1 })
        let falls = Multiplicity.discoveries(logValues: asked.map { wealths[$0.0][$0.1] }, alpha: question.alpha)
        corrected = readings.map { _ in variants.map { _ in nil } }
        discoveries = readings.map { _ in variants.map { _ in false } }
        for (place, (metric, variant)) in asked.enumerated() {
            corrected[metric][variant] = holm[place]
            discoveries[metric][variant] = falls[place]
        }
    }

    public var json: JSONValue {
        func number(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
        let metrics = readings.enumerated().map { place, reading -> JSONValue in
            guard case .object(var members) = reading.json(names: variants) else { return .null }
            let arms = (members["variants"]?.arrayValue ?? []).enumerated().map { arm, value -> JSONValue in
                guard case .object(var shown) = value else { return value }
                shown["p_value_corrected"] = number(corrected[place][arm])
                shown["discovery"] = arm == 0 ? .null : .bool(discoveries[place][arm])
                shown["sample_ratio_p_value"] = number(sampleRatioPValue)
                return .object(shown)
            }
            members["variants"] = .array(arms)
            return .object(members)
        }
        let units = Dictionary(zip(variants, counts.map { JSONValue.integer(Int64($0)) }), uniquingKeysWith: { first, _ in first })
        return [
            "control": .string(variants[0]), "alpha": .number(question.alpha), "rows": .integer(Int64(rows)),
            "units": .integer(Int64(counts.reduce(0, +))), "units_by_variant": .object(units),
            "units_in_several_variants": .integer(Int64(unitsInSeveral)), "sample_ratio_p_value": number(sampleRatioPValue),
            "sample_ratio_p_value_always_valid": number(sampleRatioSequentialPValue),
            "sample_ratio_ok": .bool((sampleRatioPValue ?? 1) >= ShareWatch.alpha),
            "correction":
                "p_value_corrected: Holm over all metrics and variants; discovery: e-BH over the same; intervals are each at alpha",
            "metrics": .array(metrics),
        ]
    }
}
