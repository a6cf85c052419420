public import Faults
import JSON
public import Ledger
import Telemetry

/// Experiments on routes: each change recorded, then published in one table, as all changes of routes are. `owner` is who runs
/// the experiment ("experiment/friendlier"), `fence` its ledger position: an effect that is older than the last one is ignored.
extension RouteService {
    /// Puts an experiment over the route's base split. Idempotent. Refused where a unit could be in two experiments, and on a
    /// route that a release has.
    public func attach(_ spec: RouteExperimentSpec, to route: String, owner: String, fence: Position) async throws(Fault)
        -> RouteExperiment
    {
        try spec.check()
        var places: [String: VariantPlace] = [:]
        for arm in spec.variants { places[arm.name] = try await place(of: arm, on: route) }
        _ = try await change(route, "route.experiment_attached", asked: JSONValue(encoding: spec), by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            try refuseSameExperiment(spec.name, besides: route)
            try next.attach(
                spec, number: try newExperimentNumber(), places: places, owner: owner, fence: fence,
                at: Timestamp.now().milliseconds)
            return next
        }
        guard let attached = try record(of: route).route.experiment(named: spec.name) else {
            throw Fault(
                .conflict, what: "Experiment \(spec.name) is not on route \(route).",
                why: "\(owner) acted under a later position since.",
                fix: "Nothing: the later act stands.")
        }
        return attached
    }

    /// Throws what `attach` would refuse now; changes nothing.
    public func refuseAttaching(_ spec: RouteExperimentSpec, to route: String) throws(Fault) {
        try spec.check()
        let record = try record(of: route)
        try refuseSameExperiment(spec.name, besides: route)
        guard record.route.experiment(named: spec.name) == nil else { return }
        try record.refuseOtherOwner(than: nil, "attach experiment \(spec.name) to it")
        try record.refuseOverlap(spec)
    }

    /// Moves an experiment's shares (basis points by variant, sum 10 000); only the units of moved shares change variant.
    /// `scorer` replaces the one that a contextual experiment chooses by; nil leaves it.
    public func move(
        experiment: String, on route: String, shares: [String: Int], scorer: Scorer? = nil, owner: String, fence: Position
    ) async throws(Fault) -> RoutingTable {
        let asked: JSONValue = ["experiment": .string(experiment), "shares": .object(shares.mapValues { .integer(Int64($0)) })]
        _ = try await change(route, "route.experiment_moved", asked: asked, by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            try next.move(experiment: experiment, to: shares, scorer: scorer, owner: owner, fence: fence)
            return next
        }
        return table()
    }

    /// Takes in more or fewer of the units an experiment may have. Units it had stay as long as coverage does not shrink.
    public func cover(experiment: String, on route: String, coverage: Int, owner: String, fence: Position) async throws(Fault)
        -> RoutingTable
    {
        let asked: JSONValue = ["experiment": .string(experiment), "coverage": .integer(Int64(coverage))]
        _ = try await change(route, "route.experiment_covers", asked: asked, by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            try next.cover(experiment: experiment, coverage: coverage, owner: owner, fence: fence)
            return next
        }
        return table()
    }

    /// Replaces the overrides of a running experiment: the text of a unit, and the variant it gets.
    public func override(experiment: String, on route: String, units: [String: String], owner: String, fence: Position)
        async throws(Fault)
    {
        let asked: JSONValue = ["experiment": .string(experiment), "overrides": .object(units.mapValues(JSONValue.string))]
        _ = try await change(route, "route.experiment_overrides", asked: asked, by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            try next.override(experiment: experiment, units: units, owner: owner, fence: fence)
            return next
        }
    }

    /// Adds a variant with share 0 to a running experiment, or updates one.
    public func putArm(
        _ arm: RouteSpec.VariantSpec, to experiment: String, on route: String, owner: String, fence: Position
    ) async throws(Fault) -> Variant {
        guard RouteSpec.isName(arm.name) else {
            throw Fault(
                .usage, what: "'\(arm.name)' cannot be the name of a variant.", why: "Names stand in headers and commands.",
                fix: "Use letters, digits, '.', '-' and '_'.")
        }
        let place = try await place(of: arm, on: route)
        let asked: JSONValue = ["experiment": .string(experiment), "variant": JSONValue(encoding: arm)]
        _ = try await change(route, "route.experiment_variant_put", asked: asked, by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            try next.put(arm: arm, at: place, to: experiment, owner: owner, fence: fence)
            return next
        }
        guard let put = try record(of: route).route.variant(named: arm.name, of: experiment) else {
            throw Fault(
                .conflict, what: "Variant \(arm.name) was not put into experiment \(experiment).",
                why: "\(owner) acted under a later position since.", fix: "Nothing: the later act stands.")
        }
        return put
    }

