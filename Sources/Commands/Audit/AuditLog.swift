import Arguments
import JSON

/// `openclaw audit log`
enum AuditLog {
    static let command = Command(
        "audit log", summary: "The newest entries of the ledger, the newest last",
        discussion: "Every decision is recorded before it takes effect. --before INDEX shows the page before.",
        parameters: [
            .option("limit", "N", "How many, 1 to 1000; standard 20"), .option("before", "INDEX", "Only entries before this one"),
            .option("kind", "KIND", "Only of this kind of resource: release, route, model, ..."),
            .option("name", "NAME", "Only of the resource so named"),
        ]
    ) { invocation in
        let items = ["limit", "before", "kind", "name"].compactMap { name in
            invocation.value(name).map { "\(name)=\(APIClient.segment($0))" }
        }
        let query = items.isEmpty ? "" : "?" + items.joined(separator: "&")
        let answer = try await APIClient(invocation).get("/api/v1/audit/entries" + query)
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let entries = answer["entries"]?.arrayValue ?? []
        let count = answer["count"]?.integerValue ?? 0
        guard let newest = entries.last?["index"]?.integerValue else {
            return count == 0 ? "nothing has been recorded yet" : "none of \(Figures.count(count)) entries is asked for"
        }
        var table = Table(["entry", "when", "what about", "what", "by", ""])
        for entry in entries {
            table.add([
                entry["index"]?.integerValue.map(String.init) ?? "", Figures.moment(entry["at"]?.stringValue ?? ""),
                entry["resource"]?.stringValue ?? "", entry["kind"]?.stringValue ?? "", entry["by"]?.stringValue ?? "",
                style.faint(cut(entry["body"]?.canonicalText ?? "")),
            ])
        }
        return """
            \(table.text(style))
            \(Figures.count(Int64(entries.count))) of \(Figures.count(count)) entries
            next: openclaw audit show \(newest) | prove \(newest)
            """
    }

    /// A body may be long; `audit show` has all of it.
    private static func cut(_ text: String) -> String { text.count > 60 ? text.prefix(57) + "..." : text }
}
