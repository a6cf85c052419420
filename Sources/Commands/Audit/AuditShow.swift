import Arguments
import JSON

/// `openclaw audit show ENTRY`
enum AuditShow {
    static let command = Command(
        "audit show", summary: "One entry of the ledger, whole", parameters: [.operand("ENTRY", "Its index")]
    ) { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/audit/entries/\(APIClient.segment(invocation.operand("ENTRY")))")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let entry = answer["entry"] ?? [:]
        let index = answer["index"]?.integerValue ?? 0
        var table = Table([], indent: 2)
        table.add(["by", entry["by"]?.stringValue ?? ""])
        table.add(["at", entry["at"]?.stringValue ?? ""])
        table.add(["after", entry["after"]?.integerValue.map { "entry \($0)" } ?? "nothing: it is the first of this resource"])
        table.add(["leaf", answer["leaf"]?.stringValue ?? ""])
        return """
            \(style.strong("entry \(index)"))  \(entry["resource"]?.stringValue ?? "")  \(entry["kind"]?.stringValue ?? "")
            \(table.text(style))
            \((entry["body"] ?? .null).prettyText)
            next: openclaw audit prove \(index)
            """
    }
}
