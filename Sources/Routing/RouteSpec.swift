public import Faults
public import JSON
import Registry
import Telemetry
public import YAML

/// A `route:` resource as the user wrote it. A variant has a `url` or a `version: model@v` (resolved when applied).
public struct RouteSpec: Equatable, Sendable, Codable {
    public struct VariantSpec: Equatable, Sendable, Codable {
        public var name: String
        public var url: String?
        public var version: String?
        public var basisPoints: Int
        public var rewrite: Rewrite?
        /// What remote evaluation answers with.
        public var value: JSONValue?
        /// `support@v3`, on a route with `api: openai`.
        public var prompt: String?
        /// In the order of trying; the prompt's, or the route's, where it is nil.
        public var provider: [String]?
        /// Whose certificates its https url is checked against; nil for the system's.
        public var caFile: String?

        public init(
            name: String, url: String? = nil, version: String? = nil, basisPoints: Int = 0, rewrite: Rewrite? = nil,
            value: JSONValue? = nil, prompt: String? = nil, provider: [String]? = nil, caFile: String? = nil
        ) {
            (self.name, self.url, self.version, self.basisPoints, self.rewrite) = (name, url, version, basisPoints, rewrite)
            (self.value, self.prompt, self.provider, self.caFile) = (value, prompt, provider, caFile)
        }
    }
    public var name: String
    public var match: RouteMatch
    public var unit: UnitSource
    public var variants: [VariantSpec]
    public var timeouts: RouteTimeouts
    public var api: RouteAPI?
    public var provider: [String]?
    public var budgets: [Budget]?

    public static let variantsMax = 64

    public init(name: String, match: RouteMatch, unit: UnitSource, variants: [VariantSpec], timeouts: RouteTimeouts = .init()) {
        (self.name, self.match, self.unit, self.variants, self.timeouts) = (name, match, unit, variants, timeouts)
    }

    /// Reads the value of a `route:` key.
    public init(_ node: YAMLNode) throws(Fault) {
        let file = try node.mapping("a route")
        try file.refuseUnknown(known: [
            "name", "match", "unit", "variants", "timeouts", "api", "provider", "budget", "token_budget",
        ])
        name = try RouteSpec.name(try file.required("name"), of: "a route")
        match = try RouteMatch(try file.required("match"))
        unit = try UnitSource(try file.required("unit"))
        variants = try RouteSpec.variants(try file.required("variants"))
        timeouts = RouteTimeouts()
        if let node = file["timeouts"] { timeouts = try RouteTimeouts(node) }
        if let node = file["api"] { api = try RouteAPI(node) }
        if let node = file["provider"] { provider = try RouteSpec.providers(node) }
        var budgets: [Budget] = []
        if let node = file["budget"] { budgets.append(try Budget(.route, node)) }
        if let node = file["token_budget"] { budgets.append(try Budget(.token, node)) }
        if !budgets.isEmpty { self.budgets = budgets }
        try refuseModelsWithoutAPI(node)
    }

    /// Prompts, providers and budgets mean something only where the gateway reads what it passes on.
    private func refuseModelsWithoutAPI(_ node: YAMLNode) throws(Fault) {
        guard api == nil else { return }
        let needs = provider != nil ? "a provider" : budgets != nil ? "a budget" : nil
        let variant = variants.first { $0.prompt != nil || $0.provider != nil }
        guard let what = needs ?? variant.map({ "variant '\($0.name)' with a prompt or provider" }) else { return }
        throw node.fault(
            "route '\(name)' has \(what), and does not say what its requests are",
            why: "prompts are put into requests of OpenAI's API, and costs are counted there", fix: "add `api: openai` to the route"
        )
    }

    /// Basis points by name, as the file says.
    var shares: [String: Int] { Dictionary(uniqueKeysWithValues: variants.map { ($0.name, $0.basisPoints) }) }

    /// Names stand in response headers, metric labels and commands (`v11=80%`), so they are kept plain.
    public static func isName(_ text: String) -> Bool {
        guard (1...64).contains(text.utf8.count), let first = text.utf8.first, first != 0x2d, first != 0x2e else { return false }
        return UpstreamURL.isName(text[...])
    }

    static func name(_ node: YAMLNode, of what: String) throws(Fault) -> String {
        let text = try node.string()
        guard isName(text) else { throw badName(text, of: what, at: node) }
        return text
    }

    private static func badName(_ text: String, of what: String, at node: YAMLNode) -> Fault {
        node.fault(
            "'\(text)' cannot be the name of \(what)", why: "names stand in headers, labels and commands",
            fix: "use 1 to 64 letters, digits, '.', '-' and '_', beginning with a letter, a digit or '_'")
    }

