public import Faults
public import JSON
public import YAML

/// A named prompt and its immutable versions.
///
/// ```yaml
/// prompt:
///   name: support
///   versions:
///     v3:
///       system: "You help customers of a bank. Your tone is {{tone}}."
///       user: "{{input}}"
///       variables: { tone: { type: enum, values: [warm, brief], default: warm } }
///       model: gpt-4o-mini
///       temperature: 0.2
/// ```
public struct Prompt: Sendable, Equatable, Codable {
    /// What one version says and how the model is asked. The version's digest is over its canonical JSON; what a version does
    /// not say is not written there, so that a later kind of member changes no digest.
    public struct Template: Sendable, Equatable, Codable {
        /// The system message, with `{{name}}` where a variable goes.
        public var system: String?
        /// What becomes of the last message of the user; `{{input}}` is what they wrote.
        public var user: String?
        public var variables: [String: PromptVariable]?
        public var model: String?
        /// The `provider:` that is asked; a route or variant may name another.
        public var provider: String?
        /// `temperature`, `max_tokens`, `stop`, ... as the model's API takes them.
        public var parameters: [String: JSONValue]?
        public var tools: JSONValue?
        public var responseFormat: JSONValue?

        enum CodingKeys: String, CodingKey {
            case system, user, variables, model, provider, parameters, tools
            case responseFormat = "response_format"
        }

        public init(system: String? = nil, user: String? = nil) { (self.system, self.user) = (system, user) }
    }
    public var name: String
    public var versions: [String: Template]

    public static let bytesMax = 256 << 10

    /// Reads the value of a `prompt:` key: several versions under `versions:`, or one beside its `version:`.
    public init(_ node: YAMLNode) throws(Fault) {
        let map = try node.mapping("a prompt")
        name = try Name.read(try map.required("name"), of: "a prompt")
        versions = [:]
        if let version = map["version"] {
            if let several = map["versions"] {
                throw several.fault(
                    "The prompt \(name) has `version:` and `versions:`.", why: "one of them says what it consists of.",
                    fix: "Move the version under `versions:`.")
            }
            let own = map.entries.filter { $0.key != "name" && $0.key != "version" }
            versions[try Name.read(version: version)] = try Template(map, own)
            return
        }
        try map.refuseUnknown(known: ["name", "version", "versions"])
        for entry in try map.required("versions").mapping("versions").entries {
            let template = try entry.value.mapping("what a prompt says")
            versions[try Name.read(versionOf: entry)] = try Template(template, template.entries)
        }
        guard !versions.isEmpty else {
            throw node.fault("The prompt \(name) says nothing.", why: "it has no versions.", fix: "Declare one under `versions:`.")
        }
    }
}
