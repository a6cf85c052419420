import Conducting
import Faults
import Routing

/// What may change while an experiment runs: variants that join and leave, shares, coverage, overrides, how long it runs.
extension ExperimentMachine {
    /// First the variants that join are there, with no share; then shares move in one table; then those that have none leave.
    mutating func change(to spec: ExperimentSpec) -> [Order] {
        guard isWatched, let change = try? ExperimentChange(of: self, to: spec) else { return [] }
        plan.spec = spec
        var orders: [Order] = []
        for variant in change.joining {
            orders.append(Order(.put(arm: arms.add(variant))))
            shares.append(0)
        }
        for variant in change.leaving { if let place = arms.place(of: variant.name) { arms.retire(place) } }
        // A scorer that does not know all of them, or still chooses one that left, is followed by one that does.
        if !change.joining.isEmpty || !change.leaving.isEmpty { scorer = nil }
        let wanted = wantedShares(change)
        // What is under way already is overruled by what comes after it.
        let isMoving = intents.contains { $0.effect.kind == .move }
        intents.removeAll { $0.effect.kind == .move }
        if wanted != shares || isMoving || target != nil { target = wanted }
        if !orders.contains(where: { $0.effect.kind == .put }), !intents.contains(where: { $0.effect.kind == .put }) {
            orders += moveToTarget()
        }
        if change.ramps {
            intents.removeAll { $0.effect.kind == .cover }
            (rampStep, rampSince) = (0, nil)
            orders.append(Order(.cover(step: 0)))
        }
        if change.overrides { orders.append(Order(.override)) }
        return orders
    }

    /// A fixed allocation has its file's shares. An adaptive one keeps its own, beside those of variants that join, until its
    /// bandit says otherwise.
    private func wantedShares(_ change: ExperimentChange) -> [Int] {
        let spec = plan.spec
        let file = arms.all.map { arm in arm.isRetired ? 0 : spec.variant(named: arm.variant.name)?.basisPoints ?? 0 }
        guard spec.allocation.strategy.isAdaptive else { return file }
        if spec.allocation.strategy.isContextual { return arms.spread(file, floor: spec.allocation.floor) }
        let first = arms.count - change.joining.count
        let joining = file[first...].reduce(0, +)
        let kept = arms.all.indices.map { place in
            if arms.all[place].isRetired { return 0 }
            return place < first ? shares[place] * (10_000 - joining) / 10_000 : file[place]
        }
        return arms.spread(kept, floor: spec.allocation.floor)
    }

    private mutating func moveToTarget() -> [Order] {
        guard let wanted = target else { return leaveWithoutShare() }
        target = nil
        return [Order(.move(shares: wanted))]
    }

    mutating func joined(_ place: Int, as id: VariantID) -> [Order] {
        arms.note(id, of: place)
        return intents.contains { $0.effect.kind == .put } ? [] : moveToTarget()
    }

    /// A variant that cannot be there is none: the others share what it was to have.
    mutating func giveUp(joining place: Int) -> [Order] {
        arms.retire(place)
        plan.spec.variants.removeAll { $0.name == arms.all[place].variant.name }
        target = target.map { arms.spread($0, floor: plan.spec.allocation.strategy.isAdaptive ? plan.spec.allocation.floor : 0) }
        return intents.contains { $0.effect.kind == .put } ? [] : moveToTarget()
    }

    mutating func moved(to shares: [Int], _ table: Int64) -> [Order] {
        let missing = Array(repeating: 0, count: max(0, arms.count - shares.count))
        (self.shares, self.table) = (shares + missing, table)
        course.note(self.shares, at: now)
        return leaveWithoutShare()
    }

    /// Retired variants that no table chooses any more leave the route.
    private mutating func leaveWithoutShare() -> [Order] {
        guard isWatched, !plan.spec.allocation.strategy.isContextual || scorer != nil else { return [] }
        var orders: [Order] = []
        for place in arms.all.indices where arms.all[place].isRetired && arms.all[place].goneAt == nil && shares[place] == 0 {
            arms.noteGone(place, at: table)
            if arms.all[place].id != nil { orders.append(Order(.retire(arm: place))) }
        }
        return orders
    }

    /// Shares that only a file says, that a retired variant still has, or that one that joined has yet to get, are not left to
    /// the next outcome.
    func mustMove(to wanted: [Int]) -> Bool {
        guard isWatched, !areStale(wanted) else { return false }
        return !plan.spec.allocation.strategy.isAdaptive || areStale(shares) || arms.live.contains { shares[$0] == 0 }
    }

    /// Something of a change has yet to be served.
    var isChanging: Bool {
        target != nil || intents.contains { [.put, .move, .retire, .override, .cover].contains($0.effect.kind) && $0.due <= now }
    }

    /// Shares that were weighed before a variant joined or was retired.
    func areStale(_ shares: [Int]) -> Bool {
        shares.count != arms.count || shares.indices.contains { arms.all[$0].isRetired && shares[$0] > 0 }
    }

    /// Why the experiment cannot change so now; nil when it can.
    func refusal(ofChangeTo spec: ExperimentSpec) -> Fault? {
        do throws(Fault) {
            _ = try ExperimentChange(of: self, to: spec)
        } catch { return error }
        guard arms.count + spec.variants.count - plan.spec.variants.count <= ExperimentSpec.armsMax else {
            return Fault(
                .limitReached, what: "\(name) cannot have another variant.",
                why: "It has had \(arms.count), and \(ExperimentSpec.armsMax) is the limit, retired ones included.",
                fix: "Stop it and begin another with the variants that are worth it.")
        }
        switch state {
        case .running, .asking: return nil
        case .planned, .attaching:
            return Fault(
                .conflict, what: "\(name) is only beginning.", why: "It is not on its route yet.", fix: "Try again in a moment.")
        case .detaching, .settling, .makingWay, .releasing, .ended:
            return Fault(
                .conflict, what: "\(name) is ending already.", why: ending?.text ?? "It was decided.",
                fix: "openclaw experiment status \(name) shows how far it is.")
        }
    }
}
