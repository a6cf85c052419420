import Conducting
import Faults
import Ledger
import Outcomes
import Registry
import Routing
import Telemetry

/// `canary_deploy` and the traffic side of `promote_or_rollback`: everything a release does to its route, under its claim.
struct CanaryStage {
    let call: ReleaseCall
    let routes: RouteService
    let registry: RegistryService
    let outcomes: OutcomeStore

    private var plan: ReleasePlan { call.machine.plan }
    var owner: String { Self.owner(plan.name) }
    static func owner(_ release: String) -> String { "release/\(release)" }

    /// The route and its name; a plan without one never comes here.
    private func route() async throws(Fault) -> Route {
        guard let name = plan.route, let route = await routes.route(name) else {
            throw Fault(
                .notFound, what: "Route \(plan.route ?? "") is gone.", why: "It was there when \(plan.name) was planned.",
                fix: "Apply it again: openclaw route apply FILE")
        }
        return route
    }

    // MARK: The claim

    func claim() async throws(Fault) -> ReleaseMachine.Event {
        let route = try await route()
        do throws(Fault) {
            try await routes.claim(route.name, for: owner)
        } catch {
            guard error.kind == .conflict, let other = await routes.holder(of: route.name) else { throw error }
            return .busy(owner: other)
        }
        if let known = call.machine.baseline { return .claimed(baseline: known) }
        return .claimed(baseline: try await baseline())
    }

    /// Where the route stands now: while the release was queued another one may have been promoted.
    func baseline() async throws(Fault) -> Baseline {
        let route = try await route()
        let alias = await registry.alias("stable", of: plan.version.model).map { VersionID(model: plan.version.model, version: $0) }
        guard let stable = route.stable(alias: alias) else {
            throw Fault(
                what: "Route \(route.name) has no stable version.", why: "No variant has a share.",
                fix: "openclaw route set \(route.name) VARIANT=100%")
        }
        let candidate = route.variant(serving: plan.version)?.name ?? plan.version.version
        guard stable.name != candidate else {
            throw Fault(
                .conflict, what: "\(plan.version) is the stable version of route \(route.name) by now.",
                why: "It was promoted meanwhile.",
                fix: "Nothing is to be done.")
        }
        let previous = plan.spec.rollback.previousVersion.flatMap { name in
            route.variant(serving: VersionID(model: plan.version.model, version: name))?.name ?? name
        }
        return Baseline(
            shares: route.sharesByName.filter { $0.value > 0 }, candidate: candidate, stable: stable.name,
            previous: previous ?? stable.name, variants: route.variants.filter { $0.name != candidate }.map(Self.kept))
    }

    private static func kept(_ variant: Variant) -> RouteSpec.VariantSpec {
        .init(
            name: variant.name, url: variant.url, version: variant.version, rewrite: variant.rewrite, caFile: variant.caFile)
    }

    func leave() async throws(Fault) {
        guard let name = plan.route else { return }
        if let baseline = call.machine.baseline, await routes.owner(of: name) == owner,
            await mayRemove(baseline.candidate, from: name)
        {
            try await routes.remove(variant: baseline.candidate, from: name, owner: owner, fence: call.fence)
        }
        try await routes.giveBack(name, by: owner)
    }

    /// A variant of ours that answers nothing; one that the user's own file names stays.
    private func mayRemove(_ variant: String, from name: String) async -> Bool {
        guard let route = await routes.route(name), route.variant(named: variant) != nil,
            route.sharesByName[variant, default: 0] == 0
        else { return false }
        return await routes.spec(of: name)?.variants.contains { $0.name == variant } == false
    }

    // MARK: Traffic

    /// Puts the candidate (and a previous version that is served elsewhere) on the route, and notes where the evidence begins.
    func watch() async throws(Fault) -> Watch {
        guard let baseline = call.machine.baseline, let deployment = call.machine.deployment else {
            throw Fault(what: "\(plan.version) does not answer yet.", why: "Nothing was started.", fix: "Release it again.")
        }
        let before = try await route()
        let rewrite = before.variant(named: baseline.candidate)?.rewrite
        let candidate = try await routes.put(
            RouteSpec.VariantSpec(
                name: baseline.candidate, url: deployment.url, version: plan.version.description, basisPoints: 0, rewrite: rewrite,
                caFile: plan.model.caFile),
            on: before.name, owner: owner, fence: call.fence)
        if before.variant(named: baseline.previous) == nil {
            let version = VersionID(model: plan.version.model, version: baseline.previous)
            _ = try await routes.put(
                RouteSpec.VariantSpec(
                    name: baseline.previous, url: nil, version: version.description, basisPoints: 0, rewrite: nil),
                on: before.name, owner: owner, fence: call.fence)
        }
        guard let stable = before.variant(named: baseline.stable) else {
            throw Fault(
                what: "The stable variant \(baseline.stable) is gone from route \(before.name).", why: "Somebody removed it.",
                fix: "Apply the route again.")
        }
        return Watch(
            route: before.id, candidate: candidate.id, stable: stable.id, cursor: await outcomes.cursor(), since: Timestamp.now())
    }

