public import Faults
import JSON
public import Ledger

public enum ApplyOutcome: String, Sendable, Codable { case created, changed, unchanged }

/// Models, prompts, versions and aliases, each recorded in the ledger; restart is replay.
public actor RegistryService {
    /// Stores what versions are made of.
    public nonisolated let artifacts: ArtifactStore
    private let ledger: LedgerWriter
    private var state = RegistryState()

    /// How often a lost race for a resource's head is looked at anew before it is a fault.
    private static let racesMax = 8

    public init(ledger: LedgerWriter, artifacts: ArtifactStore) { (self.ledger, self.artifacts) = (ledger, artifacts) }

    /// Replays the ledger.
    public func restore() async throws(Fault) {
        for kind in RegistryState.Kind.allCases {
            for entry in try await ledger.reader.entries(kind: kind.rawValue) {
                try state.absorb(entry.body, of: entry.resource, at: entry.position)
            }
        }
        artifacts.sweep()
    }

    /// Applies a `model:` resource; registers its `versions:` as served ones. Nothing is recorded when one of them is registered
    /// with other content.
    public func apply(_ model: Model, by: String) async throws(Fault) -> ApplyOutcome {
        if state.prompts[model.name] != nil { throw Self.taken(model.name, by: "a prompt") }
        let served = model.servedVersions.sorted { $0.key < $1.key }.map { name, url in
            Version.served(VersionID(model: model.name, version: name), at: url, lineage: Lineage(by: by))
        }
        // Versions first: a crash in between leaves versions that the next apply finds in order.
        try await register(all: served, by: by)
        let outcome: ApplyOutcome = state.models[model.name].map { $0 == model ? .unchanged : .changed } ?? .created
        guard outcome != .unchanged else { return outcome }
        let isNews = try await record("model.applied", JSONValue(encoding: model), of: ResourceID("model", model.name), by: by) {
            state in
            state.models[model.name] == model
        }
        return isNews ? outcome : .unchanged
    }

    public func model(_ name: String) -> Model? { state.models[name] }
    public func models() -> [Model] { state.models.values.sorted { $0.name < $1.name } }

    /// Applies a `prompt:` resource; registers each of its versions. Versions that it no longer names stay as they are.
    public func apply(_ prompt: Prompt, by: String) async throws(Fault) -> ApplyOutcome {
        if state.models[prompt.name] != nil { throw Self.taken(prompt.name, by: "a model") }
        let versions = prompt.versions.sorted { $0.key < $1.key }.map { name, template in
            Version.prompt(VersionID(model: prompt.name, version: name), template, lineage: Lineage(by: by))
        }
        try await register(all: versions, by: by)
        let known = state.prompts[prompt.name]
        var merged = prompt
        merged.versions.merge(known?.versions ?? [:]) { new, _ in new }
        let outcome: ApplyOutcome = known.map { $0 == merged ? .unchanged : .changed } ?? .created
        guard outcome != .unchanged else { return outcome }
        let isNews = try await record("prompt.applied", JSONValue(encoding: merged), of: ResourceID("prompt", prompt.name), by: by)
        { state in
            state.prompts[prompt.name] == merged
        }
        return isNews ? outcome : .unchanged
    }

    public func prompt(_ name: String) -> Prompt? { state.prompts[name] }
    public func prompts() -> [Prompt] { state.prompts.values.sorted { $0.name < $1.name } }

    /// Registers a version once. The same digest again is `.unchanged`; another digest under the same name is refused (`.conflict`).
    public func register(_ version: Version, by: String) async throws(Fault) -> ApplyOutcome {
        if let objection = Name.objection(to: version.id.model) ?? Name.objection(toVersion: version.id.version) {
            throw Fault(
                .usage, what: "'\(version.id)' cannot be registered.", why: "Its name: \(objection).", fix: "Choose another name.")
        }
        if let conflict = state.conflict(with: version) { throw conflict }
        if state.version(version.id) != nil { return .unchanged }
        let isNew = try await record(
            "version.registered", JSONValue(encoding: version), of: RegistryState.resource(version.id), by: by
        ) { (state) throws(Fault) in
            if let conflict = state.conflict(with: version) { throw conflict }
            return state.version(version.id) != nil
        }
        return isNew ? .created : .unchanged
    }

    public func version(_ id: VersionID) -> Version? { state.version(id) }
    /// In the order of their registration.
    public func versions(of model: String) -> [Version] { state.versions[model] ?? [] }

    /// Aliases (`stable`, `previous`) are recorded moves. The version need not be registered: a route may serve it by its URL alone.
    public func move(alias: String, of model: String, to version: String, by: String) async throws(Fault) {
        if let objection = Name.objection(to: alias) ?? Name.objection(to: model) ?? Name.objection(toVersion: version) {
            throw Fault(
                .usage, what: "The alias '\(alias)' of '\(model)' cannot be moved to '\(version)'.", why: "A name: \(objection).",
                fix: "Choose another name.")
        }
        let resource = RegistryState.resource(alias: alias, of: model)
        guard state.aliases[resource] != version else { return }
        let from = state.aliases[resource].map(JSONValue.string) ?? .null
        try await record("alias.moved", ["from": from, "version": .string(version)], of: resource, by: by) { state in
            state.aliases[resource] == version
        }
    }

    public func alias(_ alias: String, of model: String) -> String? {
        state.aliases[RegistryState.resource(alias: alias, of: model)]
    }

    // MARK: recording

    private func register(all versions: [Version], by: String) async throws(Fault) {
        for version in versions { if let conflict = state.conflict(with: version) { throw conflict } }
        for version in versions { _ = try await register(version, by: by) }
    }

    /// Appends after the resource's head. When another call got there first, `isDone` looks at what it recorded. False when it
    /// was done already.
    @discardableResult
    private func record(
        _ kind: String, _ body: JSONValue, of resource: ResourceID, by: String,
        unless isDone: (RegistryState) throws(Fault) -> Bool
    ) async throws(Fault) -> Bool {
        for _ in 0..<Self.racesMax {
            if try isDone(state) { return false }
            let position: Position
            do throws(AppendRefusal) {
                let draft = LedgerDraft(kind: kind, by: by, body: body)
                position = try await ledger.append(draft, to: resource, after: state.head(of: resource))
            } catch {
                switch error {
                case .cannotRecord(let fault): throw fault
                case .moved:
                    try await catchUp(resource)
                    continue
                }
            }
            try state.absorb(body, of: resource, at: position)
            return true
        }
        throw Fault(
            .conflict, what: "\(resource) could not be changed.", why: "Others changed it \(Self.racesMax) times meanwhile.",
            fix: "Look at it, and try again.")
    }

    private func catchUp(_ resource: ResourceID) async throws(Fault) {
        let news = try await ledger.reader.entries(kind: resource.kind, name: resource.name, after: state.head(of: resource))
        for entry in news { try state.absorb(entry.body, of: resource, at: entry.position) }
    }

    private static func taken(_ name: String, by holder: String) -> Fault {
        Fault(
            .conflict, what: "'\(name)' is \(holder) already.",
            why: "Models and prompts share their names: \(name)@v1 must mean one thing.",
            fix: "Choose another name.")
    }
}
