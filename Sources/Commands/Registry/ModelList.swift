import Arguments
import JSON

/// `openclaw model list`
enum ModelList {
    static let command = Command("model list", summary: "All models") { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/models")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let models = answer["models"]?.arrayValue ?? []
        guard !models.isEmpty else { return "no models yet\nnext: openclaw model apply FILE" }
        var table = Table(["model", "route", "stable", "versions"])
        for model in models {
            table.add([
                model["name"]?.stringValue ?? "", model["route"]?.stringValue ?? "", model["aliases"]?["stable"]?.stringValue ?? "",
                (model["versions"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ", "),
            ])
        }
        return table.text(style)
    }
}
