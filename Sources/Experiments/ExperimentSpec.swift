public import JSON
public import Routing

/// An `experiment:` resource as the user wrote it.
///
/// ```yaml
/// experiment:
///   name: friendlier-support
///   route: support
///   unit: "header:X-User-Id"
///   variants:
///     control:    { prompt: support@v3, share: 50% }
///     friendlier: { prompt: support@v4, share: 50% }
///   allocation: { strategy: fixed }
///   metrics:
///     primary: { name: resolved, type: binary, direction: up, minimum_effect: 0.02, window: 24h }
///   decision: { alpha: 0.05, power: 0.8, auto: promote, max_duration: 14d }
/// ```
public struct ExperimentSpec: Equatable, Sendable, Codable {
    public static let variantsMax = 16
    /// That an experiment has had, retired ones included.
    public static let armsMax = 64
    public static let overridesMax = 256
    public static let attributesMax = 32

    public var name: String
    public var route: String
    /// Who is assigned; nil: as the route says.
    public var unit: UnitSource?
    /// Control first, then in the file's order.
    public var variants: [VariantSpec]
    public var allocation: Allocation
    /// What a contextual allocation sees of a request.
    public var features: [FeatureSpec]
    public var targeting: Targeting
    public var metrics: ExperimentMetrics
    public var decision: Decision
    /// What all its requests together may cost.
    public var budget: Budget?
    /// Where its name stands in the file.
    public var line = 0

    /// One thing that is tried.
    public struct VariantSpec: Equatable, Sendable, Codable {
        public enum Serving: Equatable, Sendable, Codable {
            /// `support@v3`
            case prompt(version: String)
            /// `fraud-model@v12`
            case version(name: String)
            case url(text: String)
        }
        public var name: String
        public var serving: Serving
        public var basisPoints: Int
        public var rewrite: Rewrite?
        /// What a flag evaluation answers with; the variant's name where there is none.
        public var value: JSONValue?
        /// What an evaluation before the experiment gave it: shown beside its live effect.
        public var offlineScore: Double?

        public init(name: String, serving: Serving, basisPoints: Int, rewrite: Rewrite? = nil, value: JSONValue? = nil) {
            (self.name, self.serving, self.basisPoints, self.rewrite, self.value) = (name, serving, basisPoints, rewrite, value)
        }

        /// `prompt support@v3`, as it is shown.
        public var servingText: String {
            switch serving {
            case .prompt(let version): "prompt \(version)"
            case .version(let name): name
            case .url(let text): text
            }
        }
        /// The registered version it shows: a model's or a prompt's.
        public var version: String? {
            switch serving {
            case .prompt(let version): version
            case .version(let name): name
            case .url: nil
            }
        }
        var model: String? { if case .version(let name) = serving { name } else { nil } }
    }

    /// Whom it takes, and how they are told apart.
    public struct Targeting: Equatable, Sendable, Codable {
        /// Experiments of one namespace whose ranges do not overlap never share a unit.
        public struct Namespace: Equatable, Sendable, Codable {
            public var name: String
            /// Basis points: `lower..<upper`.
            public var lower: Int
            public var upper: Int
            public init(name: String, lower: Int, upper: Int) { (self.name, self.lower, self.upper) = (name, lower, upper) }
        }
        /// A part of a ramp: how many of the units it takes, and for how long at least.
        public struct RampStep: Equatable, Sendable, Codable {
            /// Basis points.
            public var coverage: Int
            /// Milliseconds; nil for the last.
            public var hold: Int64?
            public init(coverage: Int, hold: Int64?) { (self.coverage, self.hold) = (coverage, hold) }
        }
        public enum Hashing: String, Sendable, Codable, CaseIterable {
            case buckets
            case growthBook1 = "growthbook_v1"
            case growthBook2 = "growthbook_v2"
        }

        public var namespace: Namespace?
        /// At least one; a single one without `hold` where nothing ramps.
        public var ramp = [RampStep(coverage: 10_000, hold: nil)]
        /// A condition on attributes, in GrowthBook's language.
        public var condition: JSONValue?
        /// Where each attribute comes from: `header:X-Country`, `cookie:plan`, `json:/user/plan`, `token:NAME`.
        public var attributes: [String: String] = [:]
        /// For testers: the unit's text and the variant it gets; what they do is not analysed.
        public var overrides: [String: String] = [:]
        public var hashing = Hashing.buckets
        /// What the hash is salted with; the experiment's name where nothing is said.
        public var seed: String?
        public init() {}
    }

    /// A number that a contextual allocation sees of a request.
    public struct FeatureSpec: Equatable, Sendable, Codable {
        public var name: String
        /// `header:NAME`, `json:/POINTER`, or `history` (the unit's own past feedback on this experiment).
        public var from: String
        /// Divides a number, so that features are about one.
        public var scale: Double
        /// For words: one feature of 0 or 1 each.
        public var categories: [String]
        public init(name: String, from: String, scale: Double = 1, categories: [String] = []) {
            (self.name, self.from, self.scale, self.categories) = (name, from, scale, categories)
        }
    }
}

extension ExperimentSpec {
    /// The same content, wherever its lines stand.
    public func isSame(as other: ExperimentSpec) -> Bool {
        var (one, two) = (self, other)
        (one.line, two.line) = (0, 0)
        return one == two
    }

    public var control: VariantSpec { variants[0] }

    /// Basis points by name, as the file says.
    public var shares: [String: Int] { Dictionary(uniqueKeysWithValues: variants.map { ($0.name, $0.basisPoints) }) }

    public func variant(named name: String) -> VariantSpec? { variants.first { $0.name == name } }
    public func place(of variant: String) -> Int? { variants.firstIndex { $0.name == variant } }
}
