import Conducting
import Faults
import HTTP
import Ledger
import Outcomes
import Processes
import Registry
import Routing
import Telemetry

/// Does in the real world what machines decide. Every effect may be asked for again after a crash: it first looks at what is
/// there.
struct ReleasePerformer: Sendable {
    let directory: String
    let registry: RegistryService
    let routes: RouteService
    let outcomes: OutcomeStore
    let outbound: Outbound
    /// Tells the release of the version before that its server may stop, or must be up.
    let retire: @Sendable (_ call: ReleaseCall) async throws(Fault) -> Void
    let revive: @Sendable (_ call: ReleaseCall) async throws(Fault) -> Void

    func perform(_ call: ReleaseCall) async throws(Fault) -> ReleaseMachine.Event {
        let canary = canary(call)
        switch call.intent.effect {
        case .claim: return try await canary.claim()
        case .build: return .built(report: try await build(call))
        case .start: return .serving(deployment: try await start(call))
        case .smoke: return .smoked(report: try await smoke(call))
        case .watch: return .watching(watch: try await canary.watch())
        case .route(let share): return try await canary.move(to: share)
        case .crown:
            try await canary.crown()
            return .crowned
        case .uncrown:
            try await canary.uncrown()
            return .uncrowned
        case .leave:
            try await canary.leave()
            return .left
        case .stop:
            await stop(call)
            return .stopped
        case .retirePrevious:
            try await retire(call)
            return .previousRetired
        case .revivePrevious:
            try await revive(call)
            return .previousUp
        }
    }

    /// What an effect that an earlier life had recorded has left in the world.
    func query(_ call: ReleaseCall) async -> Handlers<ReleaseMachine>.Finding {
        switch call.intent.effect {
        case .build:
            // A finished build is registered; building again then only verifies it. Half a build is cleared away.
            await Workshop.clear(in: directory, call)
            return await registry.version(call.machine.plan.version) == nil ? .done(.interrupted) : .absent
        case .smoke: return .done(.interrupted)
        case .route(let share): return await canary(call).stands(at: share).map { .done($0) } ?? .absent
        case .stop:
            let runs = call.machine.deployment?.process.flatMap { Child.adopt(processID: $0.id, startTime: $0.startTime) } != nil
            return runs || !ChildEnvironment.strays(marked: Workshop.mark(in: directory, call)).isEmpty ? .absent : .done(.stopped)
        case .leave:
            guard let route = call.machine.plan.route, await routes.owner(of: route) == CanaryStage.owner(call.release) else {
                return .done(.left)
            }
            return .absent
        case .claim, .start, .watch, .crown, .uncrown, .retirePrevious, .revivePrevious:
            // These look for themselves: a server that runs is taken up, a claim, a variant or an alias that stands stays.
            return .absent
        }
    }

    private func canary(_ call: ReleaseCall) -> CanaryStage {
        CanaryStage(call: call, routes: routes, registry: registry, outcomes: outcomes)
    }

    private func build(_ call: ReleaseCall) async throws(Fault) -> BuildReport {
        let log = try Workshop.log(in: directory, call, of: "build")
        return try await BuildStage(
            call: call, registry: registry, workshop: Workshop.folder(in: directory, call), log: log,
            mark: Workshop.mark(in: directory, call)
        ).run()
    }

    private func start(_ call: ReleaseCall) async throws(Fault) -> Deployment {
        let server = ModelServer(
            call: call, registry: registry, outbound: outbound, directory: directory,
            log: try Workshop.log(in: directory, call, of: "server"))
        let deployment = try await server.start()
        // A server that came back elsewhere: the routes that answer with its version follow.
        if call.machine.isOver {
            try await routes.refresh(version: call.machine.plan.version.description, servedAt: deployment.url)
        }
        return deployment
    }

    private func smoke(_ call: ReleaseCall) async throws(Fault) -> SmokeReport {
        guard let candidate = call.machine.deployment?.url else {
            throw Fault(what: "There is nothing to smoke-test.", why: "The candidate does not answer.", fix: "Release it again.")
        }
        return try await SmokeStage(
            plan: call.machine.plan, candidate: candidate, stable: await stableURL(call), outbound: outbound
        ).run()
    }

    /// Where the stable version answers: on the route, else by the registry's alias.
    private func stableURL(_ call: ReleaseCall) async -> String? {
        let plan = call.machine.plan
        let alias = await registry.alias("stable", of: plan.version.model).map { VersionID(model: plan.version.model, version: $0) }
        if let name = plan.model.route, let route = await routes.route(name), let stable = route.stable(alias: alias) {
            return route.variant(serving: plan.version)?.id == stable.id ? nil : stable.url
        }
        guard let alias, alias != plan.version, case .served(let url)? = await registry.version(alias)?.source else { return nil }
        return url
    }

    private func stop(_ call: ReleaseCall) async {
        if let process = call.machine.deployment?.process {
            await Child.adopt(processID: process.id, startTime: process.startTime)?.stop()
        }
        await Workshop.clear(in: directory, call)
        await WorkFolder(path: Workshop.folder(in: directory, call)).remove()
    }
}
