public import Faults
public import YAML

extension RouteAPI {
    init(_ node: YAMLNode) throws(Fault) {
        let text = try node.string()
        guard let api = RouteAPI(rawValue: text) else {
            throw node.fault(
                "'\(text)' is not an API the gateway understands", why: "it understands openai; any other request passes as it is",
                fix: "write `api: openai`, or leave it out")
        }
        self = api
    }
}

extension Budget {
    /// `50 USD/day`, or `{ usd: 50, per: day }`.
    public init(_ scope: Scope, _ node: YAMLNode) throws(Fault) {
        let (amount, period): (String, String)
        if case .scalar = node.content {
            let text = try node.string()
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            let words = (parts.first ?? "").split(separator: " ")
            guard parts.count == 2, words.count == 2, words[1] == "USD" else { throw Budget.unreadable(text, node) }
            (amount, period) = (String(words[0]), parts[1].filter { $0 != " " })
        } else {
            let file = try node.mapping("a budget")
            try file.refuseUnknown(known: ["usd", "per"])
            (amount, period) = (try file.required("usd").string(), try file.required("per").string())
        }
        guard let nanoUSD = Money.nanoUSD(amount), nanoUSD > 0, let per = Period(rawValue: period) else {
            throw Budget.unreadable("\(amount) USD/\(period)", node)
        }
        self.init(scope, nanoUSD: nanoUSD, per: per)
    }

    private static func unreadable(_ text: String, _ node: YAMLNode) -> Fault {
        node.fault(
            "'\(text)' is not a budget",
            why: "it is an amount above nothing for a \(Period.allCases.map(\.rawValue).joined(separator: ", "))",
            fix: "write it like `50 USD/day`, or `{ usd: 50, per: day }`")
    }
}

extension RouteSpec {
    static let providersMax = 8

    /// `openai`, or a list in the order of trying.
    static func providers(_ node: YAMLNode) throws(Fault) -> [String] {
        var names: [String] = []
        if case .scalar = node.content {
            names = [try name(node, of: "a provider")]
        } else {
            for item in try node.list() { names.append(try name(item, of: "a provider")) }
        }
        guard (1...providersMax).contains(names.count), Set(names).count == names.count else {
            throw node.fault(
                "these providers cannot be tried one after the other", why: "there are 1 to \(providersMax), each once",
                fix: "correct the list")
        }
        return names
    }
}
