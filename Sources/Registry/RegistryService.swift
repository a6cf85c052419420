public import Faults
public import Ledger

public enum ApplyOutcome: String, Sendable, Codable { case created, changed, unchanged }

/// Models, prompts, versions and aliases, each recorded in the ledger; restart is replay.
public actor RegistryService {
    public init(ledger: LedgerWriter, artifacts: ArtifactStore) { preconditionFailure("contract") }
    public func restore() async throws(Fault) { preconditionFailure("contract") }

    /// Applies a `model:` resource; registers its `versions:` as served ones.
    public func apply(_ model: Model, by: String) async throws(Fault) -> ApplyOutcome { preconditionFailure("contract") }
    public func model(_ name: String) -> Model? { preconditionFailure("contract") }
    public func models() -> [Model] { preconditionFailure("contract") }

    /// Registers a version once. The same digest again is `.unchanged`; another digest under the same name is refused (`.conflict`).
    public func register(_ version: Version, by: String) async throws(Fault) -> ApplyOutcome { preconditionFailure("contract") }
    public func version(_ id: VersionID) -> Version? { preconditionFailure("contract") }
    public func versions(of model: String) -> [Version] { preconditionFailure("contract") }

    /// Aliases (`stable`, `previous`) are recorded moves.
    public func move(alias: String, of model: String, to version: String, by: String) async throws(Fault) {
        preconditionFailure("contract")
    }
    public func alias(_ alias: String, of model: String) -> String? { preconditionFailure("contract") }
}

/// Content-addressed files under `home/artifacts`: `sha256/ab/abcdef...`; a version's files are a manifest of blobs. Verified on read.
public struct ArtifactStore: Sendable {
    public let directory: String
    public init(directory: String) { self.directory = directory }
    /// Stores a file or folder; returns the digest of its manifest.
    public func store(_ path: String) throws(Fault) -> String { preconditionFailure("contract") }
    /// Lays the files of a digest out under `path`, verifying each; a mismatch is a fault and nothing is used.
    public func materialise(_ digest: String, at path: String) throws(Fault) { preconditionFailure("contract") }
}
