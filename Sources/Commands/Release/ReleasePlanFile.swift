import Arguments
import Faults
import JSON

/// `openclaw release plan FILE`
enum ReleasePlanFile {
    static let command = Command(
        "release plan", summary: "What a release would do, and how each gate was read; changes nothing",
        parameters: [.operand("FILE", "A `release_pipeline:` file")]
    ) { invocation in
        let answer = try await APIClient(invocation).post(
            "/api/v1/releases/plan", try ApplyBody.make(of: [invocation.operand("FILE")]))
        let plans = answer["plans"]?.arrayValue ?? []
        // One file usually holds one release: then the document is its plan itself.
        let document = plans.count == 1 ? plans[0] : answer
        Output(invocation).show(document) { style in
            plans.map { text($0, of: invocation.operand("FILE"), style) }.joined(separator: "\n\n")
        }
    }

    static func text(_ plan: JSONValue, of file: String, _ style: Style) -> String {
        let route = plan["route"]?.stringValue.map { " on route \($0)" } ?? ""
        let previous = plan["previous"]?.stringValue.map { ", back to \($0) when it misbehaves" } ?? ""
        let subject = style.strong("\(plan["model"]?.stringValue ?? "") \(plan["version"]?.stringValue ?? "")")
        var stages = Table([], indent: 2)
        for stage in plan["stages"]?.arrayValue ?? [] {
            let does = stage["does"]?.stringValue ?? ""
            stages.add([stage["name"]?.stringValue ?? "", stage["idle"]?.boolValue == true ? style.faint(does) : does])
        }
        var gates = Table(["gate", "limit", "line"], indent: 2)
        for gate in plan["gates"]?.arrayValue ?? [] {
            let unit = gate["unit"]?.stringValue ?? ""
            gates.add([
                gate["name"]?.stringValue ?? "",
                gate["reads"]?.stringValue ?? gate["limit"]?.numberValue.map { Figures.value($0, unit: unit) } ?? "",
                gate["line"]?.integerValue.map { "\($0)" } ?? "",
            ])
        }
        var lines = ["would release \(subject)\(route)\(previous)", stages.text(style)]
        if !gates.rows.isEmpty { lines.append(gates.text(style)) }
        if let owner = plan["route_owner"]?.stringValue {
            lines.append("  \(owner) has the route now; this release would follow it")
        }
        lines += (plan["notes"]?.arrayValue ?? []).compactMap(\.stringValue).map { style.faint("  \($0)") }
        lines.append("next: openclaw release apply \(file) --watch")
        return lines.joined(separator: "\n")
    }
}
