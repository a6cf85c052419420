import Faults
import Ledger

/// Who runs an experiment on a route. It stays after the experiment was detached, so that effects which are performed again
/// after a crash change nothing.
struct ExperimentClaim: Equatable, Sendable, Codable {
    let experiment: String
    /// As it was attached: attaching the same again changes nothing.
    let spec: RouteExperimentSpec
    var claim: RouteClaim
}

extension RouteRecord {
    static let experimentClaimsMax = 64

    /// Puts an experiment over the route's base split. `places` has one for every variant of it.
    mutating func attach(
        _ spec: RouteExperimentSpec, number: UInt16, places: [String: VariantPlace], owner: String,
        fence: Position, at now: Int64 = 0
    ) throws(Fault) {
        if try isAttached(spec, owner: owner, fence: fence) { return }
        try refuseOtherOwner(than: nil, "attach experiment \(spec.name) to it")
        try refuseOverlap(spec)
        let live = route.variants.count - route.baseVariants.count
        guard route.experiments.count < RouteExperimentSpec.experimentsMax,
            live + spec.variants.count <= RouteRecord.armsMax
        else {
            throw Fault(
                .limitReached, what: "Route \(route.name) cannot carry experiment \(spec.name).",
                why:
                    "It carries \(route.experiments.count) with \(live) variants; the limits are \(RouteExperimentSpec.experimentsMax) and \(RouteRecord.armsMax).",
                fix: "End one of them first, or give the experiment fewer variants.")
        }
        var arms: [VariantID] = []
        var shares: [VariantID: Int] = [:]
        for arm in spec.variants {
            let id = takeNumber(for: RouteRecord.retiredName(arm.name, of: spec.name))
            route.variants.append(Variant(arm, id: id, at: places[arm.name] ?? VariantPlace(), of: spec.name))
            arms.append(id)
            shares[id] = arm.basisPoints
        }
        let named = Dictionary(zip(spec.variants.map(\.name), arms), uniquingKeysWith: { first, _ in first })
        guard spec.budget == nil || route.api != nil else {
            throw Fault(
                .badConfiguration, what: "Experiment \(spec.name) has a budget, and route \(route.name) has no costs.",
                why: "Costs are counted where the gateway understands what it passes on.",
                fix: "Add `api: openai` to the route, or leave the budget out.")
        }
        var attached =
            RouteExperiment(
                number: number, name: spec.name, unit: spec.unit, audience: spec.audience, variants: arms,
                split: TrafficSplit(route: "experiment/" + (spec.seed ?? spec.name), shares: shares), hashing: spec.hashing,
                overrides: spec.overrides.compactMapValues { named[$0] }, stickiness: spec.stickiness,
                scorer: spec.scorer)
        attached.budget = spec.budget.map { ExperimentBudget($0, since: now) }
        route.experiments.append(attached)
        route.experiments.sort { $0.number < $1.number }
        experimentNumber = max(experimentNumber, number)
        var claim = RouteClaim(owner: owner)
        claim.fence = fence
        experimentClaims.removeAll { $0.experiment == spec.name }
        experimentClaims.append(ExperimentClaim(experiment: spec.name, spec: spec, claim: claim))
        while experimentClaims.count > RouteRecord.experimentClaimsMax,
            let oldest = experimentClaims.firstIndex(where: { !$0.claim.isHeld })
        { experimentClaims.remove(at: oldest) }
    }

    /// Of all experiments together.
    static let armsMax = 96

    /// Moves an experiment's shares, by the names of its variants; those that are not named get nothing.
    /// A scorer replaces the one there, none leaves it.
    mutating func move(experiment name: String, to shares: [String: Int], scorer: Scorer?, owner: String, fence: Position)
        throws(Fault)
    {
        guard let index = try admit(experiment: name, owner, fence: fence) else { return }
        var byID: [VariantID: Int] = [:]
        for (arm, share) in shares.sorted(by: { $0.key < $1.key }) {
            guard let variant = route.variant(named: arm, of: name) else { throw unknown(arm: arm, of: name) }
            guard (0...TrafficSplit.bucketCount).contains(share) else { throw RouteRecord.badShares(shares, of: name) }
            byID[variant.id] = share
        }
        guard byID.values.reduce(0, +) == TrafficSplit.bucketCount else { throw RouteRecord.badShares(shares, of: name) }
        if let scorer, scorer.arms.count != route.experiments[index].arms.count {
            throw Fault(
                .usage, what: "Experiment \(name) cannot choose by this scorer.",
                why:
                    "It has \(scorer.arms.count) arms, and the experiment has had \(route.experiments[index].arms.count) variants.",
                fix: "Give it an arm for each variant in the order they appeared, retired ones included.")
        }
        route.experiments[index].split.move(to: byID)
        if let scorer { route.experiments[index].scorer = scorer }
    }

