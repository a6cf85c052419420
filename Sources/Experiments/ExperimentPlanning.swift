import Faults
import JSON
import Outcomes
import Registry
import Routing
import Statistics
import Telemetry
import YAML

extension ExperimentService {
    /// How far back a plan looks at the route's traffic.
    static let planSpan = Duration.seconds(24 * 3_600)
    /// How many of the newest exposures and events count. Applying looks less far back: the first user waits for it.
    static let planReach: Int64 = 1 << 20
    static let applyReach: Int64 = 1 << 15

    /// Checks an experiment against what is there, counts how long it would take, and refuses what can never finish. `newest`: how
    /// far back it looks.
    func makePlan(
        _ spec: ExperimentSpec, file: String, newest: Int64, assuming given: PlanAssumption = PlanAssumption()
    ) async throws(Fault) -> ExperimentPlan {
        guard let route = await routes.route(spec.route) else {
            let known = await routes.routes().map(\.name)
            throw Fault(
                .badConfiguration, what: "There is no route '\(spec.route)'.",
                why: "\(file) line \(spec.line): experiment \(spec.name) names it.",
                fix: didYouMean(spec.route, among: known) ?? "Apply one first: openclaw route apply FILE")
        }
        guard spec.budget == nil || route.api != nil else {
            throw Fault(
                .badConfiguration, what: "Experiment \(spec.name) has a budget, and its route has no costs.",
                why: "\(file) line \(spec.line): costs are counted on routes with `api: openai`, and \(route.name) is none.",
                fix: "Add `api: openai` to the route, or leave `budget:` out.")
        }
        for variant in spec.variants { try await check(variant, of: spec, file: file) }
        var plan = ExperimentPlan(spec: spec, unit: spec.unit ?? route.unit, cursor: await outcomes.cursor())
        try await routes.refuseAttaching(try plan.layer(coverage: spec.targeting.ramp[0].coverage), to: spec.route)
        plan.notes = notes(on: plan)
        if let metric = spec.metrics.all.first(where: { $0.covariate != nil }), plan.unit != route.unit {
            throw Fault(
                .badConfiguration, what: "Metric \(metric.name) of \(spec.name) has a covariate that nobody has.",
                why:
                    "Pasts are known by the units of route \(spec.route) (\(route.unit.text)), and this experiment's units are others (\(plan.unit.text)).",
                fix: "Leave out `unit:`, or `covariate:`.")
        }
        let traffic = try await outcomes.traffic(of: route.id, span: Self.planSpan, now: .now(), newest: newest)
        var seen: SeenMetric?
        if !given.saysMetric {
            seen = try await SeenMetric.read(
                spec.metrics.primary, of: route.id, in: traffic, outcomes, span: Self.planSpan, newest: newest)
        }
        let known = seen ?? SeenMetric.assumed(spec.metrics.primary, given)
        plan.expectation = ExperimentExpectation(spec, known, seeing: traffic, unitsPerDay: given.unitsPerDay)
        if plan.expectation?.unitsPerDay == nil {
            plan.notes.append("the route had too little traffic lately: say how long it takes with --units-per-day N")
        }
        try refuseEndless(plan, known, traffic, given)
        return plan
    }

    /// What it answers with must be there before anybody is assigned to it.
    private func check(_ variant: ExperimentSpec.VariantSpec, of spec: ExperimentSpec, file: String) async throws(Fault) {
        guard case .prompt(let text) = variant.serving, let id = VersionID(text) else { return }
        let known = await registry.prompt(id.model)?.versions.keys.sorted() ?? []
        if known.contains(id.version) { return }
        throw Fault(
            .badConfiguration, what: "There is no prompt \(text).",
            why: "\(file) line \(spec.line): variant \(variant.name) of \(spec.name) answers with it.",
            fix: didYouMean(id.version, among: known) ?? "Add it first: openclaw prompt add FILE")
    }

    private nonisolated func notes(on plan: ExperimentPlan) -> [String] {
        var notes: [String] = []
        if plan.spec.unit != nil { notes.append("units come from \(plan.unit.text), whatever the route says") }
        let hosts = plan.spec.variants.filter { $0.model != nil }
        if plan.spec.decision.auto != .none, let model = hosts.first(where: { $0.name != plan.spec.control.name }) {
            notes.append("a winner that passed no gates, such as \(model.servingText), is promoted through a release")
        }
        if plan.spec.targeting.hashing != .buckets, plan.spec.allocation.strategy.isAdaptive {
            notes.append("GrowthBook's ranges are cumulative: shares that move take more units with them than they must")
        }
        return notes
    }