    /// Returns when every gateway loop serves the share.
    func move(to share: Int) async throws(Fault) -> ReleaseMachine.Event {
        guard let name = plan.route, let wanted = shares(at: share) else {
            throw Fault(what: "\(plan.name) has no traffic to move.", why: "It never claimed a route.", fix: "Release it again.")
        }
        if share == 0 { try await putBack(wanted, on: name) }
        // A variant without a share need not be there: what is not named gets nothing.
        let table = try await routes.move(name, shares: wanted.filter { $0.value > 0 }, owner: owner, fence: call.fence)
        return .routed(share: share, table: table.position)
    }

    /// Traffic goes back to who had it, also where the route's file has dropped them since.
    private func putBack(_ wanted: [String: Int], on name: String) async throws(Fault) {
        let route = try await route()
        for (variant, share) in wanted.sorted(by: { $0.key < $1.key }) where share > 0 && route.variant(named: variant) == nil {
            let version = VersionID(model: plan.version.model, version: variant).description
            let kept = call.machine.baseline?.variants?.first { $0.name == variant }
            var moved = kept ?? RouteSpec.VariantSpec(name: variant, version: version)
            // A server of ours may have another port by now, which only its version leads to.
            if moved.version != nil { moved.url = nil }
            do throws(Fault) {
                _ = try await routes.put(moved, on: name, owner: owner, fence: call.fence)
            } catch {
                guard let kept, kept.url != moved.url, error.kind == .conflict else { throw error }
                _ = try await routes.put(kept, on: name, owner: owner, fence: call.fence)
            }
        }
    }

    /// Whether the route stands at this share already.
    func stands(at share: Int) async -> ReleaseMachine.Event? {
        guard let name = plan.route, let wanted = shares(at: share), let route = await routes.route(name),
            route.sharesByName.filter({ $0.value > 0 }) == wanted.filter({ $0.value > 0 })
        else { return nil }
        return .routed(share: share, table: await routes.table().position)
    }

    private func shares(at share: Int) -> [String: Int]? {
        share == 0 ? call.machine.baseline?.restored : call.machine.baseline?.shares(candidateAt: share)
    }

    // MARK: Names

    /// The candidate is `stable` now, and what was stable before is `previous`.
    func crown() async throws(Fault) {
        let (model, by) = (plan.version.model, owner)
        if await registry.version(plan.version) == nil, case .at(let url) = plan.serving {
            let lineage = Lineage(by: by, command: nil, inputs: [:], release: plan.name)
            let version = Version(
                id: plan.version, digest: "sha256:" + SHA256.digest(of: url).hex, source: .served(url: url), lineage: lineage)
            _ = try await registry.register(version, by: by)
        }
        let before = await registry.alias("stable", of: model) ?? previousVersion
        if let before, before != plan.version.version, await isRegistered(before) {
            try await registry.move(alias: "previous", of: model, to: before, by: by)
        }
        if await isRegistered(plan.version.version) {
            try await registry.move(alias: "stable", of: model, to: plan.version.version, by: by)
        }
    }

    func uncrown() async throws(Fault) {
        let model = plan.version.model
        guard await registry.alias("stable", of: model) == plan.version.version, let previous = previousVersion else { return }
        do throws(Fault) {
            try await registry.move(alias: "stable", of: model, to: previous, by: owner)
        } catch {
            // A variant whose name no version can have is nobody's stable version.
            guard error.kind == .usage, await !isRegistered(previous) else { throw error }
        }
    }

    private var previousVersion: String? { call.machine.baseline?.previous ?? plan.previous }

    private func isRegistered(_ version: String) async -> Bool {
        await registry.version(VersionID(model: plan.version.model, version: version)) != nil
    }
}