    /// Takes more or fewer of the units it may have: a ramp.
    mutating func cover(experiment name: String, coverage: Int, owner: String, fence: Position) throws(Fault) {
        guard let index = try admit(experiment: name, owner, fence: fence) else { return }
        guard (0...TrafficSplit.bucketCount).contains(coverage) else {
            throw Fault(
                .usage, what: "Experiment \(name) cannot cover \(coverage) basis points.", why: "All units are 10 000.",
                fix: "Choose 0 to 10 000.")
        }
        route.experiments[index].audience.coverage = coverage
    }

    /// Testers' units and what they get, by the names of its variants; those that name no variant of it are left out.
    mutating func override(experiment name: String, units: [String: String], owner: String, fence: Position) throws(Fault) {
        guard let index = try admit(experiment: name, owner, fence: fence) else { return }
        route.experiments[index].overrides = units.compactMapValues { route.variant(named: $0, of: name)?.id }
    }

    /// Adds a variant with share 0 to a running experiment, or updates one and leaves its share.
    mutating func put(
        arm: RouteSpec.VariantSpec, at place: VariantPlace, to name: String, owner: String, fence: Position
    ) throws(Fault) {
        guard let index = try admit(experiment: name, owner, fence: fence) else { return }
        if let known = route.variants.firstIndex(where: { $0.name == arm.name && $0.experiment == name }) {
            route.variants[known] = Variant(arm, id: route.variants[known].id, at: place, of: name)
            return
        }
        guard route.experiments[index].variants.count < RouteExperimentSpec.variantsMax,
            route.variants.count - route.baseVariants.count < RouteRecord.armsMax
        else {
            throw Fault(
                .limitReached, what: "Experiment \(name) cannot have another variant.",
                why: "An experiment has at most \(RouteExperimentSpec.variantsMax), a route's together \(RouteRecord.armsMax).",
                fix: "Retire one that has no share.")
        }
        let id = takeNumber(for: RouteRecord.retiredName(arm.name, of: name))
        route.variants.append(Variant(arm, id: id, at: place, of: name))
        route.experiments[index].variants.append(id)
        if !route.experiments[index].arms.contains(id) { route.experiments[index].arms.append(id) }
    }

    /// Removes a variant without a share from a running experiment. Units that kept it follow the split from now on.
    mutating func retire(arm: String, of name: String, owner: String, fence: Position) throws(Fault) {
        guard let index = try admit(experiment: name, owner, fence: fence),
            let variant = route.variant(named: arm, of: name)
        else { return }
        if let share = route.experiments[index].split.shares[variant.id] {
            throw Fault(
                .conflict, what: "Variant \(arm) of experiment \(name) cannot be retired.",
                why: "It has \(Share.text(share)) of the experiment's units.", fix: "Move its share first.")
        }
        route.experiments[index].variants.removeAll { $0 == variant.id }
        route.experiments[index].overrides = route.experiments[index].overrides.filter { $0.value != variant.id }
        drop(variant, of: name)
    }

    /// Takes an experiment off the route: the base split answers its units again. One that is not there is off already.
    mutating func detach(experiment name: String, owner: String, fence: Position) throws(Fault) {
        guard experimentClaims.contains(where: { $0.experiment == name }) else { return }
        guard let index = try admit(experiment: name, owner, fence: fence) else { return }
        route.experiments.remove(at: index)
        for variant in route.variants where variant.experiment == name { drop(variant, of: name) }
        if let held = experimentClaims.firstIndex(where: { $0.experiment == name }) { experimentClaims[held].claim.isHeld = false }
    }

    /// The winner answers everything, as a base variant of this name, and the experiment is off: one table.
    mutating func settle(experiment name: String, winner: String, as base: String, owner: String, fence: Position) throws(Fault) {
        let before = route.experiment(named: name)
        guard let arm = route.variant(named: winner, of: name) else {
            // Performed before: the experiment is off already.
            if before == nil, experimentClaims.contains(where: { $0.experiment == name && !$0.claim.isHeld }) { return }
            throw unknown(arm: winner, of: name)
        }
        guard RouteSpec.isName(base) else {
            throw Fault(
                .usage, what: "'\(base)' cannot be the name of a variant.", why: "Names stand in headers and commands.",
                fix: "Use letters, digits, '.', '-' and '_'.")
        }
        try detach(experiment: name, owner: owner, fence: fence)
        guard route.experiment(named: name) == nil else { return }  // an older effect: nothing was done
        var winning = arm
        (winning.name, winning.experiment) = (base, nil)
        if let index = route.variants.firstIndex(where: { $0.name == base && $0.experiment == nil }) {
            winning.id = route.variants[index].id
            route.variants[index] = winning
        } else {
            try refuseFullBase()
            winning.id = takeNumber(for: base)
            route.variants.append(winning)
        }
        route.split.move(to: [winning.id: TrafficSplit.bucketCount])
    }

