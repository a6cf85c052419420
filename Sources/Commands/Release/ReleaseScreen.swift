import JSON
import Telemetry

/// How a release is shown: the verdict first, the evidence beside it, the next command last.
enum ReleaseScreen {
    static func text(_ status: JSONValue, _ style: Style) -> String {
        var lines = [head(status, style)]
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
        let verdicts = (status["verdicts"]?.arrayValue ?? []).map {
            "\($0["gate"]?.stringValue ?? "") \($0["outcome"]?.stringValue ?? "")"
        }
        return ([name(status), standing(status)] + verdicts).joined(separator: "  ")
    }

    /// Decided for good or bad: nothing more will happen but the bake.
    static func isDecided(_ status: JSONValue) -> Bool {
        ["promoted", "rolled_back", "failed"].contains(status["state"]?.stringValue ?? "")
    }

    // MARK: Parts

    static func name(_ status: JSONValue) -> String { status["name"]?.stringValue ?? "" }

    private static func head(_ status: JSONValue, _ style: Style) -> String {
        let model = status["model"]?.stringValue ?? ""
        let version = status["version"]?.stringValue ?? ""
        let route = status["route"]?.stringValue.map { " on route \($0)" } ?? ""
        let subject = "\(style.strong("\(model) \(version)"))\(route)"
        let width = max(53, Table.width(subject) + 3)
        return subject + String(repeating: " ", count: width - Table.width(subject)) + standing(status, style)
    }

    /// `stage monitor_metrics   share 25 %   3 m 12 s`, or how it ended.
    private static func standing(_ status: JSONValue, _ style: Style = .plain) -> String {
        var parts: [String] = []
        let state = status["state"]?.stringValue ?? ""
        switch state {
        case "promoted":
            parts.append(status["baking"]?.boolValue == true ? "\(style.good("promoted")), baking" : style.good("promoted"))
        case "rolled_back": parts.append(style.bad("rolled back"))
        case "failed": parts.append(style.bad("failed"))
        default:
            if state != "running" { parts.append(style.open(state)) }
            if let stage = status["stage"]?.stringValue { parts.append("stage \(stage)") }
        }
        if let share = status["share"]?.numberValue, state != "rolled_back" { parts.append("share \(Figures.share(share))") }
        if let elapsed = status["elapsed_ms"]?.integerValue { parts.append(Figures.duration(.milliseconds(elapsed))) }
        return parts.joined(separator: "   ")
    }

    private static func because(_ status: JSONValue) -> String? {
        status["because"]?.stringValue ?? status["question"]?.stringValue
            ?? status["queued_behind"]?.stringValue.map { "\($0) has the route" }
    }

    /// `build_artifact ok  smoke_test ok (40 requests, 0 regressions)  canary_deploy 1 % ok, 5 % ok, 25 % now`
    private static func stages(_ status: JSONValue, _ style: Style) -> String {
        (status["stages"]?.arrayValue ?? []).map { stage in
            let note = stage["note"]?.stringValue.map { " \($0)" } ?? ""
            let name = stage["name"]?.stringValue ?? ""
            switch stage["state"]?.stringValue {
            case "done": return "\(name) \(style.good("ok"))\(note)"
            case "running": return "\(name)\(note.isEmpty ? " now" : note)"
            case "failed": return "\(name) \(style.bad("failed"))\(note)"
            case "idle": return style.faint("\(name) nothing to do")
            default: return style.faint("\(name)\(note)")
            }
        }.joined(separator: "  ")
    }

    private static func gates(_ verdicts: [JSONValue], _ style: Style) -> String {
        guard !verdicts.isEmpty else { return "" }
        var table = Table(["gate", "limit", "seen (95 % always-valid)", "n", "verdict"], indent: 2)
        for verdict in verdicts {
            let unit = verdict["unit"]?.stringValue ?? ""
            let evidence = verdict["evidence"]
            let interval = Figures.interval(evidence?["lower"]?.numberValue, evidence?["upper"]?.numberValue, unit: unit)
            let seen = evidence?["seen"]?.numberValue.map { Figures.value($0, unit: unit) } ?? "nothing yet"
            table.add([
                verdict["gate"]?.stringValue ?? "", verdict["limit"]?.numberValue.map { Figures.value($0, unit: unit) } ?? "",
                interval.isEmpty ? seen : "\(seen)  \(interval)", Figures.count(evidence?["samples"]?.integerValue ?? 0),
                outcome(verdict, style),
            ])
        }
        return table.text(style)
    }

    private static func outcome(_ verdict: JSONValue, _ style: Style) -> String {
        switch verdict["outcome"]?.stringValue {
        case "pass": style.good("pass")
        case "fail": style.bad("fail")
        default: style.open("undecided") + (verdict["needs"]?.stringValue.map { ": \($0)" } ?? "")
        }
    }

    private static func remarks(_ status: JSONValue, _ style: Style) -> [String] {
        var remarks = (status["notes"]?.arrayValue ?? []).compactMap(\.stringValue)
        if let trouble = status["trouble"], let what = trouble["what"]?.stringValue {
            remarks.append("trouble: \(what)\(trouble["why"]?.stringValue.map { " (\($0))" } ?? "")")
        }
        if !isDecided(status), !(status["verdicts"]?.arrayValue ?? []).isEmpty {
            remarks.append("a step goes on when nothing has failed; promotion needs every gate to pass")
        }
        return remarks.map { style.faint("  \($0)") }
    }

    /// What a person may want to type now.
    private static func next(_ status: JSONValue) -> String {
        let name = name(status)
        switch status["state"]?.stringValue {
        case "promoted" where status["baking"]?.boolValue == true: return "openclaw release explain \(name) | rollback"
        case "promoted": return "openclaw release explain \(name) | rollback"
        case "rolled_back", "failed": return "openclaw release explain \(name)"
        case "paused": return "openclaw release resume \(name) | promote | rollback"
        case "waiting": return "openclaw release promote \(name) | rollback"
        case "queued": return "openclaw release abort \(name)"
        default: return "openclaw release explain \(name) | pause | rollback"
        }
    }
}
