import Arguments
import JSON

/// `openclaw release explain NAME`
enum ReleaseExplain {
    static let command = Command(
        "release explain", summary: "For each decision: what was seen, and what would have changed it",
        parameters: [.operand("NAME", "The release")]
    ) { invocation in
        let path = "/api/v1/releases/\(APIClient.segment(invocation.operand("NAME")))/explain"
        let explanation = try await APIClient(invocation).get(path)
        Output(invocation).show(explanation) { style in text(explanation, style) }
    }

    static func text(_ explanation: JSONValue, _ style: Style) -> String {
        var lines = [style.strong(explanation["summary"]?.stringValue ?? "")]
        if let because = explanation["because"]?.stringValue { lines.append("  because  \(because)") }
        if let why = explanation["trouble"]?["why"]?.stringValue, !why.isEmpty { lines.append("  why      \(why)") }
        let regressions = (explanation["regressions"]?.arrayValue ?? []).compactMap(\.stringValue)
        if !regressions.isEmpty { lines.append("  worse    \(regressions.joined(separator: ", "))") }
        let others = (explanation["others"]?.arrayValue ?? []).compactMap(\.stringValue)
        if !others.isEmpty { lines.append("  others   \(others.joined(separator: ", "))") }
        if let users = explanation["users"]?["text"]?.stringValue { lines.append("  users    \(users)") }
        if let wouldHave = explanation["would_have"]?.stringValue, !wouldHave.isEmpty { lines.append("  \(wouldHave)") }
        lines += decisions(explanation["decisions"]?.arrayValue ?? [], style)
        if let proof = explanation["proof"]?.stringValue { lines.append("  proof    \(proof)") }
        return lines.joined(separator: "\n")
    }

    /// Each decision on the way: the ledger entry that proves it, when, what, why, and what would have changed it.
    private static func decisions(_ decisions: [JSONValue], _ style: Style) -> [String] {
        guard !decisions.isEmpty else { return [] }
        var table = Table(["entry", "at", "decision"], indent: 2)
        for decision in decisions {
            let because = decision["because"]?.stringValue.map { ": \($0)" } ?? ""
            table.add([
                decision["entry"]?.integerValue.map { "\($0)" } ?? "", Figures.clock(decision["at"]?.stringValue ?? ""),
                "\(decision["what"]?.stringValue ?? "")\(because)",
            ])
            if let wouldHave = decision["would_have"]?.stringValue, !wouldHave.isEmpty {
                table.add(["", "", style.faint("else: \(wouldHave)")])
            }
        }
        return [table.text(style)]
    }
}
