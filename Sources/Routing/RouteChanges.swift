public import Faults
import JSON
public import Ledger

extension RouteService {
    /// Applies a `route:` resource. The content as last applied changes nothing; shares that a release or `set` moved since
    /// are not undone by applying the same content again. A new content under a claim is refused (`.conflict`, names the owner).
    public func apply(_ spec: RouteSpec, by: String) async throws(Fault) -> Outcome {
        var places: [String: VariantPlace] = [:]
        if recordIfAny(of: spec.name)?.applied != spec {
            for variant in spec.variants {
                places[variant.name] = try await place(of: variant, on: spec.name, provider: spec.provider)
            }
        }
        return try await change(spec.name, "route.applied", asked: JSONValue(encoding: spec), by: by) { now throws(Fault) in
            if let now, now.applied == spec { return now }
            try refuseSameMatch(spec)
            guard var next = now else { return RouteRecord(spec, id: try newRouteID(), places: places) }
            try next.apply(spec, places: places)
            return next
        }
    }

    /// `route set NAME v11=80% v12=20%`. Refused while somebody else owns the route. Returns when every loop serves it.
    public func set(_ route: String, shares: [String: Int], by: String) async throws(Fault) -> RoutingTable {
        _ = try await change(route, "route.set", asked: RouteService.json(shares), by: by) { _ throws(Fault) in
            var next = try record(of: route)
            try next.refuseOtherOwner(than: by, "set its shares")
            try next.move(to: shares)
            return next
        }
        return table()
    }

    // A release's way: claim, then move variants and shares under the claim, then give it back.

    /// One owner per route ("release/fraud-model-v12"). Idempotent for the same owner; refused (`.conflict`) for another.
    public func claim(_ route: String, for owner: String) async throws(Fault) {
        _ = try await change(route, "route.claimed", asked: ["owner": .string(owner)], by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            try next.claim(for: owner)
            return next
        }
    }

    /// Given back once: again, or for a route that another one owns by now, it changes nothing.
    public func giveBack(_ route: String, by owner: String) async throws(Fault) {
        _ = try await change(route, "route.given_back", asked: ["owner": .string(owner)], by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            next.giveBack(by: owner)
            return next
        }
    }

    /// Adds or updates a variant with share 0 (its share is untouched when it exists). Idempotent.
    public func put(_ variant: RouteSpec.VariantSpec, on route: String, owner: String, fence: Position) async throws(Fault)
        -> Variant
    {
        let place = try await place(of: variant, on: route, provider: recordIfAny(of: route)?.applied.provider)
        _ = try await change(route, "route.variant_put", asked: JSONValue(encoding: variant), by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            if try next.admit(owner, fence: fence) { try next.put(variant, at: place) }
            return next
        }
        guard let put = try record(of: route).route.variant(named: variant.name) else {
            throw Fault(
                .conflict, what: "Variant \(variant.name) was not put on route \(route).",
                why: "\(owner) acted on the route under a later position since.", fix: "Nothing: the later act stands.")
        }
        return put
    }

    /// Moves shares under a claim. `fence` is the owner's ledger position: a move older than the last one seen is ignored.
    public func move(_ route: String, shares: [String: Int], owner: String, fence: Position) async throws(Fault) -> RoutingTable {
        _ = try await change(route, "route.moved", asked: RouteService.json(shares), by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            if try next.admit(owner, fence: fence) { try next.move(to: shares) }
            return next
        }
        return table()
    }

    /// Removes a variant whose share is 0.
    public func remove(variant: String, from route: String, owner: String, fence: Position) async throws(Fault) {
        _ = try await change(route, "route.variant_removed", asked: ["variant": .string(variant)], by: owner) { _ throws(Fault) in
            var next = try record(of: route)
            if try next.admit(owner, fence: fence) { try next.remove(variant) }
            return next
        }
    }

    // MARK: What a change needs to know

    private static func json(_ shares: [String: Int]) -> JSONValue { .object(shares.mapValues { .integer(Int64($0)) }) }

    /// Where requests for a variant go: its own url, or where its version is served, or was when it was last known.
    func url(of variant: RouteSpec.VariantSpec, on route: String) async throws(Fault) -> String {
        if let url = variant.url {
            try RouteService.check(url)
            return url
        }
        if let version = variant.version {
            if let url = await resolve(version) { return url }
            let now = recordIfAny(of: route)?.route.variant(named: variant.name)
            if let now, now.version == version { return now.url }
        }
        throw Fault(
            .conflict, what: "Variant \(variant.name) of route \(route) has nowhere to send requests.",
            why: "\(variant.version ?? "It has neither a url nor a version, and nothing") is not served anywhere known.",
            fix: "Register where it is served under `versions:` of its model, or give the variant a `url`.")
    }

    static func check(_ url: String) throws(Fault) {
        do {
            _ = try UpstreamURL(url)
        } catch {
            throw Fault(.badConfiguration, what: "'\(url)' cannot be a variant's url.", why: error.why, fix: error.fix)
        }
    }

    private func refuseSameMatch(_ spec: RouteSpec) throws(Fault) {
        guard let other = records.first(where: { $0.route.match == spec.match && $0.route.name != spec.name }) else { return }
        let host = spec.match.host.map { "host \($0), " } ?? ""
        throw Fault(
            .conflict, what: "Route \(spec.name) matches the same requests as route \(other.route.name).",
            why: "Both match \(host)path \(spec.match.path): one of them would never be asked.",
            fix: "Change `match:` of one of them.")
    }

    private func newRouteID() throws(Fault) -> RouteID {
        guard records.count < RouteService.routesMax else {
            throw Fault(
                .limitReached, what: "There cannot be another route.", why: "\(RouteService.routesMax) is the limit.",
                fix: "Use one route with several variants, or another installation.")
        }
        return RouteID((records.map(\.route.id.number).max() ?? 0) + 1)
    }
}