    // MARK: Who may

    /// Where the experiment stands, when an effect of `owner` under `fence` is to be performed; nil when it was performed
    /// before, or is older than one that was.
    private mutating func admit(experiment name: String, _ owner: String, fence: Position) throws(Fault) -> Int? {
        guard let held = experimentClaims.firstIndex(where: { $0.experiment == name }) else { throw notAttached(name) }
        guard experimentClaims[held].claim.owner == owner else {
            throw Fault(
                .conflict, what: "Experiment \(name) on route \(route.name) belongs to \(experimentClaims[held].claim.owner).",
                why: "One owner at a time moves it.", fix: "Wait until it ends, or stop it: openclaw experiment stop \(name).")
        }
        let claim = experimentClaims[held].claim
        guard claim.isHeld, let index = route.experiments.firstIndex(where: { $0.name == name }) else {
            if fence <= claim.fence { return nil }
            throw notAttached(name)
        }
        guard claim.admits(fence) else { return nil }
        experimentClaims[held].claim.fence = fence
        return index
    }

    /// True when there is nothing to attach: it is there as asked for.
    private func isAttached(_ spec: RouteExperimentSpec, owner: String, fence: Position) throws(Fault) -> Bool {
        guard let known = experimentClaims.first(where: { $0.experiment == spec.name }) else { return false }
        if known.claim.isHeld {
            guard known.claim.owner == owner, known.spec == spec else {
                throw Fault(
                    .conflict, what: "Experiment \(spec.name) runs on route \(route.name) already.",
                    why: known.claim.owner == owner ? "It was attached with another content." : "\(known.claim.owner) owns it.",
                    fix: "Stop it first: openclaw experiment stop \(spec.name).")
            }
            return true
        }
        guard fence > known.claim.fence || known.claim.owner != owner else {
            throw Fault(
                .conflict, what: "Experiment \(spec.name) was not attached to route \(route.name).",
                why: "It was detached under a later position since.", fix: "Nothing: the later act stands.")
        }
        return false
    }

    private func notAttached(_ name: String) -> Fault {
        Fault(
            .conflict, what: "Experiment \(name) is not on route \(route.name).", why: "It was never attached, or it has ended.",
            fix: "See what the route carries: openclaw route show \(route.name).")
    }

    private func unknown(arm: String, of name: String) -> Fault {
        let known = route.variants.filter { $0.experiment == name }.map(\.name)
        let closest = Suggestion.closest(to: arm, among: known).map { "Did you mean \($0)? " } ?? ""
        return Fault(
            .notFound, what: "Experiment \(name) on route \(route.name) has no variant '\(arm)'.",
            why: known.isEmpty ? "The route carries no such experiment." : "It has \(known.joined(separator: ", ")).",
            fix: "\(closest)openclaw route show \(route.name) lists them.")
    }

    private static func badShares(_ shares: [String: Int], of name: String) -> Fault {
        let listed = shares.sorted { $0.key < $1.key }.map { "\($0.key)=\(Share.text($0.value))" }.joined(separator: " ")
        return Fault(
            .usage, what: "These shares cannot be set for experiment \(name): \(listed).",
            why: "Shares are from 0 % to 100 % and sum to 100 %.", fix: "Change them so that they sum to 100 %.")
    }

    private mutating func drop(_ variant: Variant, of experiment: String) {
        route.variants.removeAll { $0.id == variant.id }
        retired.append(Retired(name: RouteRecord.retiredName(variant.name, of: experiment), id: variant.id))
    }

    /// No base variant has a slash in its name.
    private static func retiredName(_ arm: String, of experiment: String) -> String { "\(experiment)/\(arm)" }
}

extension Variant {
    fileprivate init(
        _ spec: RouteSpec.VariantSpec, id: VariantID, at place: VariantPlace, of experiment: String
    ) {
        self.init(spec, id: id, at: place)
        (version, self.experiment) = (place.version, experiment)
    }
}