    /// Less traffic than this says nothing of how much there will be.
    private static let rateMilliseconds: Int64 = 600_000
    private static let rateUnits = 100.0

    /// What can never finish is refused, with what would: a smaller question, more units, or more time.
    private nonisolated func refuseEndless(
        _ plan: ExperimentPlan, _ seen: SeenMetric, _ traffic: RecentTraffic, _ given: PlanAssumption
    ) throws(Fault) {
        let (spec, metric) = (plan.spec, plan.spec.metrics.primary)
        let effect = ExperimentPlan.text(metric.minimumEffect ?? 0)
        guard let expectation = plan.expectation else {
            guard metric.minimumEffect != nil, spec.variants.allSatisfy({ $0.basisPoints > 0 }) else { return }
            throw Fault(
                .conflict, what: "\(spec.name) can never finish.",
                why:
                    "An effect of \(effect) on \(metric.name), where one unit differs from the next by \(ExperimentPlan.text(seen.variancePerUnit.squareRoot())), takes more than 10^12 units.",
                fix: "Ask for a larger minimum_effect: what would be worth knowing?")
        }
        let limit = spec.decision.maxDuration
        // What nobody saw or said proves nothing.
        let isRateKnown =
            given.unitsPerDay != nil || (traffic.milliseconds >= Self.rateMilliseconds && traffic.units >= Self.rateUnits)
        guard isRateKnown, seen.assumption == nil || given.saysMetric, let expected = expectation.milliseconds, expected > limit
        else { return }
        let smallest = expectation.smallestEffect.map { "ask for `minimum_effect: \(ExperimentPlan.text($0))`, " } ?? ""
        let days = min(30.0 * 86_400_000, Double(expected) * 1.25)
        let longer =
            Double(expected) < days ? "run up to `max_duration: \(Quantity.text(.milliseconds(Int64(days))))`, " : ""
        throw Fault(
            .conflict, what: "\(spec.name) would not finish.",
            why:
                "An effect of \(effect) on \(metric.name) takes about \(Int64(expectation.unitsPerVariant.rounded(.up))) units of each variant; at the \(Int64(expectation.unitsPerDay ?? 0)) units a day that this experiment would get that is \(Quantity.text(.milliseconds(expected))), and max_duration is \(Quantity.text(.milliseconds(limit))).",
            fix: "Choose one: \(smallest)\(longer)take more units (coverage, namespace), or try fewer variants.")
    }
}

extension ExperimentExpectation {
    /// Nil where no number of units is enough.
    init?(_ spec: ExperimentSpec, _ seen: SeenMetric, seeing traffic: RecentTraffic, unitsPerDay given: Double? = nil) {
        guard let effect = spec.metrics.primary.minimumEffect,
            let least = spec.variants.dropFirst().map(\.basisPoints).min(), least > 0, spec.control.basisPoints > 0
        else { return nil }
        // The smallest variant against control decides how long it takes.
        let (treated, control) = (Double(least) / 10_000, Double(spec.control.basisPoints) / 10_000)
        // Alpha as the verdict divides it.
        let alpha = spec.decision.alpha * (spec.metrics.guardrails.isEmpty ? 1 : 0.8) / Double(spec.variants.count - 1)
        let (variance, power) = (seen.variancePerUnit, spec.decision.power)
        func pairs(_ effect: Double) -> Double? {
            SampleSize.sequential(
                effect: effect, variances: (variance, variance), share: treated / (treated + control), alpha: alpha, power: power)
        }
        guard let pair = pairs(effect) else { return nil }
        // Not every unit says something.
        let answering = traffic.units > 0 && seen.assumption == nil ? min(1, seen.units / traffic.units) : 1
        let total = pair / (treated + control) / answering
        (baseline, assumption) = (seen.baseline, seen.assumption)
        deviation = variance.squareRoot()
        unitsPerVariant = total * min(treated, control)
        let once = SampleSize.fixed(effect: effect, variances: (variance, variance), alpha: alpha, power: power)
        unitsPerVariantLookedOnce = once / answering * (treated + control) * min(treated, control) / (2 * treated * control)
        let isSeen = traffic.milliseconds >= 60_000 && traffic.units > 0
        guard let arriving = given ?? (isSeen ? traffic.units / Double(traffic.milliseconds) * 86_400_000 : nil) else { return }
        let part = Double(spec.targeting.ramp.last?.coverage ?? 10_000) / 10_000 * Self.namespaceShare(spec)
        let daily = arriving * part
        unitsPerDay = daily
        let milliseconds = total / daily * 86_400_000
        guard milliseconds < 1e15 else { return }
        self.milliseconds = Int64(milliseconds)
        let affordable = daily * Double(spec.decision.maxDuration) / 86_400_000
        smallestEffect = Self.smallest(from: effect) { candidate in
            pairs(candidate).map { $0 / (treated + control) / answering <= affordable } ?? false
        }
    }

