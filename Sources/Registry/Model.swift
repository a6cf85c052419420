public import Faults
public import YAML

/// A named deployable and how to build, serve, smoke-test and score it. Every part but the name is optional.
public struct Model: Sendable, Equatable, Codable {
    public struct Build: Sendable, Equatable, Codable {
        /// Shell line; `{version}`, `{artifact}`, `{model}` are filled in.
        public var run: String
        public var timeoutMilliseconds: Int64
    }
    public struct Serve: Sendable, Equatable, Codable {
        public var run: String  // {artifact} {port} {version} {model}
        public var ready: String  // path that answers 200 when the version is ready
        public var path: String  // path that answers inference requests
        public var readyTimeoutMilliseconds: Int64
    }
    public struct Smoke: Sendable, Equatable, Codable {
        public var requests: String?  // JSON lines
        public var maxLatencyMilliseconds: Double?
        public var regression: String?  // JSON lines with expected answers
        public var maxRegressions: Double  // fraction
    }
    public var name: String
    public var route: String?
    /// Where relative paths and commands start: the folder of the file that declared it.
    public var directory: String
    public var build: Build?
    public var serve: Serve?
    public var smoke: Smoke?
    public var qualityMetric: String?
    /// Versions that are already served somewhere: name -> url.
    public var servedVersions: [String: String]

    /// Reads the value of a `model:` key.
    public init(_ node: YAMLNode, directory: String) throws(Fault) { preconditionFailure("contract") }
}

/// `fraud-model@v12`
public struct VersionID: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    public var model: String
    public var version: String
    public init(model: String, version: String) { (self.model, self.version) = (model, version) }
    /// `fraud-model@v12`
    public init?(_ text: String) { preconditionFailure("contract") }
    public var description: String { "\(model)@\(version)" }
    public static func < (a: VersionID, b: VersionID) -> Bool { (a.model, a.version) < (b.model, b.version) }
}

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
}

/// Who made a version, and from what.
public struct Lineage: Sendable, Equatable, Codable {
    public var by: String
    public var command: String?
    /// Digests of what it was made from: name -> sha256:...
    public var inputs: [String: String]
    public var release: String?
}
