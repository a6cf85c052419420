import Arguments
import JSON

/// `openclaw provider list`
enum ProviderList {
    static let command = Command("provider list", summary: "All providers of models") { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/providers")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let providers = answer["providers"]?.arrayValue ?? []
        guard !providers.isEmpty else { return "no providers yet\nnext: openclaw provider apply FILE" }
        var table = Table(["provider", "url", "key", "falls back to"])
        for provider in providers {
            table.add([
                provider["name"]?.stringValue ?? "", provider["url"]?.stringValue ?? "", ProviderList.key(provider, style),
                (provider["fallback"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ", "),
            ])
        }
        return table.text(style)
    }

    /// Where the key is, and whether it is there.
    static func key(_ provider: JSONValue, _ style: Style) -> String {
        guard let key = provider["key"]?.stringValue else { return style.faint("none") }
        return provider["key_state"] == "found" ? "\(key) \(style.good("found"))" : "\(key) \(style.bad("missing"))"
    }
}
