public import Faults
public import JSON
import YAML

extension Prompt {
    /// One new version, from what a program says instead of a file: the members of a version as a file has them, over those of
    /// the version it starts from. Read as strictly as a file.
    public static func draft(_ name: String, version: String, _ members: JSONValue, from base: Template?) throws(Fault) -> Prompt {
        var all: [String: JSONValue] = [:]
        if let base {
            all = JSONValue(encoding: base).objectValue ?? [:]
            var free = all.removeValue(forKey: "parameters")?.objectValue ?? [:]
            for name in PromptParameter.names {
                if let value = free.removeValue(forKey: name) { all[name] = value }
            }
            if !free.isEmpty { all["parameters"] = .object(free) }
        }
        // Null takes away what the base says.
        for (key, value) in members.objectValue ?? [:] {
            if value == .null { all.removeValue(forKey: key) } else { all[key] = value }
        }
        if base != nil, members["variables"] == nil, let inherited = all["variables"]?.objectValue {
            // What the new texts no longer use is not inherited.
            let texts = ["system", "user"].compactMap { all[$0]?.stringValue.flatMap { try? PromptText($0) } }
            let used = inherited.filter { entry in texts.contains { $0.variables.contains(entry.key) } }
            if used.isEmpty { all.removeValue(forKey: "variables") } else { all["variables"] = .object(used) }
        }
        all["name"] = .string(name)
        all["version"] = .string(version)
        // JSON is YAML: one reader, one set of faults.
        let documents = try YAMLNode.documents(in: JSONValue.object(all).prettyText, file: "\(name)@\(version)")
        guard let document = documents.first else {
            throw Fault(.usage, what: "The version says nothing.", why: "It has no members.", fix: "Give it a text.")
        }
        return try Prompt(document)
    }
}