    private static func namespaceShare(_ spec: ExperimentSpec) -> Double {
        spec.targeting.namespace.map { Double($0.upper - $0.lower) / 10_000 } ?? 1
    }

    private static func smallest(from effect: Double, _ isEnough: (Double) -> Bool) -> Double? {
        var (low, high) = (effect / 64, effect)
        while !isEnough(high) {
            (low, high) = (high, high * 2)
            guard high < effect * 1_024 else { return nil }
        }
        for _ in 0..<30 {
            let middle = (low + high) / 2
            if isEnough(middle) { high = middle } else { low = middle }
        }
        // Up to three digits, so that what is advised is enough.
        var scale = 1.0
        while high * scale < 100 { scale *= 10 }
        return (high * scale).rounded(.up) / scale
    }
}

extension ExperimentPlan {
    /// `{"name","route","unit","strategy","variants":[...],"metrics":[...],"expectation","notes"}`; shares are fractions.
    var json: JSONValue {
        [
            "name": .string(spec.name), "route": .string(spec.route), "unit": .string(unit.text),
            "strategy": .string(spec.allocation.strategy.rawValue),
            "coverage": .number(Double(spec.targeting.ramp.last?.coverage ?? 10_000) / 10_000),
            "variants": .array(
                spec.variants.map {
                    [
                        "name": .string($0.name), "serves": .string($0.servingText),
                        "share": .number(Double($0.basisPoints) / 10_000),
                    ]
                }),
            "metrics": .array(metrics), "alpha": .number(spec.decision.alpha), "power": .number(spec.decision.power),
            "auto": .string(spec.decision.auto.rawValue),
            "max_duration_seconds": .number(Double(spec.decision.maxDuration) / 1_000),
            "budget": spec.budget.map { JSONValue.string($0.text) } ?? .null, "expectation": expectation?.json ?? .null,
            "notes": .array(notes.map(JSONValue.string)),
        ]
    }

    private var metrics: [JSONValue] {
        let primary = spec.metrics.primary
        let effect = primary.minimumEffect.map(Self.text) ?? ""
        let decides = "decides: \(primary.direction == .up ? "more" : "less") is better, from \(effect) on"
        return [Self.json(primary, role: "primary", reads: decides)]
            + spec.metrics.guardrails.map { guardrail in
                let percent = Self.text(guardrail.maximumHarm * 100)
                let way = guardrail.metric.direction == .down ? "more" : "less"
                return Self.json(
                    guardrail.metric, role: "guardrail", reads: "stops it when \(percent) % \(way) than control is certain")
            } + spec.metrics.secondary.map { Self.json($0, role: "secondary", reads: "is shown") }
    }

    private static func json(_ metric: Metric, role: String, reads: String) -> JSONValue {
        let automatic = AutomaticMetric(rawValue: metric.name) != nil
        return [
            "name": .string(metric.name), "type": .string(metric.kind.rawValue), "role": .string(role), "reads": .string(reads),
            "from": .string(automatic ? "the gateway" : "feedback within \(Quantity.text(.milliseconds(metric.window)))"),
            "quantile": metric.quantile.map(JSONValue.number) ?? .null,
        ]
    }

    /// A number with at most three significant digits.
    static func text(_ value: Double) -> String {
        guard value != 0, value.isFinite else { return "0" }
        var scale = 1.0
        while abs(value) * scale < 100 { scale *= 10 }
        let rounded = (value * scale).rounded() / scale
        return rounded == rounded.rounded() && abs(rounded) < 1e15 ? "\(Int64(rounded))" : "\(rounded)"
    }
}
