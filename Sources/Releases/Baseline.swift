import Registry
public import Routing

/// A route as a release found it when it took the claim: where its traffic stands, and where it goes back to.
public struct Baseline: Sendable, Equatable, Codable {
    /// Basis points by variant name; they sum to 10 000. The candidate's own share is in it when it had one.
    public var shares: [String: Int]
    /// The variants' names on the route.
    public var candidate: String
    public var stable: String
    /// Where a rollback sends the candidate's traffic: the stable variant unless the pipeline names another.
    public var previous: String
    /// What stood behind the shares, so that a rollback can put back what was taken off the route since.
    public var variants: [RouteSpec.VariantSpec]?

    public init(
        shares: [String: Int], candidate: String, stable: String, previous: String, variants: [RouteSpec.VariantSpec]? = nil
    ) {
        (self.shares, self.candidate, self.stable, self.previous, self.variants) = (shares, candidate, stable, previous, variants)
    }

    /// The route with the candidate at `share`: the others keep their proportions to each other (largest remainder first,
    /// ties by name, so that every machine computes the same numbers).
    public func shares(candidateAt share: Int) -> [String: Int] {
        var others = shares.filter { $0.key != candidate && $0.value > 0 }
        if others.isEmpty { others = [stable: 1] }
        let before = others.values.reduce(0, +)
        let rest = 10_000 - share
        var moved = others.mapValues { $0 * rest / before }
        let left = rest - moved.values.reduce(0, +)
        let byRemainder = others.keys.sorted { (others[$1]! * rest % before, $0) < (others[$0]! * rest % before, $1) }
        for name in byRemainder.prefix(left) { moved[name]! += 1 }
        for name in shares.keys where moved[name] == nil { moved[name] = 0 }
        moved[candidate] = share
        return moved
    }

    /// The route without the candidate, as it was: what the candidate had goes to the previous version. A pipeline that
    /// names another previous version than the stable one sends everything there.
    public var restored: [String: Int] {
        guard previous == stable else {
            return shares.mapValues { _ in 0 }.merging([candidate: 0, previous: 10_000]) { $1 }
        }
        var shares = shares
        shares[previous, default: 0] += shares[candidate] ?? 0
        shares[candidate] = 0
        return shares
    }
}

extension Route {
    /// The variant that answers with a version: by what it says it serves, else by its name.
    func variant(serving version: VersionID) -> Variant? {
        variants.first { $0.version == version.description }
            ?? variants.first { $0.version == nil && $0.name == version.version }
    }

    /// Whether users of this route are answered by a version.
    func answers(with version: VersionID) -> Bool {
        variants.contains { $0.version == version.description && split.shares[$0.id, default: 0] > 0 }
    }

    /// The version most of the traffic sees. A tie goes to the one that the model's `stable` alias names, then to the variant
    /// that was there first.
    func stable(alias: VersionID?) -> Variant? {
        let shares = split.shares
        let named = alias.flatMap(variant(serving:))?.id
        func weight(_ variant: Variant) -> (Int, Int, Int) {
            (shares[variant.id, default: 0], variant.id == named ? 1 : 0, -Int(variant.id.number))
        }
        return variants.filter { shares[$0.id, default: 0] > 0 }.max { weight($0) < weight($1) }
    }
}
