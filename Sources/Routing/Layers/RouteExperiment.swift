public import JSON

/// An experiment on a route: a layer over its base split, with units, an audience and a split of its own. A request that the
/// experiment does not take is answered by the base split.
public struct RouteExperiment: Equatable, Sendable, Codable {
    /// Which units change variant when shares move.
    public enum Stickiness: String, Sendable, Codable {
        /// Those of the moved share, no others.
        case share
        /// None that was exposed: a unit keeps the variant it saw first, as long as that variant is there.
        case user
    }

    /// How a unit is hashed to its place in the split.
    public enum Hashing: Equatable, Sendable {
        /// Our 10 000 buckets with owners: moving shares moves no more units than it must.
        case buckets
        /// As GrowthBook's SDKs hash, so that both put a unit into the same variant. Their ranges are cumulative: with three
        /// variants or more a move of shares moves more units than shares.
        case growthBook(version: Int, seed: String)
    }

    /// Given once per installation, never again: it names the units that `stickiness` froze.
    public var number: UInt16
    public var name: String
    public var unit: UnitSource
    public var audience: Audience
    /// In the order of the experiment's file, control first. Their `Variant` values stand in the route, with this name as
    /// `experiment`.
    public var variants: [VariantID]
    /// The same in the order they appeared, those that were retired included: what the numbers of a scorer's arms mean.
    public var arms: [VariantID]
    public var split: TrafficSplit
    public var hashing: Hashing
    /// For trying a variant out: the text of a unit, and what it gets. These units are not analysed.
    public var overrides: [String: VariantID]
    public var stickiness: Stickiness
    /// Chooses by what describes a request, in the split's stead.
    public var scorer: Scorer?
    /// What all its requests together may cost.
    public var budget: ExperimentBudget?

    public init(
        number: UInt16, name: String, unit: UnitSource, audience: Audience, variants: [VariantID], split: TrafficSplit,
        hashing: Hashing = .buckets, overrides: [String: VariantID] = [:], stickiness: Stickiness = .share, scorer: Scorer? = nil
    ) {
        (self.number, self.name, self.unit, self.audience) = (number, name, unit, audience)
        (self.variants, arms, self.split, self.hashing) = (variants, variants, split, hashing)
        (self.overrides, self.stickiness, self.scorer) = (overrides, stickiness, scorer)
    }
}

extension RouteExperiment {
    /// Whether its choices look at what a unit earned earlier.
    public var looksBack: Bool {
        scorer?.features.contains { if case .history = $0.kind { true } else { false } } == true
    }
}

extension RouteExperiment.Hashing: Codable {
    private enum Key: String, CodingKey { case version, seed }

    /// `{}` for ours, `{"version": 2, "seed": "..."}` for GrowthBook's.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        guard let version = try container.decodeIfPresent(Int.self, forKey: .version) else {
            self = .buckets
            return
        }
        self = .growthBook(version: version, seed: try container.decode(String.self, forKey: .seed))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        guard case .growthBook(let version, let seed) = self else { return }
        try container.encode(version, forKey: .version)
        try container.encode(seed, forKey: .seed)
    }
}

/// A budget of an experiment, and since when it counts: another run of the same name begins with nothing spent.
public struct ExperimentBudget: Equatable, Sendable, Codable {
    public var budget: Budget
    /// Milliseconds of UTC.
    public var since: Int64

    public init(_ budget: Budget, since: Int64) { (self.budget, self.since) = (budget, since) }
}

/// Who an experiment is for. What is asked first stands first: a unit outside of the namespace is never asked for attributes.
public struct Audience: Equatable, Sendable, Codable {
    /// The part of all units this experiment may have; nil for all of them.
    public var namespace: Namespace?
    public var condition: Condition?
    /// Where the condition's attributes are read from. `id`, the unit itself, is always there.
    public var attributes: [String: AttributeSource]
    /// The lists that the condition's `$inGroup` names.
    public var groups: [String: JSONValue]
    /// How many of the units that are left it takes, in basis points: a ramp. Raising it only adds units.
    public var coverage: Int

    public init(
        namespace: Namespace? = nil, condition: Condition? = nil, attributes: [String: AttributeSource] = [:],
        groups: [String: JSONValue] = [:], coverage: Int = 10_000
    ) {
        (self.namespace, self.condition, self.attributes) = (namespace, condition, attributes)
        (self.groups, self.coverage) = (groups, coverage)
    }
}

/// Where an attribute is read from: `header:NAME`, `cookie:NAME`, `json:/POINTER` of the body, `token:/POINTER` of the claims
/// in the bearer token.
///
/// The token is read, not verified: whoever can send requests can send any claims. A condition over them chooses who takes
/// part in an experiment; it protects nothing.
public enum AttributeSource: Hashable, Sendable {
    case header(String)
    case cookie(String)
    case json(pointer: String)
    case token(pointer: String)

    public init?(_ text: String) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let name = String(text[text.index(after: colon)...])
        switch text[..<colon] {
        case "header" where FieldName.isToken(name): self = .header(name)
        case "cookie" where FieldName.isToken(name): self = .cookie(name)
        case "json" where FieldName.isPointer(name): self = .json(pointer: name)
        case "token" where FieldName.isPointer(name): self = .token(pointer: name)
        case "token" where FieldName.isToken(name): self = .token(pointer: "/" + name.replacing("~", with: "~0"))
        default: return nil
        }
    }

    /// What the text of a header, a cookie or a command line says. They have nothing but texts, so the words true and false are
    /// the booleans there: `{"beta": true}` holds for `X-Beta: true`. Everything else stays a text, which conditions read as a
    /// number where they compare it with one.
    public static func value(_ text: String) -> JSONValue {
        switch text {
        case "true": .bool(true)
        case "false": .bool(false)
        default: .string(text)
        }
    }

    public var text: String {
        switch self {
        case .header(let name): "header:\(name)"
        case .cookie(let name): "cookie:\(name)"
        case .json(let pointer): "json:\(pointer)"
        case .token(let pointer): "token:\(pointer)"
        }
    }
}

extension AttributeSource: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let source = AttributeSource(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not where an attribute can come from")
        }
        self = source
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
