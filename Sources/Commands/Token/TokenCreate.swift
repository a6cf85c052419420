import Arguments
import Faults
import JSON

/// `openclaw token create NAME --scope SCOPE`
enum TokenCreate {
    static let command = Command(
        "token create", summary: "Make a token; its secret is shown once",
        discussion: "Scopes: read, operate (includes read), admin (includes all), feedback, worker.",
        parameters: [
            .operand("NAME", "What it is called"),
            .option("scope", "SCOPE", "What it may do; several with commas or repeated", repeats: true),
        ]
    ) { invocation in
        let scopes = invocation.values("scope").flatMap { $0.split(separator: ",").map(String.init) }
        guard !scopes.isEmpty else {
            throw Fault(
                .usage, what: "A token without a scope can do nothing.", why: "--scope is missing.",
                fix: "openclaw token create \(invocation.operand("NAME")) --scope operate")
        }
        let body: JSONValue = ["name": .string(invocation.operand("NAME")), "scopes": .array(scopes.map(JSONValue.string))]
        let answer = try await APIClient(invocation).post("/api/v1/tokens", body)
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let scopes = (answer["token"]?["scopes"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ", ")
        return """
            \(style.strong(answer["secret"]?.stringValue ?? ""))
              token \(answer["token"]?["name"]?.stringValue ?? "") may \(scopes); this is the only time its secret is shown
            next: OPENCLAW_TOKEN=... openclaw --server URL status
            """
    }
}
