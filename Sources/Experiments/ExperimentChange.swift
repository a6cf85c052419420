import Faults
import JSON
import Routing
import YAML

/// How a changed file of a running experiment differs from what runs, where that may be: variants that join or are retired,
/// their shares, how many units it takes, testers' overrides, how long it runs and what follows. Whatever the evidence is counted
/// by (metrics, alpha, units, hashing, what a variant answers with) stays as it began: a verdict over two questions is none.
struct ExperimentChange: Equatable {
    var joining: [ExperimentSpec.VariantSpec] = []
    var leaving: [ExperimentSpec.VariantSpec] = []
    /// A fixed allocation has other shares; an adaptive one finds its own.
    var movesShares = false
    var ramps = false
    var overrides = false
    /// A sentence for each difference.
    private(set) var texts: [String] = []

    /// Throws what may not change, why, and the way out.
    init(of machine: ExperimentMachine, to spec: ExperimentSpec) throws(Fault) {
        let now = machine.plan.spec
        try Self.refuse(machine, spec)
        for variant in spec.variants where now.variant(named: variant.name) == nil {
            joining.append(variant)
            texts.append("adds \(variant.name) (\(variant.servingText)) with \(Share.text(variant.basisPoints))")
        }
        for variant in now.variants where spec.variant(named: variant.name) == nil {
            leaving.append(variant)
            texts.append("retires \(variant.name)")
        }
        if spec.allocation.strategy == .fixed {
            for variant in spec.variants {
                guard let before = now.variant(named: variant.name), before.basisPoints != variant.basisPoints else { continue }
                movesShares = true
                texts.append("\(variant.name) from \(Share.text(before.basisPoints)) to \(Share.text(variant.basisPoints))")
            }
        }
        noteAudience(now.targeting, spec.targeting)
        noteDecision(now.decision, spec.decision)
    }

    private mutating func noteAudience(_ now: ExperimentSpec.Targeting, _ next: ExperimentSpec.Targeting) {
        if now.ramp != next.ramp {
            ramps = true
            let steps = next.ramp.map { step in
                Share.text(step.coverage) + (step.hold.map { " for \(Quantity.text(.milliseconds($0)))" } ?? "")
            }
            texts.append("takes \(steps.joined(separator: ", then ")) of the units")
        }
        if now.overrides != next.overrides {
            overrides = true
            texts.append("has \(next.overrides.count) override\(next.overrides.count == 1 ? "" : "s")")
        }
    }

    private mutating func noteDecision(_ now: Decision, _ next: Decision) {
        if now.maxDuration != next.maxDuration {
            texts.append("runs \(Quantity.text(.milliseconds(next.maxDuration))) at most")
        }
        if now.auto != next.auto { texts.append("\(next.auto.rawValue) is what follows a verdict") }
        if now.release != next.release { texts.append("another release for a winner that passed no gates") }
        if now.power != next.power { texts.append("counts with a power of \(ExperimentPlan.text(next.power))") }
    }

    var isNothing: Bool { texts.isEmpty }

    // MARK: What may not change

    private static func refuse(_ machine: ExperimentMachine, _ spec: ExperimentSpec) throws(Fault) {
        let name = machine.name
        let (now, next) = (machine.plan.spec, spec)
        guard now.control.name == next.control.name else {
            throw stays(
                name, "its control", "Everything so far was compared with \(now.control.name).",
                fix: "Leave \(now.control.name) as control")
        }
        for variant in next.variants {
            guard let before = now.variant(named: variant.name) else {
                guard machine.arms.all.contains(where: { $0.variant.name == variant.name && $0.id != nil }) else { continue }
                throw stays(
                    name, "a variant that was retired",
                    "\(variant.name) had its time in this experiment, and has figures of its own.",
                    fix: "Give it another name")
            }
            guard before.serving == variant.serving, before.rewrite == variant.rewrite, before.value == variant.value else {
                throw stays(
                    name, "what \(variant.name) answers with", "Its figures so far are those of \(before.servingText).",
                    fix: "Add it as another variant, and retire \(variant.name)")
            }
        }
        let changed = parts(now, next)
        guard changed.isEmpty else {
            throw stays(
                name, changed.joined(separator: ", "),
                "What was found so far was counted by it, and would be mixed with something else.",
                fix: "Leave it as it is")
        }
    }

    private static func parts(_ now: ExperimentSpec, _ next: ExperimentSpec) -> [String] {
        var parts: [String] = []
        func compare<Part: Equatable>(_ name: String, _ one: Part, _ other: Part) { if one != other { parts.append(name) } }
        compare("route", now.route, next.route)
        compare("unit", now.unit, next.unit)
        compare("metrics", now.metrics, next.metrics)
        compare(
            "allocation", now.allocation.besideFloor(of: now.variants.count), next.allocation.besideFloor(of: next.variants.count))
        compare("allocation.features", now.features, next.features)
        compare("decision.alpha", now.decision.alpha, next.decision.alpha)
        compare("decision.min_duration", now.decision.minDuration, next.decision.minDuration)
        compare("targeting.namespace", now.targeting.namespace, next.targeting.namespace)
        compare("targeting.condition", now.targeting.condition, next.targeting.condition)
        compare("targeting.attributes", now.targeting.attributes, next.targeting.attributes)
        compare("targeting.hash", now.targeting.hashing, next.targeting.hashing)
        compare("targeting.seed", now.targeting.seed, next.targeting.seed)
        return parts
    }

    private static func stays(_ name: String, _ what: String, _ why: String, fix: String) -> Fault {
        Fault(
            .conflict, what: "\(name) runs, and cannot change \(what).", why: why,
            fix: "\(fix); or stop it (openclaw experiment stop \(name)) and apply the new one under another name.")
    }
}

extension Allocation {
    /// Without a floor that only follows from the number of variants.
    fileprivate func besideFloor(of variants: Int) -> Allocation {
        var copy = self
        if copy.floor == Allocation.usualFloor(of: variants) { copy.floor = -1 }
        return copy
    }
}
