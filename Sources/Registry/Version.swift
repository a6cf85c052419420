import JSON
import Ledger

/// One immutable, digested state of a model or prompt.
public struct Version: Sendable, Equatable, Codable {
    public enum Source: Sendable, Equatable, Codable {
        /// Already served at this URL; the digest is over the URL.
        case served(url: String)
        /// Built here: the digest is over the artifact's manifest (paths, modes, content digests).
        case artifact
        /// A prompt's canonical JSON.
        case prompt
    }
    public var id: VersionID
    public var digest: String  // sha256:<64 hex>
    public var source: Source
    public var lineage: Lineage

    public init(id: VersionID, digest: String, source: Source, lineage: Lineage) {
        (self.id, self.digest, self.source, self.lineage) = (id, digest, source, lineage)
    }

    /// A version that answers at `url` already.
    public static func served(_ id: VersionID, at url: String, lineage: Lineage) -> Version {
        Version(id: id, digest: digest(of: url), source: .served(url: url), lineage: lineage)
    }

    static func prompt(_ id: VersionID, _ template: Prompt.Template, lineage: Lineage) -> Version {
        Version(id: id, digest: digest(of: JSONValue(encoding: template).canonicalText), source: .prompt, lineage: lineage)
    }

    private static func digest(of text: String) -> String { "sha256:" + SHA256.digest(of: text).hex }
}

/// Who made a version, and from what.
public struct Lineage: Sendable, Equatable, Codable {
    public var by: String
    public var command: String?
    /// Digests of what it was made from: name -> sha256:...
    public var inputs: [String: String]
    public var release: String?

    public init(by: String, command: String? = nil, inputs: [String: String] = [:], release: String? = nil) {
        (self.by, self.command, self.inputs, self.release) = (by, command, inputs, release)
    }
}
