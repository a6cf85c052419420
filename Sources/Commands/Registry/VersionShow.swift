import Arguments
import JSON

/// `openclaw version show MODEL@VERSION`
enum VersionShow {
    static let command = Command(
        "version show", summary: "One version: its digest and where it comes from",
        parameters: [.operand("MODEL@VERSION", "Such as fraud-model@v12")]
    ) { invocation in
        let version = try await APIClient(invocation).get(
            "/api/v1/versions/\(APIClient.segment(invocation.operand("MODEL@VERSION")))")
        Output(invocation).show(version) { style in text(version, style) }
    }

    static func text(_ version: JSONValue, _ style: Style) -> String {
        var table = Table([], indent: 2)
        table.add(["digest", version["digest"]?.stringValue ?? ""])
        table.add(["from", version["source"]?["url"]?.stringValue ?? version["source"]?["kind"]?.stringValue ?? ""])
        let lineage = version["lineage"]
        table.add(["by", lineage?["by"]?.stringValue ?? ""])
        if let command = lineage?["command"]?.stringValue { table.add(["command", command]) }
        if let release = lineage?["release"]?.stringValue { table.add(["release", release]) }
        for (input, digest) in (lineage?["inputs"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            // What the job that made it measured stands beside what it was made from.
            let isMeasured = input.hasPrefix("metric.")
            let name = isMeasured ? String(input.dropFirst("metric.".count)) : input
            table.add([isMeasured ? "metric" : "input", "\(name) \(digest.stringValue ?? "")"])
        }
        return "\(style.strong(version["id"]?.stringValue ?? ""))\n\(table.text(style))"
    }
}
