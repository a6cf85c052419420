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

    /// Checks an experiment against what is there. `looksBack`: also counts how long it would take, and refuses what would not
    /// finish.
    func makePlan(_ spec: ExperimentSpec, file: String, looksBack: Bool) async throws(Fault) -> ExperimentPlan {
        guard let route = await routes.route(spec.route) else {
            let known = await routes.routes().map(\.name)
            throw Fault(
                .badConfiguration, what: "There is no route '\(spec.route)'.",
                why: "\(file) line \(spec.line): experiment \(spec.name) names it.",
                fix: didYouMean(spec.route, among: known) ?? "Apply one first: openclaw route apply FILE")
        }
        for variant in spec.variants { try await check(variant, of: spec, file: file) }
        var plan = ExperimentPlan(spec: spec, unit: spec.unit ?? route.unit, cursor: await outcomes.cursor())
        plan.notes = notes(on: plan)
        guard looksBack else { return plan }
        let traffic = try await outcomes.traffic(of: route.id, span: Self.planSpan, now: .now())
        plan.expectation = ExperimentExpectation(spec, seeing: traffic)
        if plan.expectation == nil { plan.notes.append(nothingKnown(of: spec, traffic)) }
        try refuseEndless(plan)
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

    private nonisolated func nothingKnown(of spec: ExperimentSpec, _ traffic: RecentTraffic) -> String {
        let metric = spec.metrics.primary
        return traffic.requests == 0
            ? "the route had no requests in the last 24 h: how long it takes cannot be told"
            : "nothing is known of \(metric.name) yet (\(metric.kind.rawValue)): how many units it takes cannot be told"
    }

    private nonisolated func refuseEndless(_ plan: ExperimentPlan) throws(Fault) {
        let limit = plan.spec.decision.maxDuration
        guard let expectation = plan.expectation, let expected = expectation.milliseconds, expected > limit else { return }
        let metric = plan.spec.metrics.primary
        let smallest =
            expectation.smallestEffect.map { "`minimum_effect: \(ExperimentPlan.text($0))` could be found in time, or " } ?? ""
        throw Fault(
            .conflict, what: "\(plan.spec.name) would not finish.",
            why:
                "An effect of \(ExperimentPlan.text(metric.minimumEffect ?? 0)) on \(metric.name) takes about \(Int64(expectation.unitsPerVariant.rounded(.up))) units of each variant; at the \(Int64(expectation.unitsPerDay ?? 0)) units a day of the last 24 h that is \(Quantity.text(.milliseconds(expected))), and max_duration is \(Quantity.text(.milliseconds(limit))).",
            fix: "\(smallest)take more units (coverage, fewer variants) or a longer max_duration.")
    }
}

extension ExperimentExpectation {
    /// Nil where the metric, or how it varies, is not known.
    init?(_ spec: ExperimentSpec, seeing traffic: RecentTraffic) {
        let metric = spec.metrics.primary
        guard let effect = metric.minimumEffect, let seen = Self.summary(of: metric, traffic), seen.count >= 30 else { return nil }
        let shares = spec.variants.map { Double($0.basisPoints) / 10_000 }.sorted()
        // The smallest variant against control decides how long it takes.
        guard let least = spec.variants.dropFirst().map(\.basisPoints).min(), least > 0, spec.control.basisPoints > 0 else {
            return nil
        }
        let (treated, control) = (Double(least) / 10_000, Double(spec.control.basisPoints) / 10_000)
        let tests = Double(spec.variants.count - 1)
        let variance = metric.kind == .binary ? max(seen.mean * (1 - seen.mean), 1e-4) : seen.variance
        guard variance > 0, !shares.isEmpty else { return nil }
        func pairs(_ effect: Double) -> Double? {
            SampleSize.sequential(
                effect: effect, variances: (variance, variance), share: treated / (treated + control),
                alpha: spec.decision.alpha / tests, power: spec.decision.power)
        }
        guard let pair = pairs(effect) else { return nil }
        // Not every unit says something.
        let answering = traffic.units > 0 ? min(1, Double(seen.count) / traffic.units) : 1
        let total = pair / (treated + control) / answering
        baseline = seen.mean
        deviation = variance.squareRoot()
        unitsPerVariant = total * min(treated, control)
        guard traffic.milliseconds >= 60_000, traffic.units > 0 else { return }
        let part = Double(spec.targeting.ramp.last?.coverage ?? 10_000) / 10_000 * Self.namespaceShare(spec)
        let daily = traffic.units / Double(traffic.milliseconds) * 86_400_000 * part
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

    /// Rounded up to two digits.
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
        return high
    }

    private static func summary(of metric: Metric, _ traffic: RecentTraffic) -> RecentTraffic.Summary? {
        switch (metric.kind, AutomaticMetric(rawValue: metric.name)) {
        case (.quantile, _), (.ratio, _): nil
        case (_, .latency?): traffic.latency
        case (_, .error?): traffic.errors
        case (_, _?): nil  // what models use is told by nobody here
        case (_, nil): traffic.feedback[metric.name]
        }
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
            "expectation": expectation?.json ?? .null, "notes": .array(notes.map(JSONValue.string)),
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
