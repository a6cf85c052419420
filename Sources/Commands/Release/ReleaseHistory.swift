import Arguments
import JSON

/// `openclaw release history [NAME]`
enum ReleaseHistory {
    static let command = Command(
        "release history", summary: "What happened, in order",
        parameters: [.operand("NAME", "Only of this release", required: false)]
    ) { invocation in
        let path = invocation.value("NAME").map { "/api/v1/releases/\(APIClient.segment($0))/history" } ?? "/api/v1/history"
        let answer = try await APIClient(invocation).get(path)
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let events = answer["history"]?.arrayValue ?? []
        guard !events.isEmpty else { return "nothing happened yet" }
        var table = Table(["when", "release", "what", "entry"])
        for event in events {
            table.add([
                Figures.moment(event["at"]?.stringValue ?? ""), event["name"]?.stringValue ?? "", event["what"]?.stringValue ?? "",
                event["entry"]?.integerValue.map { "\($0)" } ?? "",
            ])
        }
        return table.text(style)
    }
}
