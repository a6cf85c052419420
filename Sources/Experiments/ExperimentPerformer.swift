import Conducting
import Faults
import JSON
import Registry
import Routing

/// Does what an experiment decided. Every act is fenced by the route, so that performing it twice is performing it once.
struct ExperimentPerformer: Sendable {
    let registry: RegistryService
    let routes: RouteService
    let release: ExperimentService.Release

    func perform(_ call: ExperimentCall) async throws(Fault) -> ExperimentMachine.Event {
        let spec = call.machine.plan.spec
        switch call.intent.effect {
        case .attach(let coverage): return try await attach(call, coverage)
        case .move(let shares):
            let named = zip(call.machine.arms.names, shares).filter { $0.1 > 0 }
            let byName = Dictionary(named, uniquingKeysWith: { first, _ in first })
            let table = try await routes.move(
                experiment: spec.name, on: spec.route, shares: byName, scorer: try call.machine.scorer?.decoded(as: Scorer.self),
                owner: call.owner, fence: call.fence)
            return .moved(shares: shares, table: table.position)
        case .cover(let step):
            _ = try await routes.cover(
                experiment: spec.name, on: spec.route, coverage: spec.targeting.ramp[step].coverage, owner: call.owner,
                fence: call.fence)
            return .covered(step: step)
        case .put(let arm):
            let put = try await routes.putArm(
                call.machine.arms.all[arm].variant.layered, to: spec.name, on: spec.route, owner: call.owner, fence: call.fence)
            return .joined(arm: arm, variant: put.id)
        case .retire(let arm):
            try await routes.retireArm(
                call.machine.arms.names[arm], of: spec.name, on: spec.route, owner: call.owner, fence: call.fence)
            return .retired(arm: arm)
        case .override:
            try await routes.override(
                experiment: spec.name, on: spec.route, units: spec.targeting.overrides, owner: call.owner, fence: call.fence)
            return .overridden
        case .detach:
            try await routes.detach(experiment: spec.name, from: spec.route, owner: call.owner, fence: call.fence)
            return .detached
        case .settle(let variant): return try await settle(variant, call)
        case .release(let version):
            let request = ReleaseRequest(
                version: version, experiment: spec.name, position: call.fence, pipeline: spec.decision.release)
            return .released(outcome: try await release(request))
        }
    }

    private func attach(_ call: ExperimentCall, _ coverage: Int) async throws(Fault) -> ExperimentMachine.Event {
        let plan = call.machine.plan
        let attached = try await routes.attach(
            try plan.layer(coverage: coverage), to: plan.spec.route, owner: call.owner, fence: call.fence)
        guard let route = await routes.route(plan.spec.route) else {
            throw Fault(
                .notFound, what: "There is no route \(plan.spec.route).", why: "It was removed meanwhile.", fix: "Apply it again.")
        }
        return .attached(
            layer: ExperimentLayer(route: route.id, arms: attached.variants), table: await routes.table().position)
    }

    /// A model's version that no release has promoted goes through one first; everything else takes over at once.
    private func settle(_ name: String, _ call: ExperimentCall) async throws(Fault) -> ExperimentMachine.Event {
        let spec = call.machine.plan.spec
        guard let variant = spec.variant(named: name) else { preconditionFailure("the machine names variants of its own") }
        if let model = variant.model, let id = VersionID(model), await !hasPassed(id, on: spec.route) {
            return .gated(version: model)
        }
        let base = await baseName(of: variant, call)
        try await routes.settle(
            experiment: spec.name, winner: name, as: base, on: spec.route, owner: call.owner, fence: call.fence)
        return .settled(base: base)
    }

    /// It is what the model's users see already, or a release made it stable.
    private func hasPassed(_ version: VersionID, on route: String) async -> Bool {
        if await registry.alias("stable", of: version.model) == version.version { return true }
        // Without any release of the model there are no gates to pass.
        guard await registry.model(version.model) != nil else { return true }
        guard let route = await routes.route(route) else { return false }
        let shares = route.split.shares
        return route.baseVariants.contains { $0.version == version.description && (shares[$0.id] ?? 0) > 0 }
    }

    /// The name the winner gets among the route's own variants: the version's or its own, whichever says more.
    private func baseName(of variant: ExperimentSpec.VariantSpec, _ call: ExperimentCall) async -> String {
        let spec = call.machine.plan.spec
        let short = variant.version.flatMap { VersionID($0)?.version } ?? variant.name
        guard let taken = await routes.route(spec.route)?.variant(named: short) else { return short }
        let isSame = variant.version.map { $0 == taken.version || $0 == taken.prompt?.id } ?? false
        return isSame ? short : "\(spec.name).\(short)"
    }
}

extension ExperimentPlan {
    /// The experiment as its route is asked to carry it.
    func layer(coverage: Int) throws(Fault) -> RouteExperimentSpec {
        var audience = Audience(coverage: coverage)
        if let namespace = spec.targeting.namespace {
            audience.namespace = Namespace(name: namespace.name, lower: namespace.lower, upper: namespace.upper)
        }
        audience.condition = spec.targeting.condition.map(Condition.init)
        for (name, text) in spec.targeting.attributes { audience.attributes[name] = AttributeSource(text) }
        let hashing: RouteExperiment.Hashing =
            switch spec.targeting.hashing {
            case .buckets: .buckets
            case .growthBook1: .growthBook(version: 1, seed: spec.targeting.seed ?? spec.name)
            case .growthBook2: .growthBook(version: 2, seed: spec.targeting.seed ?? spec.name)
            }
        return RouteExperimentSpec(
            name: spec.name, unit: unit, audience: audience, variants: spec.variants.map(\.layered), seed: spec.targeting.seed,
            hashing: hashing, overrides: spec.targeting.overrides,
            stickiness: spec.allocation.stickiness == .user ? .user : .share, budget: spec.budget)
    }
}

extension ExperimentSpec.VariantSpec {
    fileprivate var layered: RouteSpec.VariantSpec {
        var layered = RouteSpec.VariantSpec(name: name, basisPoints: basisPoints, rewrite: rewrite)
        switch serving {
        case .prompt(let version): layered.prompt = version
        case .version(let name): layered.version = name
        case .url(let text): layered.url = text
        }
        layered.value = value
        return layered
    }
}
