import JSON
import Telemetry

/// How an experiment is shown: the verdict first, the evidence beside it, the next command last.
enum ExperimentScreen {
    /// `now` is what the running time is counted to.
    static func text(_ status: JSONValue, _ style: Style, now: Timestamp) -> String {
        var lines = [head(status, style, now)]
        if let because = status["question"]?.stringValue ?? status["because"]?.stringValue { lines.append("  because  \(because)") }
        lines += shares(status, style, now)
        let variants = variants(status, style)
        if !variants.isEmpty { lines.append(variants) }
        lines += guards(status, style)
        if let budget = status["budget"]?["text"]?.stringValue {
            let spent = status["budget"]?["spent_usd"]?.numberValue.map { ", \(Figures.significant($0, 3)) USD spent" } ?? ""
            lines.append("  budget   \(budget)\(spent)")
        }
        lines += remarks(status, style)
        lines.append("next: \(next(status))")
        return lines.joined(separator: "\n")
    }

    /// One line, for logs and lists: what moved since the last look can be seen in it.
    static func line(_ status: JSONValue) -> String {
        var parts = [name(status), status["state"]?.stringValue ?? ""]
        parts += (status["variants"]?.arrayValue ?? []).map { variant in
            variant["retired"] == true
                ? "\(variant["name"]?.stringValue ?? "") retired"
                : "\(variant["name"]?.stringValue ?? "") \(variant["share"]?.numberValue.map(Figures.share) ?? "")"
        }
        if let outcome = status["verdict"]?["outcome"]?.stringValue { parts.append(outcome) }
        return parts.joined(separator: "  ")
    }

    /// Nothing more will happen.
    static func isDecided(_ status: JSONValue) -> Bool {
        ["promoted", "stopped", "failed"].contains(status["state"]?.stringValue ?? "")
    }

    static func name(_ status: JSONValue) -> String { status["name"]?.stringValue ?? "" }

    // MARK: The verdict

    private static func head(_ status: JSONValue, _ style: Style, _ now: Timestamp) -> String {
        let verdict = sentence(status, style)
        let width = max(72, Table.width(verdict) + 3)
        return verdict + String(repeating: " ", count: width - Table.width(verdict)) + standing(status, style, now)
    }

    /// `friendlier beats control: resolved +3.1 points [+0.4, +5.9], valid at every look`
    static func sentence(_ status: JSONValue, _ style: Style) -> String {
        let control = status["control"]?.stringValue ?? "control"
        let name = style.strong(name(status))
        switch status["state"]?.stringValue {
        case "failed": return "\(name) \(style.bad("could not begin"))"
        case "promoted":
            let base = status["base"]?.stringValue.map { " (as \($0))" } ?? ""
            return "\(name): \(style.good("\(status["winner"]?.stringValue ?? "") promoted"))\(base)"
        default: break
        }
        guard let primary = primary(status), let told = told(status, primary), let difference = told["difference"]?.numberValue
        else {
            return "\(name): nothing is known yet"
        }
        let figures = ExperimentFigures(metric: primary)
        let seen = "\(primary["metric"]?.stringValue ?? "") \(figures.difference(difference)) \(figures.interval(told["interval"]))"
        let variant = told["variant"]?.stringValue ?? ""
        switch status["verdict"]?["outcome"]?.stringValue {
        case "better": return "\(style.good("\(variant) beats \(control)")): \(seen), valid at every look"
        case "worse": return "\(style.bad("\(control) stays best")): \(variant) \(seen), valid at every look"
        case "equivalent": return "\(style.strong("no difference that matters")): \(variant) \(seen), valid at every look"
        default: return "\(name) is \(style.open("undecided")): \(variant) \(seen)"
        }
    }

