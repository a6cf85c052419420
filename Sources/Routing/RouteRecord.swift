import Faults
import Ledger

/// Everything that is known about one route: what each ledger entry about it carries, so that its last entry is its state.
/// Decides what a change leads to; performs nothing.
struct RouteRecord: Equatable, Sendable, Codable {
    /// A variant that was removed: its number waits for its name to come back.
    struct Retired: Equatable, Sendable, Codable {
        var name: String
        var id: VariantID
    }
    var route: Route
    /// The resource as last applied: applying the same again changes nothing.
    var applied: RouteSpec
    /// The newest last; at most one is held. Those given back are kept for their fences.
    var claims: [RouteClaim] = []
    /// In order of removal.
    var retired: [Retired] = []
    /// One per experiment that is, or was, on the route.
    var experimentClaims: [ExperimentClaim] = []
    /// The highest number that an experiment on this route was given.
    var experimentNumber: UInt16 = 0

    /// A new route. `places` has one for every variant of the spec.
    init(_ spec: RouteSpec, id: RouteID, places: [String: VariantPlace]) {
        var variants: [Variant] = []
        for (number, variant) in spec.variants.enumerated() {
            variants.append(Variant(variant, id: VariantID(UInt8(number)), at: places[variant.name] ?? VariantPlace()))
        }
        let shares = Dictionary(uniqueKeysWithValues: zip(variants.map(\.id), spec.variants.map(\.basisPoints)))
        route = Route(
            id: id, name: spec.name, match: spec.match, unit: spec.unit, variants: variants, timeouts: spec.timeouts,
            split: TrafficSplit(route: spec.name, shares: shares))
        (route.api, route.budgets) = (spec.api, spec.budgets)
        applied = spec
    }

    /// A new content of the resource. Shares move only where the file's own shares changed: what a release or `route set`
    /// moved since is not undone by an edit of something else.
    mutating func apply(_ spec: RouteSpec, places: [String: VariantPlace]) throws(Fault) {
        try refuseOtherOwner(than: nil, "apply a new content to it")
        let dropped = applied.variants.map(\.name).filter { spec.shares[$0] == nil }
        let isMoved = spec.shares.filter { $0.value > 0 } != applied.shares.filter { $0.value > 0 }
        // What is dropped makes room for what is new. Where the shares move too, all of them go to variants of the new content.
        for name in dropped { try isMoved ? retire(name) : remove(name) }
        for variant in spec.variants { try put(variant, at: places[variant.name] ?? VariantPlace()) }
        if isMoved { try move(to: spec.shares) }
        (route.match, route.unit, route.timeouts) = (spec.match, spec.unit, spec.timeouts)
        (route.api, route.budgets) = (spec.api, spec.budgets)
        applied = spec
    }

    /// Moves to shares by name; variants that are not named get nothing.
    mutating func move(to shares: [String: Int]) throws(Fault) {
        var byID: [VariantID: Int] = [:]
        for (name, share) in shares.sorted(by: { $0.key < $1.key }) {
            guard let variant = route.variant(named: name) else { throw unknownVariant(name) }
            guard (0...TrafficSplit.bucketCount).contains(share) else { throw badShares(shares) }
            byID[variant.id] = share
        }
        guard byID.values.reduce(0, +) == TrafficSplit.bucketCount else { throw badShares(shares) }
        route.split.move(to: byID)
    }

    /// Adds a variant with share 0, or updates one and leaves its share.
    mutating func put(_ spec: RouteSpec.VariantSpec, at place: VariantPlace) throws(Fault) {
        if let index = route.variants.firstIndex(where: { $0.name == spec.name && $0.experiment == nil }) {
            route.variants[index] = Variant(spec, id: route.variants[index].id, at: place)
            return
        }
        try refuseFullBase()
        route.variants.append(Variant(spec, id: takeNumber(for: spec.name), at: place))
    }

    func refuseFullBase() throws(Fault) {
        guard route.baseVariants.count >= RouteSpec.variantsMax else { return }
        throw Fault(
            .limitReached, what: "Route \(route.name) cannot have another variant.",
            why: "It has \(RouteSpec.variantsMax), which is the limit.", fix: "Remove variants that answer nothing.")
    }

    /// Removes a variant that answers nothing. One that is not there is removed already.
    mutating func remove(_ name: String) throws(Fault) {
        guard let variant = route.variant(named: name) else { return }
        if let share = route.split.shares[variant.id] {
            throw Fault(
                .conflict, what: "Variant \(name) of route \(route.name) cannot be removed.",
                why: "It answers \(Share.text(share)) of the traffic.",
                fix: "Move its share first: openclaw route set \(route.name) \(name)=0% ...")
        }
        retire(name)
    }

    /// Takes a variant off the route; its share, if it has one, is about to be moved.
    private mutating func retire(_ name: String) {
        guard let variant = route.variant(named: name) else { return }
        route.variants.removeAll { $0.id == variant.id }
        retired.append(Retired(name: name, id: variant.id))
    }

    /// A name's own number, else a new one, else the number that has been out of use longest.
    mutating func takeNumber(for name: String) -> VariantID {
        if let index = retired.firstIndex(where: { $0.name == name }) { return retired.remove(at: index).id }
        let used = route.variants.count + retired.count
        return used <= Int(UInt8.max) ? VariantID(UInt8(used)) : retired.removeFirst().id
    }

    private func unknownVariant(_ name: String) -> Fault {
        let known = route.baseVariants.map(\.name).sorted()
        let closest = Suggestion.closest(to: name, among: known).map { "Did you mean \($0)? " } ?? ""
        return Fault(
            .notFound, what: "Route \(route.name) has no variant '\(name)'.", why: "It has \(known.joined(separator: ", ")).",
            fix: "\(closest)openclaw route show \(route.name) lists them.")
    }

