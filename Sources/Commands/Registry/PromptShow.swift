import Arguments
import JSON

/// `openclaw prompt show NAME`
enum PromptShow {
    static let command = Command(
        "prompt show", summary: "One prompt: what each version says", parameters: [.operand("NAME", "The prompt")]
    ) {
        invocation in
        let prompt = try await APIClient(invocation).get("/api/v1/prompts/\(APIClient.segment(invocation.operand("NAME")))")
        Output(invocation).show(prompt) { style in text(prompt, style) }
    }

    static func text(_ prompt: JSONValue, _ style: Style) -> String {
        var lines = [style.strong(prompt["name"]?.stringValue ?? "")]
        for (version, template) in (prompt["versions"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            lines.append("  \(version)")
            for part in ["system", "user"] {
                guard let text = template[part]?.stringValue else { continue }
                let said = text.split(separator: "\n", omittingEmptySubsequences: false)
                // The part is named once, and its further lines stand under the first.
                var table = Table([], indent: 4)
                for (index, line) in said.enumerated() {
                    table.add([index == 0 ? part : String(repeating: " ", count: 6), String(line)])
                }
                lines.append(table.text(style))
            }
        }
        return lines.joined(separator: "\n")
    }
}
