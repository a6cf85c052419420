public import Faults
public import Registry
public import Routing
import YAML

/// What a plan is made from besides the file: the registry and the routes at one moment.
public struct Surroundings: Sendable {
    public var model: Model?
    public var modelNames: [String] = []
    /// The candidate, when it is registered.
    public var registered: Version?
    /// Every version of the model that is registered.
    public var versionNames: [String] = []
    public var stableAlias: String?
    /// The model's route; nil when it names none or it is not applied.
    public var route: Route?
    /// Why a previous version that is not the stable one cannot take traffic; nil when it can.
    public var previousTrouble: String?
    public init() {}
}

extension ReleasePlan {
    /// Checks a pipeline against what is there. Pure: the same file and surroundings give the same plan.
    public init(_ spec: ReleaseSpec, file: String, seeing here: Surroundings) throws(Fault) {
        let check = PlanCheck(spec: spec, file: file, here: here)
        let model = try check.model()
        let serving = check.serving(model)
        let route = try check.route(model, serving: serving)
        let work = spec.stages.map { check.work($0, model, serving: serving, movesTraffic: route != nil) }
        let previous = try check.previous(model, movesTraffic: route != nil)
        (self.spec, self.model, self.serving, self.route, self.previous) = (spec, model, serving, route, previous)
        (self.work, notes) = (work, [])
        try check.artifact(of: model, serving: serving)
        notes = try check.gates(of: self)
    }
}

/// The questions a plan must answer, one function each.
private struct PlanCheck {
    let spec: ReleaseSpec
    let file: String
    let here: Surroundings

    var name: String { spec.version.model }
    var version: String { spec.version.version }

    func fault(_ line: Int, _ what: String, why: String, fix: String) -> Fault {
        Fault(.badConfiguration, what: what, why: "\(file) line \(line): \(why)", fix: fix)
    }

    func model() throws(Fault) -> Model {
        if let model = here.model { return model }
        let nearest = Suggestion.closest(to: name, among: here.modelNames)
        throw fault(
            spec.line, "there is no model \(name)",
            why:
                "\"\(spec.name)\" is version \(version) of model \(name) (split at the last hyphen), and no such model was applied",
            fix: nearest.map { "did you mean \($0)-\(version)? Otherwise apply the model: openclaw model apply FILE" }
                ?? "apply its `model:` resource first: openclaw model apply FILE")
    }

    /// Already served somewhere (the model, the registry or the route says where), else by the model's own command.
    func serving(_ model: Model) -> Serving {
        if let url = model.servedVersions[version] { return .at(url: url) }
        if case .served(let url)? = here.registered?.source { return .at(url: url) }
        if model.serve != nil { return .started }
        if let variant = here.route?.variant(serving: spec.version) { return .at(url: variant.url) }
        return .not
    }

    func route(_ model: Model, serving: Serving) throws(Fault) -> String? {
        guard let name = model.route, spec.names(.canaryDeploy) || spec.names(.promoteOrRollback), serving != .not else {
            return nil
        }
        guard here.route != nil else {
            throw Fault(
                .badConfiguration, what: "route \(name) is not applied",
                why: "model \(model.name) says its traffic comes through route \(name), and there is no such route",
                fix: "apply it first: openclaw route apply FILE, or `openclaw apply -f FILE`")
        }
        return name
    }

    /// The version to go back to. Named, it must be the stable one or able to take the traffic now.
    func previous(_ model: Model, movesTraffic: Bool) throws(Fault) -> String? {
        guard movesTraffic, let route = here.route else { return try previousWithoutRoute() }
        let alias = here.stableAlias.map { VersionID(model: name, version: $0) }
        let candidate = route.variant(serving: spec.version)
        guard let stable = route.stable(alias: alias) else {
            throw Fault(
                .badConfiguration, what: "route \(route.name) has no stable version",
                why: "no variant has a share, so that there is nothing to go back to",
                fix: "give one a share: openclaw route set \(route.name) VARIANT=100%")
        }
        guard stable.id != candidate?.id else {
            throw Fault(
                .conflict, what: "\(spec.version) is already the stable version of route \(route.name)",
                why: "most of the route's traffic sees it, so that there is nothing to release it against",
                fix: "release another version, or go back first: openclaw release rollback \(spec.name)")
        }
        guard let named = spec.rollback.previousVersion else { return stable.name }
        let variant = route.variant(serving: VersionID(model: name, version: named)) ?? route.variant(named: named)
        if variant?.id == stable.id { return stable.name }
        let wayOut = "leave previous_version out (the stable \(stable.name) is used), or name a version that is up"
        guard named != version, variant?.id != candidate?.id || variant == nil else {
            throw fault(
                spec.rollback.line, "a release cannot go back to itself", why: "previous_version is \(named), the candidate",
                fix: wayOut)
        }
        guard variant != nil || here.versionNames.contains(named) else {
            throw fault(
                spec.rollback.line, "previous_version \(named) is neither stable nor healthy",
                why: "route \(route.name) has no variant \(named), and model \(name) no such version; stable is \(stable.name)",
                fix: wayOut)
        }
        if let trouble = here.previousTrouble {
            throw fault(
                spec.rollback.line, "previous_version \(named) is neither stable nor healthy",
                why: "\(trouble); stable on route \(route.name) is \(stable.name)", fix: wayOut)
        }
        return variant?.name ?? named
    }

