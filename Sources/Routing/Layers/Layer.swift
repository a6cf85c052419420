public import JSON

/// An experiment made ready to decide. The gateway, `route explain` and remote evaluation all ask this: there is no second
/// place where a unit gets its variant.
public struct Layer: Sendable {
    /// What a layer says of a unit.
    public enum Answer: Equatable, Sendable {
        /// The unit is the experiment's: its variant, and the chance it had of it in basis points (0: a person chose it).
        case takes(VariantID, propensity: UInt16, because: Taking)
        case passes(Passing)
    }
    public enum Taking: Equatable, Sendable {
        case overridden, kept, split
        /// The scorer chose this arm. The chance of it is counted off the path, where the features are still known: here it
        /// is `uncounted`.
        case scored(arm: Int)
    }
    public enum Passing: Equatable, Sendable { case outsideNamespace, notMeant, notCovered }

    /// A propensity that has yet to be counted.
    public static let uncounted = UInt16.max

    public let experiment: RouteExperiment
    /// By the unit's hash.
    private let overrides: [UInt64: VariantID]
    private let namespaceSalt: UInt64
    private let coverageSalt: UInt64
    /// By the variant's number, in basis points.
    private let shares: [UInt16]
    private let isPublic: Bool
    private let publicRanges: [BucketRanges.Range]
    private let publicSeed: [UInt8]
    private let publicVersion: Int
    private let publicNamespace: [UInt8]

    public init(_ experiment: RouteExperiment) {
        self.experiment = experiment
        overrides = Dictionary(
            experiment.overrides.map { (UnitID($0.key).hash, $0.value) }, uniquingKeysWith: { min($0, $1) })
        namespaceSalt = experiment.audience.namespace?.salt ?? 0
        coverageSalt = UnitID.mixed(UnitID("coverage/" + experiment.name).hash)
        var shares = [UInt16](repeating: 0, count: 256)
        for (variant, share) in experiment.split.shares { shares[Int(variant.number)] = UInt16(clamping: share) }
        self.shares = shares
        let namespace = experiment.audience.namespace?.name ?? ""
        publicNamespace = Array(("__" + namespace).utf8)
        guard case .growthBook(let version, let seed) = experiment.hashing else {
            (isPublic, publicRanges, publicSeed, publicVersion) = (false, [], [], 0)
            return
        }
        (isPublic, publicSeed, publicVersion) = (true, Array(seed.utf8), version)
        let total = Double(TrafficSplit.bucketCount)
        publicRanges = BucketRanges.make(
            count: experiment.variants.count, coverage: Double(experiment.audience.coverage) / total,
            weights: experiment.variants.map { Double(shares[Int($0.number)]) / total })
    }

    /// Whether `answer` will look at attributes: they are gathered only then.
    public func asksAttributes(of unit: UnitID, text: Span<UInt8>) -> Bool {
        guard experiment.audience.condition != nil, overrides[unit.hash] == nil else { return false }
        return experiment.audience.namespace.map { has(unit, text, in: $0) } ?? true
    }

    /// Whose a unit is. `text` is the unit as it was read (it may be empty for our own hashing). With `kept` a unit that was
    /// exposed keeps its variant, and with `remembers` one that is exposed now will. `features` is what the scorer
    /// looks at, if there is one. Allocates nothing where no condition is.
    public func answer(
        for unit: UnitID, text: Span<UInt8>, attributes: JSONValue = .null, features: Span<Float>, kept: StickyTable?,
        remembers: Bool
    ) -> Answer {
        if !overrides.isEmpty, let variant = overrides[unit.hash] { return .takes(variant, propensity: 0, because: .overridden) }
        if let namespace = experiment.audience.namespace, !has(unit, text, in: namespace) { return .passes(.outsideNamespace) }
        if let condition = experiment.audience.condition,
            !condition.matches(attributes: attributes, savedGroups: experiment.audience.groups)
        {
            return .passes(.notMeant)
        }
        guard let variant = fresh(unit, text) else { return .passes(.notCovered) }
        if let scorer = experiment.scorer {
            let arm = scorer.choose(unit: unit.hash, features: features)
            // An arm that was retired since this scorer was made: the split knows better.
            if arm < experiment.arms.count, experiment.variants.contains(experiment.arms[arm]) {
                return .takes(experiment.arms[arm], propensity: Layer.uncounted, because: .scored(arm: arm))
            }
        }
        let share = shares[Int(variant.number)]
        guard experiment.stickiness == .user, let kept else { return .takes(variant, propensity: share, because: .split) }
        return held(unit, fresh: variant, share: share, in: kept, remembers: remembers)
    }

    /// What the split says, unless the ramp has not come to this unit.
    private func fresh(_ unit: UnitID, _ text: Span<UInt8>) -> VariantID? {
        if isPublic {
            guard !text.isEmpty, let number = publicNumber(text) else { return nil }
            return BucketRanges.choose(number, publicRanges).map { experiment.variants[$0] }
        }
        let coverage = experiment.audience.coverage
        if coverage < TrafficSplit.bucketCount, unit.bucket(salt: coverageSalt, of: TrafficSplit.bucketCount) >= coverage {
            return nil
        }
        return experiment.split.variant(for: unit)
    }

    /// What the unit was exposed to first, if that is still there; else `fresh`, which it keeps from now on.
    private func held(_ unit: UnitID, fresh: VariantID, share: UInt16, in kept: StickyTable, remembers: Bool) -> Answer {
        let entry = StickyTable.Entry(variant: fresh, propensity: share)
        var found = remembers ? kept.insert(unit, entry, among: experiment.variants) : kept.entry(of: unit)
        if let known = found, !experiment.variants.contains(known.variant) { found = nil }
        guard let found, found != entry else { return .takes(fresh, propensity: share, because: .split) }
        return .takes(found.variant, propensity: found.propensity, because: .kept)
    }

    private func publicNumber(_ text: Span<UInt8>) -> Double? {
        unsafe text.withUnsafeBufferPointer { unsafe PublicHash.unit(version: publicVersion, seed: publicSeed, value: $0) }
    }

    private func has(_ unit: UnitID, _ text: Span<UInt8>, in namespace: Namespace) -> Bool {
        guard isPublic else {
            let bucket = unit.bucket(salt: namespaceSalt, of: TrafficSplit.bucketCount)
            return bucket >= namespace.lower && bucket < namespace.upper
        }
        let total = Double(TrafficSplit.bucketCount)
        return unsafe text.withUnsafeBufferPointer {
            unsafe Namespace.contains(
                $0, seed: publicNamespace, lower: Double(namespace.lower) / total, upper: Double(namespace.upper) / total)
        }
    }
}
