/// What a route is asked to carry: an experiment with its variants as they are to be.
public struct RouteExperimentSpec: Equatable, Sendable, Codable {
    public var name: String
    public var unit: UnitSource
    public var audience: Audience
    /// Control first. A variant with neither url nor version is served where the route's own traffic goes, with its rewrite.
    public var variants: [RouteSpec.VariantSpec]
    /// The split's salt comes from it; nil takes the experiment's name. Experiments with one seed split units alike.
    public var seed: String?
    public var hashing: RouteExperiment.Hashing
    /// By the text of the unit, the name of the variant.
    public var overrides: [String: String]
    public var stickiness: RouteExperiment.Stickiness
    /// For contextual bandits: its arms are the variants, in their order.
    public var scorer: Scorer?
    /// What all its requests together may cost; on a route with `api: openai`.
    public var budget: Budget?

    public static let variantsMax = 32
    public static let overridesMax = 1_000
    /// Of all experiments of one route together.
    public static let experimentsMax = 16

    public init(
        name: String, unit: UnitSource, audience: Audience = Audience(), variants: [RouteSpec.VariantSpec], seed: String? = nil,
        hashing: RouteExperiment.Hashing = .buckets, overrides: [String: String] = [:],
        stickiness: RouteExperiment.Stickiness = .share, scorer: Scorer? = nil, budget: Budget? = nil
    ) {
        (self.name, self.unit, self.audience, self.variants, self.seed) = (name, unit, audience, variants, seed)
        (self.hashing, self.overrides, self.stickiness, self.scorer) = (hashing, overrides, stickiness, scorer)
        self.budget = budget
    }

    /// Basis points by name.
    var shares: [String: Int] { Dictionary(variants.map { ($0.name, $0.basisPoints) }, uniquingKeysWith: { _, last in last }) }
}
