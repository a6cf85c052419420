public import JSON

/// A named entry point of live traffic.
public struct Route: Equatable, Sendable, Codable {
    public var id: RouteID
    public var name: String
    public var match: RouteMatch
    public var unit: UnitSource
    public var variants: [Variant]
    public var timeouts: RouteTimeouts
    public var split: TrafficSplit
    /// Asked before the base split, in the order of their numbers.
    public var experiments: [RouteExperiment] = []
    /// Set where the gateway reads and rewrites what it passes on.
    public var api: RouteAPI?
    public var budgets: [Budget]?

    public init(
        id: RouteID, name: String, match: RouteMatch, unit: UnitSource, variants: [Variant], timeouts: RouteTimeouts,
        split: TrafficSplit, experiments: [RouteExperiment] = []
    ) {
        (self.id, self.name, self.match, self.unit, self.variants, self.timeouts, self.split) =
            (id, name, match, unit, variants, timeouts, split)
        self.experiments = experiments
    }

    /// A base variant; those of experiments have names of their own there.
    public func variant(named name: String) -> Variant? { variants.first { $0.name == name && $0.experiment == nil } }
    public func variant(_ id: VariantID) -> Variant? { variants.first { $0.id == id } }
    public func variant(named name: String, of experiment: String) -> Variant? {
        variants.first { $0.name == name && $0.experiment == experiment }
    }
    public func experiment(named name: String) -> RouteExperiment? { experiments.first { $0.name == name } }

    /// What answers where no experiment does.
    public var baseVariants: [Variant] { variants.filter { $0.experiment == nil } }

    /// Basis points of each base variant by name, those without traffic included.
    public var sharesByName: [String: Int] {
        let shares = split.shares
        return Dictionary(uniqueKeysWithValues: baseVariants.map { ($0.name, shares[$0.id] ?? 0) })
    }
}

extension Route {
    private enum Key: String, CodingKey { case id, name, match, unit, variants, timeouts, split, experiments, api, budgets }

    /// A route without experiments is written as it was before there were any, and what was written then is read.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        self.init(
            id: try container.decode(RouteID.self, forKey: .id), name: try container.decode(String.self, forKey: .name),
            match: try container.decode(RouteMatch.self, forKey: .match),
            unit: try container.decode(UnitSource.self, forKey: .unit),
            variants: try container.decode([Variant].self, forKey: .variants),
            timeouts: try container.decode(RouteTimeouts.self, forKey: .timeouts),
            split: try container.decode(TrafficSplit.self, forKey: .split),
            experiments: try container.decodeIfPresent([RouteExperiment].self, forKey: .experiments) ?? [])
        api = try container.decodeIfPresent(RouteAPI.self, forKey: .api)
        budgets = try container.decodeIfPresent([Budget].self, forKey: .budgets)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(id, forKey: .id)
        try container.encode(name, forKey: .name)
        try container.encode(match, forKey: .match)
        try container.encode(unit, forKey: .unit)
        try container.encode(variants, forKey: .variants)
        try container.encode(timeouts, forKey: .timeouts)
        try container.encode(split, forKey: .split)
        if !experiments.isEmpty { try container.encode(experiments, forKey: .experiments) }
        try container.encodeIfPresent(api, forKey: .api)
        try container.encodeIfPresent(budgets, forKey: .budgets)
    }
}

/// A route's number within this installation: given once, never reused.
public struct RouteID: Hashable, Sendable, Codable {
    public let number: UInt16
    public init(_ number: UInt16) { self.number = number }
    public init(from decoder: any Decoder) throws { self.init(try decoder.singleValueContainer().decode(UInt16.self)) }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }
}

/// A variant's number within its route: given once, in order of first appearance (exposures carry it). A variant that comes
/// back by its name gets its number back; only after 256 names is the number of the one removed longest ago given again.
public struct VariantID: Hashable, Comparable, Sendable, Codable {
    public let number: UInt8
    public init(_ number: UInt8) { self.number = number }
    public static func < (a: VariantID, b: VariantID) -> Bool { a.number < b.number }
    public init(from decoder: any Decoder) throws { self.init(try decoder.singleValueContainer().decode(UInt8.self)) }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }
}

