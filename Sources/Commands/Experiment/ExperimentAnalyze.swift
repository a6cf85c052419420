import Arguments
import Experiments
import Faults
import JSON
import Statistics

/// `openclaw experiment analyze --csv FILE ...`: the analysis of live experiments, on data from elsewhere and without a daemon.
enum ExperimentAnalyze {
    static let command = Command(
        "experiment analyze", summary: "Compare variants in a file of outcomes, as live experiments are compared",
        discussion: """
            Reads comma-separated values, one row an observation. Rows of one unit are gathered first: a unit's value is the mean \
            of its rows for binary and mean, their sum for count, the sums of both columns for ratio (--denominator); a quantile \
            is over rows, with the variance over units. A unit without a value counts for count alone, as a zero; a unit seen in \
            several variants is left out. Intervals and p-values are valid at every look; --fixed adds the textbook test (Welch, \
            two proportions, delta method), which is not.

              openclaw experiment analyze --csv outcomes.csv --unit user --variant arm --control A \\
                --metric resolved:binary --metric latency_ms:quantile:0.95:down --json
            """,
        parameters: [
            .option("csv", "FILE", "Comma-separated values (RFC 4180) with column names in the first line"),
            .option("unit", "COL", "The column that names the unit, such as a user"),
            .option("variant", "COL", "The column that names the variant"),
            .option("control", "NAME", "The variant that others are compared with"),
            .option(
                "metric", "COL:TYPE", "A column and binary, count, mean, ratio or quantile:Q; `:down` where less is better",
                repeats: true),
            .option("covariate", "COL", "The same units before the experiment, for CUPED"),
            .option("denominator", "COL", "What a ratio divides by: one for all ratios, or one for each in turn", repeats: true),
            .option("share", "NAME=SHARE", "A planned share, such as B=10%; standard: equal ones", repeats: true),
            .option("planned-units", "N", "Where the intervals are tightest; standard 5000"),
            .option("alpha", "A", "Standard 0.05"),
            .flag("fixed", "Also the textbook test, for data that are looked at once"),
        ]
    ) { invocation in
        let analysis = try OfflineAnalysis(path: required("csv", invocation), question: question(invocation))
        Output(invocation).show(analysis.json) { text(analysis, $0) }
    }

    private static func required(_ name: String, _ invocation: Invocation) throws(Fault) -> String {
        guard let value = invocation.value(name), !value.isEmpty else {
            throw Fault(
                .usage, what: "--\(name) is missing", why: "`experiment analyze` cannot guess it",
                fix: "`openclaw experiment analyze --help` has an example")
        }
        return value
    }

    private static func question(_ invocation: Invocation) throws(Fault) -> OfflineQuestion {
        _ = try required("metric", invocation)
        let denominators = invocation.values("denominator")
        var metrics: [OfflineQuestion.Column] = []
        var ratios = 0
        for text in invocation.values("metric") {
            var column = try OfflineQuestion.Column(parsing: text)
            if column.kind == .ratio {
                guard let denominator = denominators.count == 1 ? denominators[0] : denominators.dropFirst(ratios).first else {
                    throw Fault(
                        .usage, what: "the ratio '\(column.name)' has no denominator",
                        why: "\(denominators.count) given", fix: "add --denominator COLUMN, one for all ratios or one for each")
                }
                column.denominator = denominator
                ratios += 1
            }
            metrics.append(column)
        }
        guard ratios > 0 || denominators.isEmpty else {
            throw Fault(.usage, what: "--denominator is given", why: "no metric is a ratio", fix: "write --metric COLUMN:ratio")
        }
        return OfflineQuestion(
            unit: try required("unit", invocation), variant: try required("variant", invocation),
            control: try required("control", invocation), metrics: metrics, covariate: invocation.value("covariate"),
            alpha: try invocation.number("alpha", within: 1e-9, 0.5) ?? 0.05, isFixed: invocation.has("fixed"),
            shares: try shares(invocation), plannedUnits: try invocation.number("planned-units", within: 1, 1e12))
    }

