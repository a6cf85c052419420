import Faults
import YAML

/// What models, prompts and versions may be called: names stand in URLs, file names and `MODEL@VERSION`.
enum Name {
    static let lengthMax = 100

    /// Why a text is no name; nil when it is one.
    static func objection(to text: String) -> String? {
        guard (1...lengthMax).contains(text.utf8.count) else { return "it must have 1 to \(lengthMax) characters" }
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
            default: false
            }
        }
        guard isPlain else { return "it may hold letters and digits of ASCII, dots, dashes and underscores" }
        guard let first = text.utf8.first, first != UInt8(ascii: "-"), first != UInt8(ascii: ".") else {
            return "it must begin with a letter or a digit"
        }
        return nil
    }

    /// A pipeline's name is MODEL-VERSION, split at its last hyphen: a version with a hyphen could never be released.
    static func objection(toVersion text: String) -> String? {
        objection(to: text) ?? (text.contains("-") ? "a version has no hyphen: `fraud-model-v12` is split at its last one" : nil)
    }

    static func read(_ node: YAMLNode, of what: String) throws(Fault) -> String {
        let text = try node.string()
        if let objection = objection(to: text) { throw refusal(text, of: what, objection, at: node) }
        return text
    }

    /// The value of a `version:` key.
    static func read(version node: YAMLNode) throws(Fault) -> String {
        let text = try node.string()
        if let objection = objection(toVersion: text) { throw refusal(text, of: "a version", objection, at: node) }
        return text
    }

    /// The key of a `versions:` entry.
    static func read(versionOf entry: YAMLNode.Entry) throws(Fault) -> String {
        if let objection = objection(toVersion: entry.key) { throw refusal(entry.key, of: "a version", objection, at: entry.value) }
        return entry.key
    }

    private static func refusal(_ text: String, of what: String, _ objection: String, at node: YAMLNode) -> Fault {
        node.fault(
            "'\(text)' cannot be the name of \(what).", why: "\(objection).",
            fix: "Choose another name, such as fraud-model or v12.")
    }
}
