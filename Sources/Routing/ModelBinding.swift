public import Registry

/// A version of a prompt as a variant carries it: whole, so that a gateway serves it from the table alone.
public struct PromptBinding: Equatable, Sendable, Codable {
    /// `support@v3`
    public var id: String
    public var template: Prompt.Template

    public init(id: String, template: Prompt.Template) { (self.id, self.template) = (id, template) }
}

/// A provider of models as a variant carries it. Its key is only referred to: no table, ledger or log ever holds one.
public struct ProviderBinding: Equatable, Sendable, Codable {
    public var name: String
    /// The base of its API, as `http://127.0.0.1:9000/v1`.
    public var url: String
    public var key: KeyReference?
    public var timeouts: RouteTimeouts
    /// How often one request may be sent here again before its answer began.
    public var retriesMax: Int
    /// How many retries there may be for each request, in basis points.
    public var retryBudget: Int
    /// By the model's name as it is sent; a name that ends in `*` stands for all that begin with it.
    public var prices: [String: ModelPrice]
    /// Whose certificates its https url is checked against; nil for the system's.
    public var caFile: String?

    public init(
        name: String, url: String, key: KeyReference? = nil, timeouts: RouteTimeouts = .init(), retriesMax: Int = 1,
        retryBudget: Int = 1_000, prices: [String: ModelPrice] = [:], caFile: String? = nil
    ) {
        (self.name, self.url, self.key, self.timeouts) = (name, url, key, timeouts)
        (self.retriesMax, self.retryBudget, self.prices, self.caFile) = (retriesMax, retryBudget, prices, caFile)
    }
}

/// Where a secret is found when it is needed: `env:NAME` or `file:/path`. Never the secret itself.
public enum KeyReference: Hashable, Sendable {
    case environment(String)
    case file(String)

    public init?(_ text: String) {
        if text.hasPrefix("env:") {
            let name = String(text.dropFirst(4))
            let isName =
                (1...128).contains(name.utf8.count)
                && name.utf8.allSatisfy { byte in
                    switch byte {
                    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
                    default: false
                    }
                }
            guard isName else { return nil }
            self = .environment(name)
        } else if text.hasPrefix("file:/"), text.utf8.count <= 4_096, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) {
            self = .file(String(text.dropFirst(5)))
        } else {
            return nil
        }
    }

    public var text: String {
        switch self {
        case .environment(let name): "env:\(name)"
        case .file(let path): "file:\(path)"
        }
    }
}

extension KeyReference: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let reference = KeyReference(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a reference to a key")
        }
        self = reference
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// What a model costs, in billionths of a dollar for a million tokens: 0.15 USD is 150 000 000.
public struct ModelPrice: Equatable, Sendable, Codable {
    public var input: Int64
    public var output: Int64
    /// Of input that the provider had cached.
    public var cached: Int64

    public init(input: Int64, output: Int64, cached: Int64? = nil) {
        (self.input, self.output, self.cached) = (input, output, cached ?? input)
    }

    /// In billionths of a dollar, rounded to the next one; `cachedTokens` are among `inputTokens`.
    public func cost(inputTokens: Int64, cachedTokens: Int64, outputTokens: Int64) -> Int64 {
        let cached = min(max(0, cachedTokens), inputTokens)
        var total: Int64 = 500_000
        for (tokens, price) in [(inputTokens - cached, input), (cached, self.cached), (outputTokens, output)] {
            let (part, isTooMuch) = tokens.multipliedReportingOverflow(by: price)
            let (sum, isOver) = total.addingReportingOverflow(part)
            if isTooMuch || isOver { return .max / 1_000_000 }
            total = sum
        }
        return total / 1_000_000
    }
}

/// What the requests of a route are, where the gateway is to understand them.
public enum RouteAPI: String, Sendable, Codable, CaseIterable {
    /// `POST /v1/chat/completions` and the others of OpenAI's API.
    case openai
}

/// How much may be spent in a period of time (of UTC; a month is 30 days).
public struct Budget: Hashable, Sendable, Codable {
    public enum Scope: String, Sendable, Codable {
        /// All requests of the route together.
        case route
        /// All requests that an experiment takes together.
        case experiment
        /// The requests of each client token (`Authorization: Bearer`) for themselves.
        case token
    }
    public enum Period: String, Sendable, Codable, CaseIterable {
        case minute, hour, day, month, total

        /// Nil for one that never ends.
        public var milliseconds: Int64? {
            switch self {
            case .minute: 60_000
            case .hour: 3_600_000
            case .day: 86_400_000
            case .month: 30 * 86_400_000
            case .total: nil
            }
        }
    }
    public var scope: Scope
    /// Billionths of a dollar.
    public var nanoUSD: Int64
    public var per: Period

    public init(_ scope: Scope, nanoUSD: Int64, per: Period) { (self.scope, self.nanoUSD, self.per) = (scope, nanoUSD, per) }

    /// `50 USD a day`
    public var text: String { "\(Money.text(nanoUSD)) USD \(per == .total ? "in total" : "a \(per.rawValue)")" }
}

/// Amounts in billionths of a dollar, as people read and write them.
public enum Money {
    /// `0.0042`, `50`
    public static func text(_ nanoUSD: Int64) -> String {
        let (whole, rest) = nanoUSD.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
        var text = "\(nanoUSD < 0 ? "-" : "")\(whole)"
        if rest > 0 {
            var digits = String(rest)
            digits = String(repeating: "0", count: 9 - digits.count) + digits
            while digits.hasSuffix("0") { digits.removeLast() }
            text += "." + digits
        }
        return text
    }

    /// At most nine decimals, no sign; nil for anything else.
    public static func nanoUSD(_ text: String) -> Int64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let whole = Int64(parts[0]), whole <= 1_000_000_000
        else { return nil }
        guard parts.count == 2 else { return whole * 1_000_000_000 }
        guard parts[1].utf8.count <= 9, let rest = Int64(parts[1] + String(repeating: "0", count: 9 - parts[1].utf8.count)) else {
            return nil
        }
        return whole * 1_000_000_000 + rest
    }
}