    private func previousWithoutRoute() throws(Fault) -> String? {
        guard let named = spec.rollback.previousVersion else { return here.stableAlias }
        guard named == here.stableAlias || here.versionNames.contains(named) else {
            throw fault(
                spec.rollback.line, "previous_version \(named) is not known", why: "model \(name) has no version \(named)",
                fix: "leave it out, or register it under `versions:` of the model")
        }
        return named
    }

    /// A server that is started from an artifact needs one.
    func artifact(of model: Model, serving: Serving) throws(Fault) {
        guard serving == .started, let serve = model.serve, serve.run.contains("{artifact}"), here.registered == nil,
            spec.names(.smokeTest) || spec.names(.canaryDeploy) || spec.names(.promoteOrRollback)
        else { return }
        if model.build != nil, spec.names(.buildArtifact) { return }
        throw Fault(
            .badConfiguration, what: "\(spec.version) has no artifact to serve",
            why: "serve.run of model \(name) needs {artifact}; \(version) was never built, and "
                + (model.build == nil ? "the model declares no build" : "the pipeline does not name build_artifact"),
            fix: model.build == nil
                ? "give the model a `build:`, or say where the version is served under `versions:`"
                : "add build_artifact as the first stage")
    }

    /// Every gate must have something that measures it. Returns what is worth saying about the gates that stay.
    func gates(of plan: ReleasePlan) throws(Fault) -> [String] {
        if spec.gates.isEmpty {
            return plan.runs(.canaryDeploy) ? ["no gates: the steps go on by their samples and holds alone"] : []
        }
        guard spec.names(.canaryDeploy) || spec.names(.monitorMetrics) || spec.names(.promoteOrRollback) else {
            return ["the gates judge nothing: the pipeline ends before the canary"]
        }
        for gate in spec.gates {
            guard let trouble = trouble(of: gate, plan) else { continue }
            throw fault(
                gate.line, "gate \(gate.name) has nothing to measure", why: trouble.why, fix: trouble.fix)
        }
        let defaults = "the gates look during the canary although monitor_metrics is not named; its defaults apply"
        return (spec.names(.monitorMetrics) ? [] : [defaults]) + deadlineTooShort(plan) + outOfReach(plan)
    }

    /// Gates that no traffic of these steps can make pass: not wrong where a person decides, but to be noticed.
    private func outOfReach(_ plan: ReleasePlan) -> [String] {
        guard let first = plan.steps.first?.share, let last = plan.steps.last?.share else { return [] }
        return spec.gates.compactMap { gate in
            switch gate.measure {
            case .coverage where gate.limit * 10_000 > Double(last):
                "\(gate.name) will hardly ever pass: the steps give the candidate at most \(Share.text(last)) of the requests"
            case .errorRateIncrease where first == 10_000, .p95Increase where first == 10_000:
                "\(gate.name) will hardly ever pass: from the first step on the stable version has no traffic to compare with"
            case .errorRateIncrease, .p95Increase, .coverage, .errorRate, .quality, .p50Latency, .p95Latency, .p99Latency: nil
            }
        }
    }

    /// A pipeline that cannot come to its end in time is not wrong (somebody may want to be asked), but should be noticed.
    private func deadlineTooShort(_ plan: ReleasePlan) -> [String] {
        let monitor = spec.monitor
        let least = plan.steps.reduce(0) { $0 + $1.hold } + (plan.runs(.monitorMetrics) ? monitor.lookFor : 0)
        let most = monitor.deadline * Int64(monitor.onUndecided == .extend ? 1 + MonitorOptions.extensionsMax : 1)
        guard least >= most else { return [] }
        return [
            "holds and `for:` together take \(duration(least)), and the deadline comes after \(duration(most)): it will never be promoted by its gates"
        ]
    }

