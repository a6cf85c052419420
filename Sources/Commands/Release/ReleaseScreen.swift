import JSON
import Telemetry

/// How a release is shown: the verdict first, the evidence beside it, the next command last.
enum ReleaseScreen {
    /// `now` is what the running time is counted to.
    static func text(_ status: JSONValue, _ style: Style, now: Timestamp) -> String {
        var lines = [head(status, style, now)]
        if let because = because(status) { lines.append("  because  \(because)") }
        let stages = stages(status, style)
        if !stages.isEmpty { lines.append("  stages   \(stages)") }
        let gates = gates(status["verdicts"]?.arrayValue ?? [], style)
        if !gates.isEmpty { lines.append(gates) }
        lines += remarks(status, style)
        lines.append("next: \(next(status))")
        return lines.joined(separator: "\n")
    }

    /// One line, for logs and lists: what moved since the last look can be seen in it.
    static func line(_ status: JSONValue) -> String {
        let verdicts = status["verdicts"]?.arrayValue ?? []
        let decided = verdicts.filter { $0["outcome"] != "undecided" }
        var parts = [name(status)] + standing(status, .plain)
        parts += decided.map { "\($0["gate"]?.stringValue ?? "") \($0["outcome"]?.stringValue ?? "")" }
        if decided.count < verdicts.count { parts.append("\(verdicts.count - decided.count) undecided") }
        return parts.joined(separator: "  ")
    }

    /// Decided for good or bad: nothing more will happen but the bake.
    static func isDecided(_ status: JSONValue) -> Bool {
        ["promoted", "rolled_back", "failed"].contains(status["state"]?.stringValue ?? "") || isDone(status)
    }

    /// Nothing of it is to come by itself; with state `waiting` its stages are done, and none of them promotes.
    static func isDone(_ status: JSONValue) -> Bool { status["stage"] == "done" }

    // MARK: Parts

    static func name(_ status: JSONValue) -> String { status["name"]?.stringValue ?? "" }

    private static func head(_ status: JSONValue, _ style: Style, _ now: Timestamp) -> String {
        let model = status["model"]?.stringValue ?? ""
        let version = status["version"]?.stringValue ?? ""
        let route = status["route"]?.stringValue.map { " on route \($0)" } ?? ""
        let subject = "\(style.strong("\(model) \(version)"))\(route)"
        let width = max(53, Table.width(subject) + 3)
        let standing = (standing(status, style) + [elapsed(status, now)].compactMap(\.self)).joined(separator: "   ")
        return subject + String(repeating: " ", count: width - Table.width(subject)) + standing
    }

    /// `stage monitor_metrics`, `share 25 %`, or how it ended.
    private static func standing(_ status: JSONValue, _ style: Style) -> [String] {
        var parts: [String] = []
        switch status["state"]?.stringValue ?? "" {
        case "promoted": parts.append(style.good("promoted") + (status["baking"]?.boolValue == true ? ", still watched" : ""))
        case "rolled_back": parts.append(style.bad("rolled back"))
        case "failed": parts.append(style.bad("failed"))
        case let state:
            if state != "running" { parts.append(style.open(state)) }
            if let stage = status["stage"]?.stringValue, stage != "done" { parts.append("stage \(stage)") }
            if let share = status["share"]?.numberValue { parts.append("share \(Figures.share(share))") }
        }
        return parts
    }

    /// From its start to its end, or to now.
    private static func elapsed(_ status: JSONValue, _ now: Timestamp) -> String? {
        guard let start = status["started_at"]?.stringValue.flatMap(Timestamp.init(rfc3339:)) else { return nil }
        let end = status["ended_at"]?.stringValue.flatMap(Timestamp.init(rfc3339:)) ?? now
        return Figures.duration(max(.zero, end - start))
    }

    private static func because(_ status: JSONValue) -> String? {
        status["question"]?.stringValue ?? status["because"]?.stringValue
            ?? status["queued_behind"]?.stringValue.map { "\($0) has the route; this one follows" }
    }

    /// `build_artifact ok  smoke_test ok (40 requests, 0 regressions)  canary_deploy 1 % ok, 5 % ok, 25 % now`
    private static func stages(_ status: JSONValue, _ style: Style) -> String {
        (status["stages"]?.arrayValue ?? []).map { stage in
            let name = stage["name"]?.stringValue ?? ""
            let note = stage["note"]?.stringValue
            switch stage["state"]?.stringValue {
            case "done": return "\(name) \(style.good("ok"))\(note.map { " (\($0))" } ?? "")"
            case "running": return "\(name) \(note ?? "now")"
            case "failed": return "\(name) \(style.bad("failed"))\(note.map { " (\($0))" } ?? "")"
            case "idle": return style.faint("\(name) nothing to do")
            default: return style.faint(name)
            }
        }.joined(separator: "  ")
    }

    private static func gates(_ verdicts: [JSONValue], _ style: Style) -> String {
        guard !verdicts.isEmpty else { return "" }
        var table = Table(["gate", "limit", "seen (95 % always-valid)", "n", "verdict"], indent: 2)
        for verdict in verdicts {
            let unit = verdict["unit"]?.stringValue ?? ""
            let interval = Figures.interval(verdict["lower"]?.numberValue, verdict["upper"]?.numberValue, unit: unit)
            let seen = verdict["seen"]?.numberValue.map { Figures.value($0, unit: unit) } ?? "nothing yet"
            table.add([
                verdict["gate"]?.stringValue ?? "", verdict["limit"]?.numberValue.map { Figures.value($0, unit: unit) } ?? "",
                interval.isEmpty ? seen : "\(seen)  \(interval)", Figures.count(verdict["samples"]?.integerValue ?? 0),
                outcome(verdict, style),
            ])
        }
        return table.text(style)
    }

    private static func outcome(_ verdict: JSONValue, _ style: Style) -> String {
        switch verdict["outcome"]?.stringValue {
        case "pass": style.good("pass")
        case "fail": style.bad("fail")
        default: style.open("undecided") + (verdict["reason"]?.stringValue.map { ": \($0)" } ?? "")
        }
    }

    private static func remarks(_ status: JSONValue, _ style: Style) -> [String] {
        var remarks: [String] = []
        if let trouble = status["trouble"], let what = trouble["what"]?.stringValue {
            remarks.append("trouble  \(what)\(trouble["why"]?.stringValue.map { " (\($0))" } ?? "")")
            if let fix = trouble["fix"]?.stringValue { remarks.append("fix      \(fix)") }
        }
        if !isDecided(status), !(status["verdicts"]?.arrayValue ?? []).isEmpty {
            remarks.append(style.faint("a step goes on when nothing has failed; promotion needs every gate to pass"))
        }
        return remarks.map { "  \($0)" }
    }

    /// What a person may want to type now.
    private static func next(_ status: JSONValue) -> String {
        let verbs = ["explain \(name(status))"] + (status["next"]?.arrayValue ?? []).compactMap(\.stringValue)
        return "openclaw release \(verbs.joined(separator: " | "))"
    }
}