    /// `running 22 m, 8 411 users`
    private static func standing(_ status: JSONValue, _ style: Style, _ now: Timestamp) -> String {
        let users = Figures.count(status["units"]?.integerValue ?? 0)
        let start = moment(status["started_at"]) ?? moment(status["applied_at"])
        let end = moment(status["ended_at"]) ?? now
        let time = start.map { " " + Figures.duration(max(.zero, end - $0)) } ?? ""
        return "\(ExperimentList.state(status, style))\(time), \(users) users"
    }

    // MARK: Shares

    /// `  share    control     31 %  ██████░░░░  ▅▅▄▃▂▂▂   thompson, re-weighted 2 s ago`
    private static func shares(_ status: JSONValue, _ style: Style, _ now: Timestamp) -> [String] {
        guard !isDecided(status) else { return [] }
        let points = status["course"]?["shares"]?.arrayValue ?? []
        let strategy = status["allocation"]?["strategy"]?.stringValue ?? ""
        let moved = moment(status["allocation"]?["reweighted_at"]).map {
            ", re-weighted \(Figures.duration(max(.zero, now - $0))) ago"
        }
        let coverage = status["coverage"]?.numberValue ?? 1
        let part = coverage < 1 ? ", of \(Figures.share(coverage)) of the units" : ""
        var table = Table([], indent: 0)
        for (place, variant) in (status["variants"]?.arrayValue ?? []).enumerated() {
            let (share, isRetired) = (variant["share"]?.numberValue ?? 0, variant["retired"] == true)
            let history = points.compactMap { $0["shares"]?[place]?.numberValue }
            table.add([
                place == 0 ? "  share  " : "", variant["name"]?.stringValue ?? "", isRetired ? "retired" : Figures.share(share),
                ExperimentFigures.bar(share, width: 20), history.count > 1 ? ExperimentFigures.sparkline(history, width: 24) : "",
                place == 0 ? style.faint("\(strategy) shares\(moved ?? "")\(part)") : "",
            ])
        }
        return table.rows.isEmpty ? [] : [table.text(.plain)]
    }

    // MARK: Figures

    private static func variants(_ status: JSONValue, _ style: Style) -> String {
        guard let primary = primary(status) else { return "" }
        let figures = ExperimentFigures(metric: primary)
        let scores = Dictionary(
            (status["variants"]?.arrayValue ?? []).map { ($0["name"]?.stringValue ?? "", $0["offline_score"]?.numberValue) },
            uniquingKeysWith: { first, _ in first })
        let hasScores = scores.values.contains { $0 != nil }
        let metric = primary["metric"]?.stringValue ?? ""
        var table = Table(
            ["variant", "users", metric, "against control", "95 % always-valid", "p", "best"] + (hasScores ? ["offline"] : []),
            indent: 2)
        for arm in primary["variants"]?.arrayValue ?? [] {
            let name = arm["variant"]?.stringValue ?? ""
            let relative = arm["relative_difference"]?.numberValue.map { " (\(ExperimentFigures.percent($0)))" } ?? ""
            var row = [
                name, Figures.count(arm["units"]?.integerValue ?? 0), arm["mean"]?.numberValue.map(figures.mean) ?? "",
                arm["difference"]?.numberValue.map { figures.difference($0) + relative } ?? "", figures.interval(arm["interval"]),
                arm["p_value"]?.numberValue.map(ExperimentFigures.pValue) ?? "",
                arm["probability_best"]?.numberValue.map(ExperimentFigures.chance) ?? "",
            ]
            if hasScores { row.append((scores[name] ?? nil).map { Figures.significant($0, 3) } ?? "") }
            table.add(row)
        }
        return table.text(style)
    }