    /// Removes a variant whose share is 0 from a running experiment.
    public func retireArm(_ arm: String, of experiment: String, on route: String, owner: String, fence: Position)
        async throws(Fault)
    {
        let asked: JSONValue = ["experiment": .string(experiment), "variant": .string(arm)]
        _ = try await change(route, "route.experiment_variant_retired", asked: asked, by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            try next.retire(arm: arm, of: experiment, owner: owner, fence: fence)
            return next
        }
    }

    /// Takes an experiment off the route: the base split answers its units again.
    public func detach(experiment: String, from route: String, owner: String, fence: Position) async throws(Fault) {
        let number = recordIfAny(of: route)?.route.experiment(named: experiment)?.number
        let asked: JSONValue = ["experiment": .string(experiment)]
        _ = try await change(route, "route.experiment_detached", asked: asked, by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            try next.detach(experiment: experiment, owner: owner, fence: fence)
            return next
        }
        forgetUnits(of: number, experiment, on: route)
    }

    /// The winner becomes a base variant with all of the traffic, and the experiment is off: in one table.
    public func settle(
        experiment: String, winner: String, as base: String, on route: String, owner: String, fence: Position
    ) async throws(Fault) {
        let number = recordIfAny(of: route)?.route.experiment(named: experiment)?.number
        let asked: JSONValue = ["experiment": .string(experiment), "winner": .string(winner), "as": .string(base)]
        _ = try await change(route, "route.experiment_settled", asked: asked, by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            try next.settle(experiment: experiment, winner: winner, as: base, owner: owner, fence: fence)
            return next
        }
        forgetUnits(of: number, experiment, on: route)
    }

    // MARK: What a change needs to know

    /// Where a variant's requests go: its own url or version, else where most of the route's own traffic goes.
    private func place(of arm: RouteSpec.VariantSpec, on route: String) async throws(Fault) -> VariantPlace {
        let (now, applied) = (try record(of: route).route, try record(of: route).applied)
        let shares = now.split.shares
        let base = now.baseVariants.max { (shares[$0.id] ?? 0, $1.id) < (shares[$1.id] ?? 0, $0.id) }
        guard let base else { throw try record(of: route).nothingToAnswer(arm.name) }
        return try await place(of: arm, on: route, provider: applied.provider, base: base)
    }

    private func refuseSameExperiment(_ name: String, besides route: String) throws(Fault) {
        let other = records.first { $0.route.name != route && $0.route.experiment(named: name) != nil }
        guard let other else { return }
        throw Fault(
            .conflict, what: "Experiment \(name) runs on route \(other.route.name) already.",
            why: "Its name is also the key that remote evaluation asks for.", fix: "Give one of them another name.")
    }

    private func newExperimentNumber() throws(Fault) -> UInt16 {
        let last = records.map(\.experimentNumber).max() ?? 0
        guard last < UInt16.max else {
            throw Fault(
                .limitReached, what: "There cannot be another experiment.", why: "65 535 have run on this installation.",
                fix: "Use another installation.")
        }
        return last + 1
    }

    /// Gives the gateway what units of an experiment earned: rows take the place of those that were there. What cannot be written
    /// is not known to choices, and said in the log by whoever opens the table first.
    public func remember(_ rows: [UnitHistory.Row], means: [Float], of experiment: String, on route: String) {
        guard let number = recordIfAny(of: route)?.route.experiment(named: experiment)?.number else { return }
        (try? sticky?.history(of: number))?.publish(rows, means: means)
    }

    /// What was kept about the units of an experiment that is off.
    private func forgetUnits(of number: UInt16?, _ experiment: String, on route: String) {
        guard let number, recordIfAny(of: route)?.route.experiment(named: experiment) == nil else { return }
        sticky?.remove(number)
    }
}
