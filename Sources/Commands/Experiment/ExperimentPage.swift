import JSON
import Telemetry

/// An experiment's report as one HTML page: no script, nothing fetched, readable in light and dark.
enum ExperimentPage {
    static func html(_ report: JSONValue) -> String {
        let name = ExperimentScreen.name(report)
        let verdict = escaped(ExperimentScreen.sentence(report, .plain))
        let reason = escaped(report["because"]?.stringValue ?? report["verdict"]?["reason"]?.stringValue ?? "")
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(escaped(name))</title><style>\(style)</style></head><body><main>
            <p class="kind">experiment \(escaped(name)) on route \(escaped(report["route"]?.stringValue ?? ""))</p>
            <h1>\(verdict)</h1>
            <p>\(reason)</p>
            \(facts(report))
            \(figure("Share of users by variant", SharePlot.svg(report), legend(report)))
            \(figure(differenceTitle(report), DifferencePlot.svg(report), ""))
            \(metrics(report))
            \(decisions(report))
            <p class="foot">Intervals and p-values hold at every look. Made \(escaped(Figures.moment(report["reported_at"]?.stringValue ?? ""))) by OpenClaw.</p>
            </main></body></html>
            """
    }

    static let style = """
        :root{color-scheme:light dark;--ink:#1c1b19;--faint:#6f6b64;--line:#d9d4cb;--paper:#faf8f4;--good:#2f7d4f;--bad:#b3402e}
        @media(prefers-color-scheme:dark){:root{--ink:#ece8e0;--faint:#9a958b;--line:#3a3732;--paper:#171614;--good:#6fc08f;--bad:#e58a77}}
        body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 ui-sans-serif,system-ui,sans-serif}
        main{max-width:60rem;margin:0 auto;padding:3rem 1.25rem}
        h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 1rem;text-wrap:balance}h2{font-size:1.05rem;margin:2.4rem 0 .6rem}
        .kind,.foot{color:var(--faint);font-size:.9rem}
        dl{display:flex;flex-wrap:wrap;gap:1.2rem 2.4rem;margin:1.5rem 0}dt{color:var(--faint);font-size:.85rem}dd{margin:0;font-size:1.15rem}
        .wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
        th,td{text-align:right;padding:.4rem .7rem;border-bottom:1px solid var(--line);white-space:nowrap}
        th:first-child,td:first-child{text-align:left}th{font-weight:500;color:var(--faint)}td.text{text-align:left;white-space:normal}
        figure{margin:2.4rem 0 0}figcaption{font-size:1.05rem;font-weight:600;margin-bottom:.4rem}svg{width:100%;height:auto;display:block}
        svg text{fill:var(--faint);font-size:12px}.axis{stroke:var(--line)}.legend{font-size:.9rem;color:var(--faint)}
        .legend i{display:inline-block;width:.8em;height:.8em;margin:0 .35em 0 1em;vertical-align:-.05em;border-radius:2px}
        """

    /// What the colours stand for, in the order of the variants.
    static let colours = ["#8a8479", "#2f6fb0", "#c0702b", "#2f8f6f", "#9256a8", "#b8465f", "#6c7f2b", "#3f8fa3"]
    static func colour(_ place: Int) -> String { colours[place % colours.count] }

    private static func facts(_ report: JSONValue) -> String {
        var facts: [(String, String)] = [
            ("state", report["state"]?.stringValue ?? ""), ("users", Figures.count(report["units"]?.integerValue ?? 0)),
        ]
        let start = moment(report["started_at"])
        if let start, let end = moment(report["ended_at"]) ?? moment(report["reported_at"]) {
            facts.append(("ran", Figures.duration(max(.zero, end - start))))
        }
        if let seconds = report["seconds_to_first_user"]?.numberValue { facts.append(("to first user", time(seconds))) }
        if let seconds = report["seconds_to_decision"]?.numberValue { facts.append(("to decision", time(seconds))) }
        facts.append(("shares", report["allocation"]?["strategy"]?.stringValue ?? ""))
        return "<dl>" + facts.map { "<div><dt>\(escaped($0.0))</dt><dd>\(escaped($0.1))</dd></div>" }.joined() + "</dl>"
    }

    private static func time(_ seconds: Double) -> String {
        seconds < 1 ? "\(Figures.significant(seconds * 1_000, 0)) ms" : Figures.duration(.milliseconds(Int64(seconds * 1_000)))
    }

    static func figure(_ title: String, _ svg: String, _ legend: String) -> String {
        svg.isEmpty ? "" : "<figure><figcaption>\(escaped(title))</figcaption>\(legend)\(svg)</figure>"
    }

    private static func legend(_ report: JSONValue) -> String {
        let items = (report["variants"]?.arrayValue ?? []).enumerated().map { place, variant in
            "<i style=\"background:\(colour(place))\"></i>\(escaped(variant["name"]?.stringValue ?? ""))"
        }
        return "<div class=\"legend\">\(items.joined())</div>"
    }

    private static func differenceTitle(_ report: JSONValue) -> String {
        "Difference from control on \(report["primary"]?.stringValue ?? ""), with its always-valid interval"
    }

    // MARK: Tables

    private static func metrics(_ report: JSONValue) -> String {
        let variants = report["variants"]?.arrayValue ?? []
        let scores = Dictionary(
            variants.map { ($0["name"]?.stringValue ?? "", $0["offline_score"]?.numberValue) }, uniquingKeysWith: { one, _ in one })
        return (report["evidence"]?["metrics"]?.arrayValue ?? []).enumerated().map { place, metric in
            let hasScores = place == 0 && scores.values.contains { $0 != nil }
            let figures = ExperimentFigures(metric: metric)
            let rows = (metric["variants"]?.arrayValue ?? []).map { arm in
                let name = arm["variant"]?.stringValue ?? ""
                var cells = [
                    name, Figures.count(arm["units"]?.integerValue ?? 0), Figures.count(arm["observations"]?.integerValue ?? 0),
                    arm["mean"]?.numberValue.map(figures.mean) ?? "", arm["difference"]?.numberValue.map(figures.difference) ?? "",
                    arm["relative_difference"]?.numberValue.map(ExperimentFigures.percent) ?? "", figures.interval(arm["interval"]),
                    arm["p_value"]?.numberValue.map(ExperimentFigures.pValue) ?? "",
                    arm["probability_best"]?.numberValue.map(ExperimentFigures.chance) ?? "",
                ]
                if hasScores { cells.append((scores[name] ?? nil).map { Figures.significant($0, 3) } ?? "") }
                return "<tr>" + cells.map { "<td>\(escaped($0))</td>" }.joined() + "</tr>"
            }
            let heads =
                ["variant", "users", "observations", "figure", "against control", "relative", "always-valid", "p", "best"]
                + (hasScores ? ["offline score"] : [])
            let reduction = (metric["variants"]?.arrayValue ?? []).compactMap { $0["variance_reduction"]?.numberValue }.max()
            let less = reduction.map { "; \(Figures.significant($0 * 100, 0)) % less variance by it" } ?? ""
            return """
                <h2>\(escaped(metric["metric"]?.stringValue ?? "")) (\(escaped(metric["type"]?.stringValue ?? "")))</h2>
                <div class="wide"><table><tr>\(heads.map { "<th>\($0)</th>" }.joined())</tr>\(rows.joined())</table></div>
                <p class="kind">\(escaped((metric["method"]?.stringValue ?? "") + less))</p>
                """
        }.joined()
    }

    private static func decisions(_ report: JSONValue) -> String {
        let rows = (report["decisions"]?.arrayValue ?? []).map { decision in
            """
            <tr><td>\(decision["entry"]?.integerValue ?? 0)</td><td>\(escaped(Figures.moment(decision["at"]?.stringValue ?? "")))</td>\
            <td class="text">\(escaped(decision["what"]?.stringValue ?? ""))</td><td class="text">\(escaped(decision["because"]?.stringValue ?? ""))</td></tr>
            """
        }
        guard !rows.isEmpty else { return "" }
        return """
            <h2>Decisions, by ledger entry</h2><div class="wide"><table><tr><th>entry</th><th>at</th><th>what</th><th>because</th></tr>\(rows.joined())</table></div>
            """
    }

    static func moment(_ json: JSONValue?) -> Timestamp? { json?.stringValue.flatMap(Timestamp.init(rfc3339:)) }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
