import Arguments
import JSON

/// `openclaw version list`
enum VersionList {
    static let command = Command(
        "version list", summary: "All versions, or those of one model", parameters: [.option("model", "NAME", "Only this model's")]
    ) { invocation in
        let query = invocation.value("model").map { "?model=\(APIClient.segment($0))" } ?? ""
        let answer = try await APIClient(invocation).get("/api/v1/versions\(query)")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let versions = answer["versions"]?.arrayValue ?? []
        guard !versions.isEmpty else { return "no versions yet\nnext: openclaw model apply FILE" }
        var table = Table(["version", "digest", "from", "by"])
        for version in versions {
            table.add([
                version["id"]?.stringValue ?? "", String((version["digest"]?.stringValue ?? "").prefix(19)),
                version["source"]?["url"]?.stringValue ?? version["source"]?["kind"]?.stringValue ?? "",
                version["lineage"]?["by"]?.stringValue ?? "",
            ])
        }
        return table.text(style)
    }
}