    private static func variants(_ node: YAMLNode) throws(Fault) -> [VariantSpec] {
        let entries = try node.mapping("the variants of a route").entries
        guard (1...variantsMax).contains(entries.count) else {
            throw node.fault(
                "a route cannot have \(entries.count) variants", why: "it needs 1 to \(variantsMax)",
                fix: entries.isEmpty ? "add a variant, such as `v1: { url: \"http://127.0.0.1:9001/\" }`" : "use several routes")
        }
        var variants: [VariantSpec] = []
        for entry in entries {
            guard isName(entry.key) else { throw badName(entry.key, of: "a variant", at: entry.value) }
            variants.append(try VariantSpec(entry.key, entry.value, alone: entries.count == 1))
        }
        let sum = variants.map(\.basisPoints).reduce(0, +)
        guard sum == TrafficSplit.bucketCount else {
            let listed = variants.map { "\($0.name) \(Share.text($0.basisPoints))" }.joined(separator: ", ")
            throw node.fault(
                "the shares of the variants sum to \(Share.text(sum))", why: "every request needs exactly one answer (\(listed))",
                fix: "change `share:` so that they sum to 100 %")
        }
        return variants
    }
}

extension RouteSpec.VariantSpec {
    fileprivate init(_ name: String, _ node: YAMLNode, alone: Bool) throws(Fault) {
        let file = try node.mapping("variant '\(name)'")
        try file.refuseUnknown(known: ["url", "version", "share", "rewrite", "prompt", "provider", "ca_file"])
        self.init(name: name)
        if let node = file["prompt"] { prompt = try RouteSpec.version(node) }
        if let node = file["provider"] { provider = try RouteSpec.providers(node) }
        switch (file["url"], file["version"]) {
        case (let node?, nil) where provider == nil: url = try RouteSpec.url(node)
        case (nil, let node?) where prompt == nil && provider == nil: version = try RouteSpec.version(node)
        case (nil, nil) where prompt != nil || provider != nil: break
        case (nil, nil):
            throw node.fault(
                "variant '\(name)' must have `url`, `version`, `prompt` or `provider`", why: "it says where requests are sent",
                fix: "write `url: \"http://127.0.0.1:9001/\"`, or `version: model@v1` for a version that is registered")
        case (_?, _?) where prompt == nil && provider == nil:
            throw node.fault(
                "variant '\(name)' must have `url` or `version`, one of them", why: "it says where requests are sent",
                fix: "remove one of them")
        default:
            throw node.fault(
                "variant '\(name)' says twice where requests are sent",
                why: "a provider has its own url, and a version of a model is no server for prompts",
                fix: "keep `prompt` with `provider` or with `url`")
        }
        switch file["share"] {
        case let node?: basisPoints = try Share.basisPoints(node)
        case nil where alone: basisPoints = TrafficSplit.bucketCount
        case nil:
            throw node.fault(
                "variant '\(name)' has no share", why: "a route with several variants says what each of them answers",
                fix: "add `share: 10%` (0% is allowed)")
        }
        if let node = file["rewrite"] { rewrite = try Rewrite(node) }
        if let node = file["ca_file"] { caFile = try CertificateFile.path(node, for: url) }
    }
}

extension RouteSpec {
    /// A URL the gateway can send to.
    fileprivate static func url(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        do {
            _ = try UpstreamURL(text)
            return text
        } catch {
            throw node.fault("'\(text)' cannot be a variant's url", why: error.why, fix: error.fix)
        }
    }

    /// `model@version`.
    fileprivate static func version(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        let parts = text.split(separator: "@", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, parts.allSatisfy({ isName($0) }) else {
            throw node.fault(
                "'\(text)' is not a version", why: "a version is named by its model and its own name",
                fix: "write it as `model@version`, such as `fraud-model@v12`")
        }
        return text
    }
}

extension UpstreamURL.Refusal {
    /// For the `why` of a fault.
    public var why: String {
        switch self {
        case .notHTTP: "an upstream is addressed as http://host:port/path or https://host:port/path, in at most 2 048 bytes"
        case .userInfo: "a user name or password in a url would be seen in logs and in `route show`"
        case .queryOrFragment: "the path and query of each request are appended to it"
        case .badHost: "its host is neither a name nor an address"
        case .badPort: "its port is not a number from 1 to 65535"
        case .badPath: "its path has bytes that must be percent-encoded"
        }
    }

    /// For the `fix` of a fault.
    public var fix: String {
        switch self {
        case .notHTTP: "write it as http://127.0.0.1:9001/path"
        case .userInfo: "send credentials with `rewrite: { headers: { Authorization: ... } }`"
        case .queryOrFragment: "remove everything from '?' or '#' on"
        case .badHost: "use a host name, an IPv4 address, or an IPv6 address in brackets"
        case .badPort: "correct the number after the last ':'"
        case .badPath: "percent-encode it"
        }
    }
}
