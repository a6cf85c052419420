import JSON
import Routing

/// A route's experiments as the API shows them.
enum LayerAnswers {
    static let schema = Schema.array(
        of: .object(
            [
                "name": .string("Its name"), "unit": .string("Who is assigned"), "coverage": .number("A fraction of its units"),
                "sticky": .oneOf(["share", "user"], "Who changes variant when shares move"),
                "hashing": .oneOf(["buckets", "growthbook"], "How units are hashed"),
                "variants": .array(
                    of: .object(["name": .string("Its name"), "url": .string("Where it is served"), "share": .number("A fraction")])
                ),
            ],
            optional: [
                "namespace": .any("Its part of all units, as fractions"), "condition": .any("Whom it is for"),
                "overrides": .map(of: .string("The variant"), "Units that a person assigned"),
            ]))

    static func json(_ route: Route) -> JSONValue { .array(route.experiments.map { json($0, on: route) }) }

    private static func json(_ experiment: RouteExperiment, on route: Route) -> JSONValue {
        func fraction(_ basisPoints: Int) -> JSONValue { .number(Double(basisPoints) / 10_000) }
        let shares = experiment.split.shares
        let arms = experiment.variants.compactMap { route.variant($0) }
        var members: [String: JSONValue] = [
            "name": .string(experiment.name), "unit": .string(experiment.unit.text),
            "coverage": fraction(experiment.audience.coverage), "sticky": .string(experiment.stickiness.rawValue),
            "hashing": experiment.hashing == .buckets ? "buckets" : "growthbook",
            "variants": .array(
                arms.map { arm in
                    ["name": .string(arm.name), "url": .string(arm.url), "share": fraction(shares[arm.id] ?? 0)]
                }),
            "overrides": .object(
                experiment.overrides.compactMapValues { id in route.variant(id).map { .string($0.name) } }),
        ]
        if let namespace = experiment.audience.namespace {
            members["namespace"] = [
                "name": .string(namespace.name), "from": fraction(namespace.lower), "to": fraction(namespace.upper),
            ]
        }
        if let condition = experiment.audience.condition { members["condition"] = condition.json }
        return .object(members)
    }
}
