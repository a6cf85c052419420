import Faults
import JSON
import Ledger

/// What the ledger's entries about models, versions, prompts and aliases amount to. Pure: entries in, state out.
struct RegistryState: Sendable {
    private(set) var models: [String: Model] = [:]
    private(set) var prompts: [String: Prompt] = [:]
    /// In the order of their registration.
    private(set) var versions: [String: [Version]] = [:]
    private(set) var aliases: [ResourceID: String] = [:]
    private var heads: [ResourceID: Position] = [:]

    /// The kinds of resource that are recorded here.
    enum Kind: String, CaseIterable { case model, version, prompt, alias }

    static func resource(_ id: VersionID) -> ResourceID { ResourceID(Kind.version.rawValue, id.description) }
    /// A colon is part of no name, so that the pair reads back.
    static func resource(alias: String, of model: String) -> ResourceID { ResourceID(Kind.alias.rawValue, "\(model):\(alias)") }

    func head(of resource: ResourceID) -> Position { heads[resource] ?? .none }

    func version(_ id: VersionID) -> Version? { versions[id.model]?.first { $0.id == id } }

    /// Takes in what was recorded; what is known already changes nothing.
    mutating func absorb(_ body: JSONValue, of resource: ResourceID, at position: Position) throws(Fault) {
        guard position > head(of: resource), let kind = Kind(rawValue: resource.kind) else { return }
        switch kind {
        case .model: models[resource.name] = try body.decoded()
        case .prompt: prompts[resource.name] = try body.decoded()
        case .version:
            let version: Version = try body.decoded()
            versions[version.id.model, default: []].append(version)
        case .alias: aliases[resource] = body["version"]?.stringValue
        }
        heads[resource] = position
    }

    /// What stands in the way of registering a version: another content under its name.
    func conflict(with version: Version) -> Fault? {
        guard let known = self.version(version.id), known.digest != version.digest else { return nil }
        return Fault(
            .conflict, what: "\(version.id) is registered already, with other content.",
            why:
                "A version never changes. Registered: \(known.digest)\(Self.place(known)). Offered: \(version.digest)\(Self.place(version)).",
            fix: "Register the new content under a new version.")
    }

    private static func place(_ version: Version) -> String {
        if case .served(let url) = version.source { " (\(url))" } else { "" }
    }
}
