import JSON

/// How a route is shown.
enum RouteScreen {
    static func match(_ route: JSONValue) -> String {
        (route["match"]?["host"]?.stringValue ?? "") + (route["match"]?["path"]?.stringValue ?? "")
    }

    /// `v11 80 %, v12 20 %`, the largest share first; variants without a share are left out.
    static func split(_ route: JSONValue) -> String {
        (route["variants"]?.arrayValue ?? [])
            .map { (name: $0["name"]?.stringValue ?? "", share: $0["share"]?.numberValue ?? 0) }
            .filter { $0.share > 0 }.sorted { ($1.share, $0.name) < ($0.share, $1.name) }
            .map { "\($0.name) \(Figures.share($0.share))" }.joined(separator: ", ")
    }

    static func text(_ route: JSONValue, _ style: Style) -> String {
        let name = route["name"]?.stringValue ?? ""
        let owner = route["owner"]?.stringValue
        var head = "\(style.strong(name)) takes \(match(route)), unit \(route["unit"]?.stringValue ?? "")"
        if let owner { head += "   moved by \(owner)" }
        var table = Table(["variant", "share", "url", "version", "rewrites"], indent: 2)
        for variant in route["variants"]?.arrayValue ?? [] {
            let rewrite = variant["rewrite"]
            let rewritten =
                (rewrite?["json"]?.objectValue?.keys.sorted() ?? []) + (rewrite?["headers"]?.objectValue?.keys.sorted() ?? [])
            table.add([
                variant["name"]?.stringValue ?? "", Figures.share(variant["share"]?.numberValue ?? 0),
                variant["url"]?.stringValue ?? "",
                variant["version"]?.stringValue ?? "", rewritten.joined(separator: ", "),
            ])
        }
        let next =
            owner.map { "openclaw release status \($0.split(separator: "/").last ?? "")" }
            ?? "openclaw route explain \(name) --unit UNIT | openclaw route set \(name) VARIANT=SHARE..."
        let layers = (route["experiments"]?.arrayValue ?? []).map { layer($0, style) + "\n" }.joined()
        return "\(head)\n\(table.text(style))\n\(layers)next: \(next)"
    }

    /// One experiment over the split: who it is for, and its shares.
    private static func layer(_ experiment: JSONValue, _ style: Style) -> String {
        var words = ["experiment \(style.strong(experiment["name"]?.stringValue ?? "")) comes first"]
        words.append("unit \(experiment["unit"]?.stringValue ?? "")")
        if let space = experiment["namespace"], space != .null {
            let (from, to) = (space["from"]?.numberValue ?? 0, space["to"]?.numberValue ?? 1)
            words.append("\(Figures.share(from)) to \(Figures.share(to)) of namespace \(space["name"]?.stringValue ?? "")")
        }
        if let coverage = experiment["coverage"]?.numberValue, coverage < 1 { words.append("covers \(Figures.share(coverage))") }
        if experiment["condition"] != nil { words.append("has a condition") }
        return "  \(words.joined(separator: ", ")): \(split(experiment))"
    }
}