    /// `  guards   latency_ms +2 % ok   cost_usd +1.1 % ok   sample ratio ok`
    private static func guards(_ status: JSONValue, _ style: Style) -> [String] {
        let metrics = status["evidence"]?["metrics"]?.arrayValue ?? []
        guard !metrics.isEmpty else { return [] }
        var parts: [String] = []
        for (place, guardrail) in (status["guardrails"]?.arrayValue ?? []).enumerated() where metrics.indices.contains(place + 1) {
            let seen = (metrics[place + 1]["variants"]?.arrayValue ?? []).compactMap { $0["relative_difference"]?.numberValue }
            let most = seen.max { abs($0) < abs($1) }
            let name = guardrail["name"]?.stringValue ?? ""
            let isHurt = status["verdict"]?["stopped_by"]?.stringValue?.hasPrefix(name) == true
            guard let most else {
                parts.append("\(name) nothing yet")
                continue
            }
            parts.append("\(name) \(ExperimentFigures.percent(most)) \(isHurt ? style.bad("broken") : style.good("ok"))")
        }
        if let blocked = status["verdict"]?["blocked_by"]?.stringValue {
            parts.append(style.bad(blocked))
        } else if metrics.first?["variants"]?[0]?["units"]?.integerValue ?? 0 > 0 {
            parts.append("sample ratio \(style.good("ok"))")
        }
        return parts.isEmpty ? [] : ["  guards   \(parts.joined(separator: "   "))"]
    }

    private static func remarks(_ status: JSONValue, _ style: Style) -> [String] {
        var remarks: [String] = []
        let reduction = (primary(status)?["variants"]?.arrayValue ?? []).compactMap { $0["variance_reduction"]?.numberValue }.max()
        if let reduction {
            remarks.append(
                "past     what was known of units before takes \(Figures.significant(reduction * 100, 0)) % off the variance")
        }
        if let needed = status["verdict"]?["still_needed"]?.stringValue, !isDecided(status) { remarks.append("needs    \(needed)") }
        if !isDecided(status), let primary = primary(status), let best = likelyBest(primary),
            let chance = best["probability_best"]?.numberValue
        {
            let left = ExperimentFigures.chance(max(0, 1 - chance))
            remarks.append(
                style.faint("if stopped now: \(best["variant"]?.stringValue ?? ""); chance that it is not the best \(left)"))
        }
        if let trouble = status["trouble"], let what = trouble["what"]?.stringValue {
            remarks.append("trouble  \(what)\(trouble["why"]?.stringValue.map { " (\($0))" } ?? "")")
            if let fix = trouble["fix"]?.stringValue { remarks.append("fix      \(fix)") }
        }
        if let release = status["release"]?["text"]?.stringValue { remarks.append("release  \(release)") }
        remarks += (status["notes"]?.arrayValue ?? []).compactMap(\.stringValue).map { style.faint("note     \($0)") }
        return remarks.map { "  \($0)" }
    }

    // MARK: Parts

    static func primary(_ status: JSONValue) -> JSONValue? { status["evidence"]?["metrics"]?.arrayValue?.first }

    private static func likelyBest(_ primary: JSONValue) -> JSONValue? {
        primary["variants"]?.arrayValue?.max {
            ($0["probability_best"]?.numberValue ?? 0) < ($1["probability_best"]?.numberValue ?? 0)
        }
    }

    /// The variant a sentence is about: the winner, else the rival of control that is most likely best.
    private static func told(_ status: JSONValue, _ primary: JSONValue) -> JSONValue? {
        let rivals = (primary["variants"]?.arrayValue ?? []).filter { $0["variant"] != status["control"] }
        if let winner = status["verdict"]?["winner"], let found = rivals.first(where: { $0["variant"] == winner }) { return found }
        return rivals.max { ($0["probability_best"]?.numberValue ?? 0) < ($1["probability_best"]?.numberValue ?? 0) }
    }

    private static func moment(_ json: JSONValue?) -> Timestamp? { json?.stringValue.flatMap(Timestamp.init(rfc3339:)) }

    /// What a person may want to type now.
    private static func next(_ status: JSONValue) -> String {
        let verbs = (status["next"]?.arrayValue ?? []).compactMap(\.stringValue)
        return "openclaw experiment \(verbs.map { "\($0) \(name(status))" }.joined(separator: " | "))"
    }
}
