import Arguments
import JSON

/// `openclaw status`: the daemon itself.
enum Status {
    static let command = Command("status", summary: "How the daemon stands") { invocation in
        let status = try await APIClient(invocation).get("/api/v1/status")
        Output(invocation).show(status) { style in text(status, style) }
    }

    static func text(_ status: JSONValue, _ style: Style) -> String {
        let unready = status["unready"]?["what"]?.stringValue
        let head = unready.map { style.bad("not ready: \($0)") } ?? style.good("ready")
        var table = Table([], indent: 2)
        table.add(["gateway", status["gateway"]?.stringValue ?? ""])
        table.add(["control", status["control"]?.stringValue ?? ""])
        table.add(["routes", Figures.count(status["routes"]?.integerValue ?? 0)])
        table.add(["releases", "\(Figures.count(status["releases_running"]?.integerValue ?? 0)) running"])
        table.add(["ledger", "\(Figures.count(status["ledger_entries"]?.integerValue ?? 0)) entries"])
        table.add(["since", "\(status["started_at"]?.stringValue ?? "")   openclaw \(status["version"]?.stringValue ?? "")"])
        return "\(head)\n\(table.text(style))"
    }
}