/// What a route may answer with.
public struct Variant: Equatable, Sendable, Codable {
    public var id: VariantID
    public var name: String
    /// http://host:port/path, or with https; the rest of the request's path is appended.
    public var url: String
    /// `fraud-model@v12` when it serves a registered version.
    public var version: String?
    public var rewrite: Rewrite?
    /// The experiment it belongs to; nil for a base variant.
    public var experiment: String?
    /// What remote evaluation answers with; nil for the variant's name.
    public var value: JSONValue?
    /// What a chat request is made of, on a route with `api: openai`.
    public var prompt: PromptBinding?
    /// Who is asked, in the order of trying; `url` is the first one's. Nil where the variant's url says it all.
    public var providers: [ProviderBinding]?
    /// Whose certificates its https url is checked against; nil for the system's.
    public var caFile: String?

    public init(
        id: VariantID, name: String, url: String, version: String? = nil, rewrite: Rewrite? = nil, experiment: String? = nil,
        value: JSONValue? = nil
    ) {
        (self.id, self.name, self.url, self.version, self.rewrite) = (id, name, url, version, rewrite)
        (self.experiment, self.value) = (experiment, value)
    }
}

/// What is changed in a request on its way to a variant: JSON pointers (RFC 6901) of the body, and header fields.
public struct Rewrite: Equatable, Sendable, Codable {
    public var json: [String: JSONValue]
    public var headers: [String: String]
    public init(json: [String: JSONValue] = [:], headers: [String: String] = [:]) {
        (self.json, self.headers) = (json, headers)
    }
}

/// Which requests a route answers.
public struct RouteMatch: Hashable, Sendable, Codable {
    /// Lower case, without a port; nil matches every host.
    public var host: String?
    /// A prefix at a path boundary: `/fraud` matches `/fraud` and `/fraud/x`, not `/fraudulent`. The longest match wins.
    public var path: String
    public init(host: String? = nil, path: String) { (self.host, self.path) = (host, path) }
}

/// Milliseconds.
public struct RouteTimeouts: Equatable, Sendable, Codable {
    public var connect: Int64 = 1_000
    public var firstByte: Int64 = 60_000
    public var idle: Int64 = 300_000
    public init() {}
}

/// Where a unit's identity comes from: `header:X-User-Id`, `cookie:sid`, `json:/user/id`, `client`. A request without one
/// is its own unit (its request id).
public enum UnitSource: Equatable, Sendable {
    case header(String)
    case cookie(String)
    case json(pointer: String)
    case clientAddress

    public init?(_ text: String) {
        if text == "client" {
            self = .clientAddress
            return
        }
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let name = String(text[text.index(after: colon)...])
        switch text[..<colon] {
        case "header" where FieldName.isToken(name): self = .header(name)
        case "cookie" where FieldName.isToken(name): self = .cookie(name)
        case "json" where FieldName.isPointer(name): self = .json(pointer: name)
        default: return nil
        }
    }

    public var text: String {
        switch self {
        case .header(let name): "header:\(name)"
        case .cookie(let name): "cookie:\(name)"
        case .json(let pointer): "json:\(pointer)"
        case .clientAddress: "client"
        }
    }
}

extension UnitSource: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let source = UnitSource(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a unit source")
        }
        self = source
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// The two kinds of name a route refers to parts of a request by.
enum FieldName {
    /// RFC 9110 token, 1 to 128 bytes.
    static func isToken(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    /// RFC 6901 pointer to a member or element (not the empty one, which is the whole document), at most 512 bytes.
    static func isPointer(_ text: String) -> Bool {
        guard text.utf8.first == UInt8(ascii: "/"), text.utf8.count <= 512 else { return false }
        var escaped = false
        for byte in text.utf8 {
            if escaped, byte != UInt8(ascii: "0"), byte != UInt8(ascii: "1") { return false }
            escaped = byte == UInt8(ascii: "~")
        }
        return !escaped
    }
}
