public import JSON

/// Why a unit gets the variant it gets: `openclaw route explain`.
public struct RouteExplanation: Equatable, Sendable {
    public var route: String
    public var unit: String
    public var bucket: Int
    public var variant: String
    /// The experiment that decided; nil when the base split did.
    public var experiment: String?
    public var reason: String

    /// `{"bucket","experiment","reason","route","unit","variant"}`
    public var json: JSONValue {
        [
            "route": .string(route), "unit": .string(unit), "bucket": .integer(Int64(bucket)), "variant": .string(variant),
            "experiment": experiment.map(JSONValue.string) ?? .null, "reason": .string(reason),
        ]
    }
}

/// What a route decides for a unit: which variant, and which experiment said so.
public struct RouteDecision: Sendable {
    public var variant: VariantID
    /// Basis points; 0 when a person chose it.
    public var propensity: UInt16
    /// Nil when the base split decided.
    public var experiment: RouteExperiment?
    public var because: Layer.Taking
    /// What a scorer looked at.
    public var features: [Float] = []
    /// The experiments before it that did not take the unit, and why.
    public var passed: [(experiment: RouteExperiment, why: Layer.Passing)]
}

/// A route made ready to decide for units that are known by their text: what `route explain` and remote evaluation ask. It
/// asks the same layers and the same split as the gateway's loops do.
public struct RouteDecider: Sendable {
    public let route: Route
    private let layers: [(layer: Layer, kept: StickyTable?, history: HistoryTable?)]
    private let shares: [VariantID: Int]

    /// A table of kept units that cannot be opened is missing here as it is at the gateway, which says so in its log.
    public init(_ route: Route, sticky: StickyFolder? = nil) {
        self.route = route
        shares = route.split.shares
        layers = route.experiments.map { experiment in
            (
                Layer(experiment), experiment.stickiness == .user ? try? sticky?.table(of: experiment.number) : nil,
                experiment.looksBack ? try? sticky?.history(of: experiment.number) : nil
            )
        }
    }

    /// The gateway's decision for a unit. `attributes` is what its requests would say of it; `remembers` says that the unit is
    /// exposed now.
    public func decide(unit text: String, attributes: [String: JSONValue] = [:], remembers: Bool = false) -> RouteDecision {
        let unit = UnitID(text)
        let bytes = Array(text.utf8)
        var passed: [(RouteExperiment, Layer.Passing)] = []
        for (layer, kept, history) in layers {
            let experiment = layer.experiment
            let known = experiment.visible(attributes, unit: text)
            let features = experiment.scorer?.features.numbers(attributes, of: unit, history) ?? []
            let answer = layer.answer(
                for: unit, text: bytes.span, attributes: known, features: features.span, kept: kept, remembers: remembers)
            switch answer {
            case .takes(let variant, var propensity, let because):
                if case .scored(let arm) = because {
                    propensity = UInt16(clamping: experiment.scorer?.propensities(features: features.span)[arm] ?? 0)
                }
                return RouteDecision(
                    variant: variant, propensity: propensity, experiment: experiment, because: because, features: features,
                    passed: passed)
            case .passes(let why): passed.append((experiment, why))
            }
        }
        let variant = route.split.variant(for: unit)
        return RouteDecision(
            variant: variant, propensity: UInt16(clamping: shares[variant] ?? 0), experiment: nil, because: .split, passed: passed)
    }

    /// The decision in words.
    public func explain(unit text: String, attributes: [String: JSONValue] = [:]) -> RouteExplanation {
        let decision = decide(unit: text, attributes: attributes)
        let split = decision.experiment?.split ?? route.split
        let bucket = UnitID(text).bucket(salt: split.salt, of: split.owners.count)
        let variant = route.variant(decision.variant)?.name ?? "?"
        let share = Share.text(split.shares[decision.variant] ?? 0)
        var reasons = decision.passed.map { "experiment \($0.experiment.name) did not take it: \($0.experiment.text(of: $0.why))" }
        switch (decision.experiment, decision.because) {
        case (let experiment?, .overridden):
            reasons.append("experiment \(experiment.name) has an override for this unit, and does not analyse it")
        case (let experiment?, .kept):
            reasons.append("experiment \(experiment.name) keeps the unit (\(experiment.unit.text)) at the variant it saw first")
        case (let experiment?, .scored):
            reasons.append(
                "experiment \(experiment.name): \(variant) scores best for the unit (\(experiment.unit.text)) and these attributes; its chance is \(Share.text(Int(decision.propensity)))"
            )
        case (let experiment?, .split) where experiment.hashing.isPublic:
            reasons.append(
                "experiment \(experiment.name): GrowthBook's hash puts the unit (\(experiment.unit.text)) at \(variant), which has \(share)"
            )
        case (let experiment?, .split):
            reasons.append(
                "experiment \(experiment.name): the unit (\(experiment.unit.text)) hashes to bucket \(bucket) of 10 000, which \(variant) owns; it owns \(share)"
            )
        case (nil, _):
            reasons.append(
                "the unit (\(route.unit.text)) hashes to bucket \(bucket) of 10 000, which \(variant) owns; it owns \(share)")
        }
        return RouteExplanation(
            route: route.name, unit: text, bucket: bucket, variant: variant, experiment: decision.experiment?.name,
            reason: reasons.joined(separator: "; "))
    }
}

extension Route {
    /// What the gateway answers `unit` with, and why. `unit` is the identity as the request carries it (a header's value, say).
    public func explain(unit text: String, attributes: [String: JSONValue] = [:], sticky: StickyFolder? = nil) -> RouteExplanation {
        RouteDecider(self, sticky: sticky).explain(unit: text, attributes: attributes)
    }
}

extension [ScorerFeature] {
    /// What a scorer looks at, from attributes that have the features' names, and from the unit's history.
    func numbers(_ attributes: [String: JSONValue], of unit: UnitID, _ history: HistoryTable?) -> [Float] {
        var numbers = [Float](repeating: 0, count: reduce(0) { $0 + $1.width })
        var span = numbers.mutableSpan
        var place = 0
        for feature in self {
            let value = attributes[feature.name].flatMap(ScorerFeature.text).map { feature.value(of: $0) } ?? .missing
            let start = place
            place = feature.encode(value, into: &span, at: place)
            if case .history(let arms) = feature.kind { history?.read(unit: unit.hash, arms: arms, into: &span, at: start) }
        }
        return numbers
    }
}

extension RouteExperiment {
    /// What this experiment sees of a unit's attributes: those it declares, and the unit as `id`.
    func visible(_ attributes: [String: JSONValue], unit: String) -> JSONValue {
        guard audience.condition != nil else { return .null }
        var visible = attributes.filter { audience.attributes[$0.key] != nil }
        if audience.attributes["id"] == nil { visible["id"] = .string(unit) }
        return .object(visible)
    }

    func text(of passing: Layer.Passing) -> String {
        switch passing {
        case .outsideNamespace:
            audience.namespace.map { "it is outside of \(Share.text($0.lower)) to \(Share.text($0.upper)) of namespace \($0.name)" }
                ?? "it is outside of its namespace"
        case .notMeant: "its condition does not hold"
        case .notCovered: "its ramp covers \(Share.text(audience.coverage)), and this unit is not among them"
        }
    }
}
