import Faults
import Gateway
import HTTP
import JSON
import Routing

/// `/api/v1/routes`: where live traffic goes, and why.
enum TrafficRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(.get, "/api/v1/routes", .scope(.read), "All routes", gives: .object(["routes": .array(of: route)])) {
            call throws(Fault) in
            let routes = try call.services.routes
            var list: [JSONValue] = []
            for route in await routes.routes() { list.append(json(route, owner: await routes.owner(of: route.name))) }
            return .list("routes", list)
        },
        Endpoint(.get, "/api/v1/routes/{name}", .scope(.read), "One route", gives: route) { call throws(Fault) in
            let routes = try call.services.routes
            let route = try await found(call["name"], in: routes)
            return .json(json(route, owner: await routes.owner(of: route.name)))
        },
        Endpoint(
            .put, "/api/v1/routes/{name}/split", .scope(.operate), "Moves shares; answers when every loop serves the new split",
            takes: .object(["shares": .map(of: .number("A fraction with at most four decimals; a route's shares add up to 1"))]),
            gives: route
        ) { call throws(Fault) in
            let routes = try call.services.routes
            let name = try await found(call["name"], in: routes).name
            _ = try await routes.set(name, shares: try basisPoints(call.body["shares"]?.objectValue ?? [:]), by: call.by)
            return .json(json(try await found(name, in: routes), owner: await routes.owner(of: name)))
        },
        Endpoint(
            .get, "/api/v1/routes/{name}/explain", .scope(.read), "Which variant a unit gets, and why",
            query: [
                .init("unit", "The unit, as the route's requests name it", required: true),
                .init("attributes", "What the unit's requests say of it, as a JSON object: for experiments with conditions"),
            ],
            gives: .object([
                "route": .string("The route"), "unit": .string("The unit"), "bucket": .integer("0 to 9 999"),
                "variant": .string("What answers it"), "experiment": Schema.string("The experiment that decided").orNull,
                "reason": .string("Why"),
            ])
        ) { call throws(Fault) in
            guard let unit = call.request.query("unit"), !unit.isEmpty else {
                throw Fault(
                    .usage, what: "There is nobody to explain.", why: "No unit was named.",
                    fix: "Name one: ?unit=user-17 (--unit user-17).")
            }
            let attributes = try attributes(call.request.query("attributes"))
            return .json(try await call.services.routes.explain(route: call["name"], unit: unit, attributes: attributes).json)
        },
    ]

    private static let route = Schema.object([
        "name": .string("Its name"), "match": .any("Which requests it takes"), "unit": .string("Who is assigned"),
        "owner": Schema.string("The release that moves it now").orNull, "timeouts": .any("Milliseconds"),
        "api": Schema.string("What its requests are, where the gateway reads them").orNull,
        "budgets": .array(of: .string("How much may be spent, and in which time")),
        "experiments": LayerAnswers.schema,
        "variants": .array(
            of: .object(
                [
                    "name": .string("Its name"), "url": .string("Where it is served"), "share": .number("A fraction: 0.25 is 25 %"),
                ],
                optional: [
                    "version": Schema.string("The registered version").orNull, "rewrite": .any("What is changed in a request"),
                    "prompt": Schema.string("PROMPT@VERSION that requests are made of").orNull,
                    "providers": .array(of: .string("Who is asked, in the order of trying")),
                ])),
    ])

    private static func attributes(_ text: String?) throws(Fault) -> [String: JSONValue] {
        guard let text else { return [:] }
        if let members = try? JSONValue(parsing: text).objectValue { return members }
        throw Fault(
            .usage, what: "`attributes` is not usable.", why: "It is not a JSON object.",
            fix: "Send ?attributes={\"country\":\"DE\"}.")
    }

    static func found(_ name: String, in routes: RouteService) async throws(Fault) -> Route {
        if let route = await routes.route(name) { return route }
        throw RegistryRoutes.unknown("route", name, known: await routes.routes().map(\.name), list: "openclaw route list")
    }

    static func json(_ route: Route, owner: String?) -> JSONValue {
        let shares = route.split.shares
        return [
            "name": .string(route.name), "match": JSONValue(encoding: route.match), "unit": .string(route.unit.text),
            "owner": owner.map(JSONValue.string) ?? .null, "experiments": LayerAnswers.json(route),
            "timeouts": [
                "connect_ms": .integer(route.timeouts.connect), "first_byte_ms": .integer(route.timeouts.firstByte),
                "idle_ms": .integer(route.timeouts.idle),
            ],
            "api": route.api.map { .string($0.rawValue) } ?? .null,
            "budgets": .array((route.budgets ?? []).map { .string($0.scope == .token ? "\($0.text), each token" : $0.text) }),
            "variants": .array(
                route.baseVariants.map { variant in
                    [
                        "name": .string(variant.name), "url": .string(variant.url),
                        "share": .number(Double(shares[variant.id] ?? 0) / 10_000),
                        "version": variant.version.map(JSONValue.string) ?? .null,
                        "rewrite": variant.rewrite.map { JSONValue(encoding: $0) } ?? .null,
                        "prompt": variant.prompt.map { .string($0.id) } ?? .null,
                        "providers": .array((variant.providers ?? []).map { .string($0.name) }),
                    ]
                }),
        ]
    }

    /// Fractions as shares are kept: whole basis points.
    static func basisPoints(_ shares: [String: JSONValue]) throws(Fault) -> [String: Int] {
        var points: [String: Int] = [:]
        for (variant, share) in shares {
            let exact = (share.numberValue ?? -1) * 10_000
            guard (0...10_000).contains(exact), abs(exact - exact.rounded()) < 1e-6 else {
                throw Fault(
                    .usage, what: "The share of \(variant) cannot be used.",
                    why: "\(share.canonicalText) is not a fraction of 0 to 1 in steps of 0.0001.",
                    fix: "Write 25 % as 0.25.")
            }
            points[variant] = Int(exact.rounded())
        }
        return points
    }
}