    private func badShares(_ shares: [String: Int]) -> Fault {
        let listed = shares.sorted { $0.key < $1.key }.map { "\($0.key)=\(Share.text($0.value))" }.joined(separator: " ")
        return Fault(
            .usage, what: "These shares cannot be set on route \(route.name): \(listed).",
            why: "Shares are from 0 % to 100 % and sum to 100 %; a variant that is not named gets 0 %.",
            fix: "Change them so that they sum to 100 %.")
    }
}

extension RouteRecord {
    static let claimsMax = 8

    /// Who holds the route now.
    var owner: String? { claims.last(where: \.isHeld)?.owner }

    /// One owner per route: the same owner may claim again, another is refused.
    mutating func claim(for owner: String) throws(Fault) {
        try refuseOtherOwner(than: owner, "claim it for \(owner)")
        try refuseExperiments(than: owner)
        var claim = RouteClaim(owner: owner)
        if let index = claims.firstIndex(where: { $0.owner == owner }) { claim = claims.remove(at: index) }
        claim.isHeld = true
        claims = claims.suffix(RouteRecord.claimsMax - 1) + [claim]
    }

    /// Given back once, and then already given back: never somebody else's.
    mutating func giveBack(by owner: String) {
        guard let index = claims.firstIndex(where: { $0.owner == owner }) else { return }
        claims[index].isHeld = false
    }

    /// Whether an effect of `owner` under `fence` is to be performed; false when it was performed before, or is older than one
    /// that was. Refused when `owner` does not hold the claim. An equal fence under a claim is performed again: several
    /// effects have one position, and each of them changes nothing the second time.
    mutating func admit(_ owner: String, fence: Position) throws(Fault) -> Bool {
        guard let index = claims.firstIndex(where: { $0.owner == owner }) else {
            try refuseOtherOwner(than: owner, "move it")
            throw notClaimed(by: owner)
        }
        if claims[index].isHeld {
            guard claims[index].admits(fence) else { return false }
            claims[index].fence = fence
            return true
        }
        if fence <= claims[index].fence { return false }
        try refuseOtherOwner(than: owner, "move it")
        throw notClaimed(by: owner)
    }

    /// Refuses while somebody else than `owner` holds the route.
    func refuseOtherOwner(than owner: String?, _ intent: String) throws(Fault) {
        guard let holder = self.owner, holder != owner else { return }
        let (kind, name) = RouteRecord.parts(of: holder)
        throw Fault(
            .conflict, what: "Route \(route.name) belongs to \(holder) now: you cannot \(intent).",
            why: "One owner at a time moves a route, so that two of them cannot fight.",
            fix: kind == "release"
                ? "Wait until it ends, or end it: openclaw release rollback \(name) (or promote, or abort)."
                : "Wait until \(holder) gives it back.")
    }

    /// A release and an experiment would each spoil what the other measures.
    private func refuseExperiments(than owner: String) throws(Fault) {
        guard self.owner != owner, !route.experiments.isEmpty else { return }
        let names = route.experiments.map(\.name).joined(separator: ", ")
        throw Fault(
            .conflict, what: "Route \(route.name) cannot be claimed for \(owner).", why: "It carries experiments: \(names).",
            fix: "Wait until they end, or stop them: openclaw experiment stop \(route.experiments[0].name).")
    }

    func nothingToAnswer(_ variant: String) -> Fault {
        Fault(
            .conflict, what: "Variant \(variant) has nowhere to send requests.", why: "Route \(route.name) has no base variant.",
            fix: "Give the variant a `url`.")
    }

    private func notClaimed(by owner: String) -> Fault {
        Fault(
            .conflict, what: "\(owner) does not hold route \(route.name).", why: "It never claimed it, or gave it back.",
            fix: "Claim the route first.")
    }

    private static func parts(of owner: String) -> (kind: Substring, name: Substring) {
        guard let slash = owner.firstIndex(of: "/") else { return ("", owner[...]) }
        return (owner[..<slash], owner[owner.index(after: slash)...])
    }
}

extension Variant {
    init(_ spec: RouteSpec.VariantSpec, id: VariantID, at place: VariantPlace) {
        self.init(id: id, name: spec.name, url: place.url, version: spec.version, rewrite: spec.rewrite, value: spec.value)
        (prompt, providers, caFile) = (place.prompt, place.providers, place.caFile)
    }
}

extension RouteRecord {
    private enum Key: String, CodingKey {
        case route, applied, claims, retired
        case experimentClaims, experimentNumber
    }

    /// Entries from before there were experiments have none of their fields.
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        route = try container.decode(Route.self, forKey: .route)
        applied = try container.decode(RouteSpec.self, forKey: .applied)
        claims = try container.decode([RouteClaim].self, forKey: .claims)
        retired = try container.decode([Retired].self, forKey: .retired)
        experimentClaims = try container.decodeIfPresent([ExperimentClaim].self, forKey: .experimentClaims) ?? []
        experimentNumber = try container.decodeIfPresent(UInt16.self, forKey: .experimentNumber) ?? 0
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(route, forKey: .route)
        try container.encode(applied, forKey: .applied)
        try container.encode(claims, forKey: .claims)
        try container.encode(retired, forKey: .retired)
        if !experimentClaims.isEmpty { try container.encode(experimentClaims, forKey: .experimentClaims) }
        if experimentNumber > 0 { try container.encode(experimentNumber, forKey: .experimentNumber) }
    }
}
