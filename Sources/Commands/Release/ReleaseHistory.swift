import Arguments
import JSON

/// `openclaw release history [NAME]`
enum ReleaseHistory {
    static let command = Command(
        "release history", summary: "Every release and how it went, in order",
        parameters: [.operand("NAME", "Only of this release", required: false)]
    ) { invocation in
        let path = invocation.value("NAME").map { "/api/v1/releases/\(APIClient.segment($0))/history" } ?? "/api/v1/history"
        let answer = try await APIClient(invocation).get(path)
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let events = answer["history"]?.arrayValue ?? []
        guard !events.isEmpty else { return "no releases yet" }
        var table = Table(["started", "release", "state", "decided after", "answers", "wrong", "because", "entry"])
        for event in events {
            let attempt = event["attempt"]?.integerValue ?? 1
            table.add([
                Figures.moment(event["started_at"]?.stringValue ?? ""),
                "\(event["name"]?.stringValue ?? "")\(attempt > 1 ? " (attempt \(attempt))" : "")", ReleaseList.state(event, style),
                event["seconds_to_decision"]?.numberValue.map { Figures.duration(.milliseconds(Int64($0 * 1_000))) } ?? "",
                Figures.count(event["answers"]?.integerValue ?? 0), Figures.count(event["wrong"]?.integerValue ?? 0),
                event["because"]?.stringValue ?? "", event["entry"]?.integerValue.map { "\($0)" } ?? "",
            ])
        }
        return table.text(style)
    }
}
