import Arguments
import JSON

/// `openclaw prompt list`
enum PromptList {
    static let command = Command("prompt list", summary: "All prompts") { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/prompts")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let prompts = answer["prompts"]?.arrayValue ?? []
        guard !prompts.isEmpty else { return "no prompts yet\nnext: openclaw prompt add FILE" }
        var table = Table(["prompt", "versions"])
        for prompt in prompts {
            table.add([
                prompt["name"]?.stringValue ?? "", (prompt["versions"]?.objectValue ?? [:]).keys.sorted().joined(separator: ", "),
            ])
        }
        return table.text(style)
    }
}
