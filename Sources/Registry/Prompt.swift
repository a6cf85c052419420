public import Faults
public import YAML

/// A named prompt and its immutable versions.
///
/// ```yaml
/// prompt:
///   name: support
///   versions:
///     v3: { system: "You help customers of a bank.", user: "{question}" }
/// ```
public struct Prompt: Sendable, Equatable, Codable {
    /// What one version says. The version's digest is over its canonical JSON.
    public struct Template: Sendable, Equatable, Codable {
        public var system: String?
        public var user: String?
    }
    public var name: String
    public var versions: [String: Template]

    static let bytesMax = 256 << 10

    /// Reads the value of a `prompt:` key.
    public init(_ node: YAMLNode) throws(Fault) {
        let map = try node.mapping("a prompt")
        try map.refuseUnknown(known: ["name", "versions"])
        name = try Name.read(try map.required("name"), of: "a prompt")
        versions = [:]
        for entry in try map.required("versions").mapping("versions").entries {
            versions[try Name.read(versionOf: entry)] = try Template(entry.value)
        }
        guard !versions.isEmpty else {
            throw node.fault("The prompt \(name) says nothing.", why: "it has no versions.", fix: "Declare one under `versions:`.")
        }
    }
}

extension Prompt.Template {
    fileprivate init(_ node: YAMLNode) throws(Fault) {
        let map = try node.mapping("what a prompt says")
        try map.refuseUnknown(known: ["system", "user"])
        system = nil
        if let node = map["system"] { system = try Self.text(node) }
        user = nil
        if let node = map["user"] { user = try Self.text(node) }
        guard system != nil || user != nil else {
            throw node.fault("This version says nothing.", why: "it has neither `system:` nor `user:`.", fix: "Write one of them.")
        }
    }

    private static func text(_ node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        guard text.utf8.count <= Prompt.bytesMax else {
            throw node.fault(
                "A prompt is too long.", why: "it has \(text.utf8.count) bytes, and may have \(Prompt.bytesMax).",
                fix: "Shorten it.")
        }
        return text
    }
}
