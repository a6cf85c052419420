import Faults
import HTTP
import JSON
import Registry

/// `/api/v1/models`, `/api/v1/versions`: what is registered.
enum RegistryRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(.get, "/api/v1/models", .scope(.read), "All models", gives: .object(["models": .array(of: model)])) {
            call throws(Fault) in
            let registry = try call.services.registry
            var models: [JSONValue] = []
            for model in await registry.models() { models.append(await json(model, in: registry)) }
            return .list("models", models)
        },
        Endpoint(.get, "/api/v1/models/{name}", .scope(.read), "One model", gives: model) { call throws(Fault) in
            let registry = try call.services.registry
            return .json(await json(try await found(call["name"], in: registry), in: registry))
        },
        Endpoint(
            .get, "/api/v1/versions", .scope(.read), "Versions, of all models or of one",
            query: [.init("model", "Only of this model")],
            gives: .object(["versions": .array(of: version)])
        ) { call throws(Fault) in
            let registry = try call.services.registry
            var names = await registry.models().map(\.name) + (await registry.prompts().map(\.name))
            if let wanted = call.request.query("model") {
                guard names.contains(wanted) else { throw unknown("model", wanted, known: names, list: "openclaw model list") }
                names = [wanted]
            }
            var versions: [JSONValue] = []
            for model in names { versions += await registry.versions(of: model).map(json) }
            return .list("versions", versions)
        },
        Endpoint(.get, "/api/v1/versions/{version}", .scope(.read), "One version, such as fraud-model@v12", gives: version) {
            call throws(Fault) in
            let registry = try call.services.registry
            guard let id = VersionID(call["version"]) else {
                throw Fault(
                    .usage, what: "'\(call["version"])' is not a version.", why: "A version is MODEL@VERSION.",
                    fix: "Write it as fraud-model@v12.")
            }
            guard let version = await registry.version(id) else {
                let known = await registry.versions(of: id.model).map(\.id.description)
                throw unknown("version", id.description, known: known, list: "openclaw version list")
            }
            return .json(json(version))
        },
    ]

    private static let model = Schema.object(
        [
            "name": .string("Its name"), "directory": .string("Where its commands and relative paths start"),
            "aliases": .map(of: .string("A version")),
        ],
        optional: [
            "route": Schema.string("The route it is served on").orNull, "build": .any("How a version is made"),
            "serve": .any("How it is served"),
            "smoke": .any("How it is tried out"), "quality_metric": Schema.string("The feedback metric that scores it").orNull,
            "versions": .array(of: .string("A version's name")),
        ])
    private static let version = Schema.object([
        "id": .string("MODEL@VERSION"), "model": .string("Of this model"), "version": .string("Its own name"),
        "digest": .string("sha256: of its content"), "source": .any("Where it comes from"),
        "lineage": .any("Who made it, from what"),
    ])

    private static func found(_ name: String, in registry: RegistryService) async throws(Fault) -> Model {
        if let model = await registry.model(name) { return model }
        if let version = await registry.versions(of: name).first {
            throw Fault(
                .notFound, what: "No model '\(name)' was applied.",
                why: "Its versions, such as \(version.id.description), were registered by themselves.",
                fix: "`openclaw version list --model \(name)` shows them; a `model:` resource says how more are built and tried out"
            )
        }
        throw unknown("model", name, known: await registry.models().map(\.name), list: "openclaw model list")
    }

    /// A name that nothing has, with the nearest one that something has.
    static func unknown(_ noun: String, _ name: String, known: [String], list: String) -> Fault {
        let near = Suggestion.closest(to: name, among: known).map { "did you mean \($0)? " } ?? ""
        return Fault(
            .notFound, what: "There is no \(noun) '\(name)'.", why: "None was applied under this name.",
            fix: "\(near)`\(list)` shows all")
    }

    private static func json(_ model: Model, in registry: RegistryService) async -> JSONValue {
        var members = JSONValue(encoding: model).objectValue ?? [:]
        members["quality_metric"] = model.qualityMetric.map(JSONValue.string) ?? .null
        members["versions"] = .array(await registry.versions(of: model.name).map { .string($0.id.version) })
        var aliases: [String: JSONValue] = [:]
        for alias in ["stable", "previous"] {
            if let version = await registry.alias(alias, of: model.name) { aliases[alias] = .string(version) }
        }
        members["aliases"] = .object(aliases)
        for internalName in ["qualityMetric", "servedVersions"] { members[internalName] = nil }
        return .object(members)
    }

    private static func json(_ version: Version) -> JSONValue {
        let source: JSONValue =
            switch version.source {
            case .served(let url): ["kind": "served", "url": .string(url)]
            case .artifact: ["kind": "artifact"]
            case .prompt: ["kind": "prompt"]
            }
        return [
            "id": .string(version.id.description), "model": .string(version.id.model), "version": .string(version.id.version),
            "digest": .string(version.digest), "source": source, "lineage": JSONValue(encoding: version.lineage),
        ]
    }
}
