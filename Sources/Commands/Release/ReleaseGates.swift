import Arguments
import JSON

/// `openclaw release gates`
enum ReleaseGates {
    static let command = Command("release gates", summary: "Every gate there is") { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/gates")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        var table = Table(["gate", "for example", "what it says"])
        for gate in answer["gates"]?.arrayValue ?? [] {
            table.add([gate["name"]?.stringValue ?? "", gate["example"]?.stringValue ?? "", gate["meaning"]?.stringValue ?? ""])
        }
        return table.text(style)
    }
}
