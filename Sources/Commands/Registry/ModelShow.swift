import Arguments
import JSON

/// `openclaw model show NAME`
enum ModelShow {
    static let command = Command(
        "model show", summary: "One model: how it is built, served, tried out and scored",
        parameters: [.operand("NAME", "The model")]
    ) { invocation in
        let model = try await APIClient(invocation).get("/api/v1/models/\(APIClient.segment(invocation.operand("NAME")))")
        Output(invocation).show(model) { style in text(model, style) }
    }

    static func text(_ model: JSONValue, _ style: Style) -> String {
        let name = model["name"]?.stringValue ?? ""
        let route = model["route"]?.stringValue.map { " on route \($0)" } ?? ""
        var table = Table([], indent: 2)
        table.add(["versions", (model["versions"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ", ")])
        for (alias, version) in (model["aliases"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            table.add([alias, version.stringValue ?? ""])
        }
        table.add(["build", model["build"]?["run"]?.stringValue ?? style.faint("nothing declared: build_artifact does nothing")])
        table.add([
            "serve", model["serve"]?["run"]?.stringValue ?? style.faint("nothing declared: versions are served by their url"),
        ])
        let smoke = [model["smoke"]?["requests"]?.stringValue, model["smoke"]?["regression"]?.stringValue].compactMap(\.self)
        table.add([
            "smoke", smoke.isEmpty ? style.faint("nothing declared: smoke_test does nothing") : smoke.joined(separator: ", "),
        ])
        table.add([
            "quality",
            model["quality_metric"]?.stringValue.map { "feedback metric \($0)" }
                ?? style.faint("nothing declared: min_quality_score cannot be used"),
        ])
        table.add(["folder", model["directory"]?.stringValue ?? ""])
        return "\(style.strong(name))\(route)\n\(table.text(style))\nnext: openclaw version list --model \(name)"
    }
}
