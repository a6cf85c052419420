import Arguments
import JSON

/// `openclaw provider show NAME`
enum ProviderShow {
    static let command = Command(
        "provider show", summary: "One provider: its key's place, fallbacks, timeouts and prices",
        parameters: [.operand("NAME", "The provider")]
    ) { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/providers/\(APIClient.segment(invocation.operand("NAME")))")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ provider: JSONValue, _ style: Style) -> String {
        var table = Table([], indent: 2)
        table.add(["url", provider["url"]?.stringValue ?? ""])
        if let file = provider["ca_file"]?.stringValue { table.add(["certificates", file]) }
        table.add(["key", ProviderList.key(provider, style)])
        let fallback = (provider["fallback"]?.arrayValue ?? []).compactMap(\.stringValue)
        if !fallback.isEmpty { table.add(["falls back to", fallback.joined(separator: ", ")]) }
        let retries = provider["retries"]
        table.add([
            "retries",
            "\(retries?["attempts"]?.integerValue ?? 0) a request, \(Figures.share(retries?["budget"]?.numberValue ?? 0)) of requests",
        ])
        let timeouts = provider["timeouts"]
        table.add([
            "timeouts",
            "connect \(timeouts?["connect_ms"]?.integerValue ?? 0) ms, first token \(timeouts?["first_token_ms"]?.integerValue ?? 0) ms, between tokens \(timeouts?["between_tokens_ms"]?.integerValue ?? 0) ms",
        ])
        let prices = (provider["prices"]?.objectValue ?? [:]).sorted { $0.key < $1.key }
        for (model, price) in prices {
            let (input, output) = (price["input"]?.stringValue ?? "", price["output"]?.stringValue ?? "")
            table.add(["price of \(model)", "\(input) USD in, \(output) USD out, for a million tokens"])
        }
        let asOf = provider["default_prices_as_of"]?.stringValue ?? ""
        table.add(["other prices", "default table of \(asOf)"])
        return "\(style.strong(provider["name"]?.stringValue ?? ""))\n\(table.text(style))"
    }
}
