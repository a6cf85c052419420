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

    static func text(_ explanation: JSONValue, _ style: Style) -> String { explanation.prettyText }
}
