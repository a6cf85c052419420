import Faults
import HTTP
import JSON
import Registry

/// `/api/v1/prompts`: what language models are told, version by version.
enum PromptRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(.get, "/api/v1/prompts", .scope(.read), "All prompts", gives: .object(["prompts": .array(of: prompt)])) {
            call throws(Fault) in
            let registry = try call.services.registry
            var prompts: [JSONValue] = []
            for prompt in await registry.prompts() { prompts.append(await json(prompt, in: registry)) }
            return .list("prompts", prompts)
        },
        Endpoint(.get, "/api/v1/prompts/{name}", .scope(.read), "One prompt", gives: prompt) { call throws(Fault) in
            let registry = try call.services.registry
            return .json(await json(try await found(call["name"], in: registry), in: registry))
        },
        Endpoint(
            .post, "/api/v1/prompts/{name}/versions/{version}", .scope(.operate),
            "Adds a version; the same content again changes nothing, another content under a taken name is refused",
            takes: .object(
                [:],
                optional: [
                    "from": .string("A version of this prompt; the members given here stand over its own"),
                    "says": .any("The members of a version as in a file: system, user, variables, model, temperature, ..."),
                ]),
            gives: .object([
                "id": .string("PROMPT@VERSION"), "digest": .string("sha256: of it"), "outcome": .string("created, ..."),
            ])
        ) { call throws(Fault) in try await add(call) },
        Endpoint(
            .post, "/api/v1/prompts/{name}/versions/{version}/render", .scope(.read),
            "The chat request that a version makes of variables and of what a user wrote",
            takes: .object(
                [:],
                optional: [
                    "variables": .map(of: .any("A text, number or boolean")), "input": .string("What the user wrote"),
                ]),
            gives: .any("A chat request, as the model would get it")
        ) { call throws(Fault) in
            let prompt = try await found(call["name"], in: try call.services.registry)
            let template = try template(call["version"], of: prompt)
            return .json(
                try template.rendered(
                    with: call.body["variables"]?.objectValue ?? [:], input: call.body["input"]?.stringValue))
        },
    ]

    private static let prompt = Schema.object([
        "name": .string("Its name"),
        "versions": .map(
            of: .object(
                ["digest": .string("sha256: of what it says")],
                optional: [
                    "system": Schema.string("What the system says").orNull, "user": Schema.string("What the user says").orNull,
                    "variables": .any("Typed places in both"), "model": .string("The model that is asked"),
                    "provider": .string("Who is asked"), "parameters": .any("How the model is asked"),
                    "tools": .any("What the model may call"), "response_format": .any("What its answer must look like"),
                ])),
        "order": .array(of: .string("A version"), "Versions in the order of their registration"),
    ])

    private static func add(_ call: Call) async throws(Fault) -> Answer {
        let registry = try call.services.registry
        let (name, version) = (call["name"], call["version"])
        var base: Prompt.Template?
        if let from = call.body["from"]?.stringValue { base = try template(from, of: try await found(name, in: registry)) }
        let draft = try Prompt.draft(name, version: version, call.body["says"] ?? [:], from: base)
        let outcome = try await registry.apply(draft, by: call.by)
        let id = VersionID(model: name, version: version)
        let digest = await registry.version(id)?.digest ?? ""
        return .json(["id": .string(id.description), "digest": .string(digest), "outcome": .string(outcome.rawValue)])
    }

    private static func found(_ name: String, in registry: RegistryService) async throws(Fault) -> Prompt {
        if let prompt = await registry.prompt(name) { return prompt }
        throw RegistryRoutes.unknown("prompt", name, known: await registry.prompts().map(\.name), list: "openclaw prompt list")
    }

    private static func template(_ version: String, of prompt: Prompt) throws(Fault) -> Prompt.Template {
        if let template = prompt.versions[version] { return template }
        throw RegistryRoutes.unknown(
            "version", "\(prompt.name)@\(version)", known: prompt.versions.keys.map { "\(prompt.name)@\($0)" },
            list: "openclaw prompt show \(prompt.name)")
    }

    private static func json(_ prompt: Prompt, in registry: RegistryService) async -> JSONValue {
        let registered = await registry.versions(of: prompt.name)
        var versions: [String: JSONValue] = [:]
        for (name, template) in prompt.versions {
            var members = JSONValue(encoding: template).objectValue ?? [:]
            if let digest = registered.first(where: { $0.id.version == name })?.digest { members["digest"] = .string(digest) }
            for text in ["system", "user"] where members[text] == nil { members[text] = .null }
            versions[name] = .object(members)
        }
        return [
            "name": .string(prompt.name), "versions": .object(versions),
            "order": .array(registered.map { .string($0.id.version) }),
        ]
    }
}