    private static func shares(_ invocation: Invocation) throws(Fault) -> [String: Double] {
        var shares: [String: Double] = [:]
        for text in invocation.values("share") {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            let figure = parts.count == 2 ? Double(parts[1].hasSuffix("%") ? String(parts[1].dropLast()) : parts[1]) : nil
            guard let figure, figure >= 0, figure.isFinite else {
                throw Fault(
                    .usage, what: "--share \(text) is not a share", why: "a share is NAME=NUMBER, of any scale",
                    fix: "write --share A=90% --share B=10%")
            }
            shares[parts[0]] = figure
        }
        return shares
    }

    // MARK: for people

    static func text(_ analysis: OfflineAnalysis, _ style: Style) -> String {
        var lines: [String] = []
        for (place, reading) in analysis.readings.enumerated() {
            let reduction = reading.arms.compactMap(\.varianceReduction).max()
            let less = reduction.map { ", \(Figures.significant($0 * 100, 0)) % less variance by it" } ?? ""
            lines.append(
                style.strong("\(reading.metric.name)") + style.faint("  \(reading.metric.kind.rawValue), \(reading.method)\(less)"))
            var heading = ["variant", "units", "mean", "difference", "interval", "relative", "p-value", "corrected", "best"]
            if analysis.question.isFixed { heading.append("looked at once") }
            var table = Table(heading, indent: 2)
            for arm in reading.arms { table.add(row(arm, place, analysis, style)) }
            lines.append(table.text(style))
        }
        lines.append(ratio(analysis, style))
        if analysis.unitsInSeveral > 0 {
            lines.append("\(Figures.count(Int64(analysis.unitsInSeveral))) units were seen in several variants and are left out")
        }
        return lines.joined(separator: "\n")
    }

    private static func row(_ arm: ArmReading, _ place: Int, _ analysis: OfflineAnalysis, _ style: Style) -> [String] {
        func figure(_ value: Double?) -> String { value.map { Figures.significant($0, decimals($0)) } ?? "" }
        var cells = [analysis.variants[arm.arm], Figures.count(Int64(arm.units)), figure(arm.mean), figure(arm.difference)]
        let ends = arm.interval.map { "[\($0.lower.map { figure($0) } ?? "..."), \($0.upper.map { figure($0) } ?? "...")]" }
        let p = arm.pValue.map { "\(probability($0))" }
        let isSure = (arm.pValue ?? 1) < analysis.question.alpha
        cells += [ends ?? "", arm.relativeDifference.map { Figures.significant($0 * 100, 2) + " %" } ?? ""]
        cells += [isSure ? style.good(p ?? "") : p ?? "", analysis.corrected[place][arm.arm].map(probability) ?? ""]
        cells.append(arm.probabilityBest.map { Figures.significant($0 * 100, 1) + " %" } ?? "")
        if let fixed = arm.fixed {
            let ends = [fixed.lower, fixed.upper].map { $0.isFinite ? figure($0) : "..." }.joined(separator: ", ")
            cells.append("p \(probability(fixed.pValue)) [\(ends)]  \(fixed.test)")
        }
        return cells
    }

    private static func ratio(_ analysis: OfflineAnalysis, _ style: Style) -> String {
        guard let p = analysis.sampleRatioPValue else { return "sample ratio: one variant alone, nothing to compare" }
        guard p < 0.001 else { return "sample ratio ok (p \(probability(p)))" }
        return style.bad("SAMPLE RATIO MISMATCH (p \(probability(p)))")
            + ": units are missing from a variant, so no comparison here can be trusted"
    }

    private static func probability(_ p: Double) -> String { p < 0.0001 ? "< 0.0001" : Figures.significant(p, 4) }

    /// Three digits that say something.
    private static func decimals(_ value: Double) -> Int {
        var (decimals, size) = (2, abs(value))
        while size < 1, size > 0, decimals < 10 {
            size *= 10
            decimals += 1
        }
        return decimals
    }
}
