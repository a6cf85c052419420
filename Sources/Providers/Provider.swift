public import Faults
import Registry
public import Routing
import Telemetry
public import YAML

/// Who answers for models: a base URL, where its key is found, what it costs, and what happens when it does not answer.
///
/// ```yaml
/// provider:
///   name: openai
///   url: https://api.openai.com/v1
///   key: env:OPENAI_API_KEY
///   fallback: [local]
///   retries: { attempts: 1, budget: 10% }
///   timeouts: { connect: 1s, first_token: 60s, between_tokens: 30s }
///   ca_file: /etc/openclaw/ca.pem      # whom its certificate is checked against; standard: the system's
///   prices: { my-model: { input: 0.15, output: 0.60, cached: 0.075 } }   # USD for a million tokens
/// ```
public struct Provider: Equatable, Sendable, Codable {
    public var name: String
    public var url: String
    public var key: KeyReference?
    /// Asked in this order where it does not answer.
    public var fallback: [String]
    public var retriesMax: Int
    /// In basis points of the requests.
    public var retryBudget: Int
    public var timeouts: RouteTimeouts
    /// Its own; the default table stands behind them.
    public var prices: [String: ModelPrice]
    public var caFile: String?

    static let pricesMax = 1_000

    /// Reads the value of a `provider:` key.
    public init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("a provider")
        try file.refuseUnknown(known: ["name", "api", "url", "key", "fallback", "retries", "timeouts", "prices", "ca_file"])
        name = try Provider.name(try file.required("name"))
        url = try Provider.url(try file.required("url"))
        if let api = file["api"], try api.string() != "openai" {
            throw api.fault(
                "'\(try api.string())' is not an API that providers are asked by.",
                why: "only OpenAI's is known, which most providers offer.", fix: "Write `api: openai`, and the url of that API.")
        }
        if let node = file["key"] { key = try Provider.key(node) }
        fallback = []
        for item in try file["fallback"]?.list() ?? [] { fallback.append(try Provider.name(item)) }
        (retriesMax, retryBudget) = (1, 1_000)
        if let node = file["retries"] { (retriesMax, retryBudget) = try Provider.retries(node) }
        timeouts = try Provider.timeouts(file["timeouts"])
        prices = try file["prices"].map(PriceTable.read) ?? [:]
        if let node = file["ca_file"] { caFile = try CertificateFile.path(node, for: url) }
        guard Set(fallback).count == fallback.count, !fallback.contains(name) else {
            throw node.fault(
                "The fallbacks of \(name) cannot be tried one after the other.", why: "each stands there once, and not itself.",
                fix: "Correct `fallback:`.")
        }
    }

    private static func name(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
        guard isPlain, (1...64).contains(text.utf8.count), text.first != "-", text.first != "." else {
            throw node.fault(
                "'\(text)' cannot be the name of a provider.", why: "names stand in commands and labels.",
                fix: "Use 1 to 64 letters, digits, '.', '-' and '_', beginning with a letter or a digit.")
        }
        return text
    }

    private static func url(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        do {
            _ = try UpstreamURL(text)
            return text
        } catch {
            throw node.fault("'\(text)' cannot be a provider's url.", why: "\(error.why).", fix: "\(error.fix).")
        }
    }

    /// A reference only: a key that stood in a file would be in the ledger for ever.
    private static func key(_ node: YAMLNode) throws(Fault) -> KeyReference {
        if let reference = KeyReference(try node.string()) { return reference }
        // The text itself may be a secret: it is not repeated.
        throw node.fault(
            "This is not where a key is found.", why: "a key itself is never written down, only referred to.",
            fix:
                "Write `key: env:NAME` for a variable of the daemon's environment, or `key: file:/path`; if a real key stood here, replace it."
        )
    }

    private static func retries(_ node: YAMLNode) throws(Fault) -> (Int, Int) {
        let file = try node.mapping("the retries of a provider")
        try file.refuseUnknown(known: ["attempts", "budget"])
        let attempts = try file["attempts"]?.integer(in: 0...5) ?? 1
        let budget = try file["budget"]?.fraction() ?? 0.1
        return (attempts, Int((budget * 10_000).rounded()))
    }

    private static func timeouts(_ node: YAMLNode?) throws(Fault) -> RouteTimeouts {
        var timeouts = RouteTimeouts()
        timeouts.idle = 60_000
        guard let node else { return timeouts }
        let file = try node.mapping("the timeouts of a provider")
        try file.refuseUnknown(known: ["connect", "first_token", "between_tokens"])
        if let node = file["connect"] { timeouts.connect = try limit(node) }
        if let node = file["first_token"] { timeouts.firstByte = try limit(node) }
        if let node = file["between_tokens"] { timeouts.idle = try limit(node) }
        return timeouts
    }

    private static func limit(_ node: YAMLNode) throws(Fault) -> Int64 {
        let limit = try node.duration().milliseconds
        guard (1...3_600_000).contains(limit) else {
            throw node.fault(
                "A timeout of \(limit) ms cannot be kept.", why: "timeouts are from 1ms to 1h.", fix: "Choose one of these.")
        }
        return limit
    }

    /// As routes carry it: its own prices before the default ones.
    public var binding: ProviderBinding {
        ProviderBinding(
            name: name, url: url, key: key, timeouts: timeouts, retriesMax: retriesMax, retryBudget: retryBudget,
            prices: PriceTable.standard.prices.merging(prices) { _, own in own }, caFile: caFile)
    }
}
