import Arguments
import JSON

/// `openclaw token list`
enum TokenList {
    static let command = Command("token list", summary: "All tokens, revoked ones too") { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/tokens")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        var table = Table(["token", "may", "created", "by", ""])
        for token in answer["tokens"]?.arrayValue ?? [] {
            table.add([
                token["name"]?.stringValue ?? "",
                (token["scopes"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ", "),
                Figures.moment(token["created_at"]?.stringValue ?? ""), token["created_by"]?.stringValue ?? "",
                token["revoked_at"]?.stringValue.map { style.bad("revoked \(Figures.moment($0))") } ?? "",
            ])
        }
        return table.text(style)
    }
}
