import Arguments
import JSON

/// `openclaw experiment explain NAME`
enum ExperimentExplain {
    static let command = Command(
        "experiment explain", summary: "For each decision: what was seen, and what would still be needed",
        parameters: [.operand("NAME", "The experiment")]
    ) { invocation in
        let path = "/api/v1/experiments/\(APIClient.segment(invocation.operand("NAME")))/explain"
        let explanation = try await APIClient(invocation).get(path)
        Output(invocation).show(explanation) { style in text(explanation, style) }
    }

    static func text(_ explanation: JSONValue, _ style: Style) -> String {
        var lines = [style.strong(explanation["summary"]?.stringValue ?? "")]
        if let because = explanation["because"]?.stringValue { lines.append("  because  \(because)") }
        if let needed = explanation["still_needed"]?.stringValue { lines.append("  needs    \(needed)") }
        if let division = explanation["evidence"]?["division"]?.stringValue { lines.append("  alpha    \(division)") }
        for metric in explanation["evidence"]?["metrics"]?.arrayValue ?? [] {
            guard let method = metric["method"]?.stringValue else { continue }
            lines.append("  method   \(metric["metric"]?.stringValue ?? ""): \(method)")
        }
        var table = Table(["entry", "at", "what", "because"], indent: 2)
        for decision in explanation["decisions"]?.arrayValue ?? [] {
            table.add([
                decision["entry"]?.integerValue.map { "\($0)" } ?? "", Figures.clock(decision["at"]?.stringValue ?? ""),
                decision["what"]?.stringValue ?? "", style.faint(decision["because"]?.stringValue ?? ""),
            ])
        }
        if !table.rows.isEmpty { lines.append(table.text(style)) }
        if let proof = explanation["proof"]?.stringValue { lines.append("  proof    \(proof)") }
        return lines.joined(separator: "\n")
    }
}