    private func trouble(of gate: Gate, _ plan: ReleasePlan) -> (why: String, fix: String)? {
        if plan.route == nil {
            return plan.serving == .not
                ? (
                    "nothing serves \(spec.version): model \(name) declares no `serve:` and no url for it",
                    "give the model a `serve:`, or remove the gate"
                )
                : (
                    "model \(name) names no route, so that no live traffic is measured",
                    "give the model a `route:`, or remove the gate"
                )
        }
        if !spec.names(.canaryDeploy) {
            return (
                "the pipeline promotes without canary_deploy, and promotion needs every gate to pass on evidence",
                "add canary_deploy, or remove the gates"
            )
        }
        if gate.measure == .quality, plan.model.qualityMetric == nil {
            return (
                "model \(name) declares no feedback metric as its quality",
                "add `quality: { metric: NAME }` to the model, or remove the gate"
            )
        }
        return nil
    }
}

// MARK: What each stage comes to

extension PlanCheck {
    func work(_ stage: ReleaseSpec.Stage, _ model: Model, serving: Serving, movesTraffic: Bool) -> ReleasePlan.StageWork {
        let outcome: (does: String, idle: Bool) =
            switch stage {
            case .buildArtifact: build(model, serving: serving)
            case .smokeTest: smoke(model, serving: serving)
            case .canaryDeploy(let options): canary(options, model, serving: serving, movesTraffic: movesTraffic)
            case .monitorMetrics(let options): monitor(options, movesTraffic: movesTraffic)
            case .promoteOrRollback(let options): promote(options, model, movesTraffic: movesTraffic)
            }
        return ReleasePlan.StageWork(stage: stage.name, does: outcome.does, idle: outcome.idle)
    }

    typealias Serving = ReleasePlan.Serving

    private func build(_ model: Model, serving: Serving) -> (String, Bool) {
        if case .at(let url) = serving { return ("nothing: \(version) is already served at \(url)", true) }
        guard let build = model.build else { return ("nothing: model \(name) declares no build", true) }
        if let registered = here.registered, case .artifact = registered.source {
            return ("already built: verifies \(registered.digest.prefix(19))…", false)
        }
        return ("runs `\(build.run)` in a clean directory, at most \(duration(build.timeoutMilliseconds))", false)
    }

    private func smoke(_ model: Model, serving: Serving) -> (String, Bool) {
        guard let smoke = model.smoke, smoke.requests != nil || smoke.regression != nil else {
            return ("nothing: model \(name) declares no smoke requests", true)
        }
        if serving == .not { return ("nothing: nothing serves \(spec.version)", true) }
        var parts: [String] = []
        if let requests = smoke.requests { parts.append("sends the requests of \(requests)") }
        if let cases = smoke.regression {
            let few = Share.text(Int((smoke.maxRegressions * 10_000).rounded()))
            parts.append("compares the cases of \(cases) with the stable version (at most \(few) may get worse)")
        }
        return ((serving == .started ? "starts the candidate, " : "") + parts.joined(separator: ", "), false)
    }

    private func canary(_ options: CanaryOptions, _ model: Model, serving: Serving, movesTraffic: Bool) -> (String, Bool) {
        if serving == .not { return ("nothing: model \(name) declares no serve, and \(version) has no url", true) }
        guard movesTraffic, let route = model.route else { return ("nothing: model \(name) names no route", true) }
        let steps = options.steps.map { Share.text($0.share) }.joined(separator: ", ")
        let server = if case .at(let url) = serving { "uses \(url)" } else { "starts the model's server" }
        return ("\(server), moves route \(route) to \(steps)", false)
    }

    private func monitor(_ options: MonitorOptions, movesTraffic: Bool) -> (String, Bool) {
        guard movesTraffic, !spec.gates.isEmpty else {
            return (movesTraffic ? "nothing: the pipeline has no gates" : "nothing: no traffic moves", true)
        }
        let after =
            switch options.onUndecided {
            case .extend: "looks on for as long again"
            case .rollback: "rolls back"
            case .ask: "waits for a person"
            }
        return (
            "watches \(spec.gates.count) gate\(spec.gates.count == 1 ? "" : "s") from the first canary request on, at least "
                + "\(duration(options.lookFor)) at the last share; still undecided after \(duration(options.deadline)) it \(after)",
            false
        )
    }

    private func promote(_ options: PromoteOptions, _ model: Model, movesTraffic: Bool) -> (String, Bool) {
        guard movesTraffic, let route = model.route else {
            return ("marks \(version) as the stable version; no traffic moves", false)
        }
        let bake = options.bake == 0 ? "" : ", watches for \(duration(options.bake)) more"
        return (
            "gives route \(route) to \(version) when every gate passes\(bake), stops what is not used after "
                + "\(duration(options.scaleDownDelay))", false
        )
    }

    private func duration(_ milliseconds: Int64) -> String { Quantity.text(.milliseconds(milliseconds)) }
}
