public import Faults
public import JSON
public import Ledger
public import Outcomes
public import Registry
public import Routing
public import YAML

/// Decides by ReleaseMachine, records in the ledger, then acts. One per installation; each release has its own mailbox.
public actor ReleaseService {
    public struct Settings: Sendable {
        /// Work folders, captured output, server logs.
        public var directory: String
        public init(directory: String) { self.directory = directory }
    }
    public enum WhenBusy: String, Sendable, Codable { case queue, replace, refuse }

    public init(settings: Settings, ledger: LedgerWriter, registry: RegistryService, routes: RouteService, outcomes: OutcomeStore) {
        preconditionFailure("contract")
    }

    /// Replays the ledger, adopts running servers, queries orphan intents, goes on.
    public func restore() async throws(Fault) { preconditionFailure("contract") }

    /// Reads one `release_pipeline:` and checks it against registry, routes and running releases. Changes nothing.
    /// `{"name","model","version","route","previous","stages":[{"name","does"}],"gates":[{"name","limit","unit",...}],...}`
    public func plan(_ node: YAMLNode) async throws(Fault) -> JSONValue { preconditionFailure("contract") }

    /// Plans, records and starts (or queues) it. Returns at once with its status.
    public func apply(_ node: YAMLNode, whenBusy: WhenBusy, by: String) async throws(Fault) -> JSONValue {
        preconditionFailure("contract")
    }

    /// `{"name","model","version","route","state","stage","share","baking","verdicts":[...],"stages":[...],...}`
    public func status(_ name: String) async throws(Fault) -> JSONValue { preconditionFailure("contract") }
    public func list() async -> [JSONValue] { preconditionFailure("contract") }
    public func perform(_ command: ReleaseCommand, on name: String, by: String, reason: String?) async throws(Fault) -> JSONValue {
        preconditionFailure("contract")
    }
    /// For each decision: what was seen, what would have changed it, the ledger entry that proves it.
    public func explain(_ name: String) async throws(Fault) -> JSONValue { preconditionFailure("contract") }
    public func history(_ name: String?) async throws(Fault) -> [JSONValue] { preconditionFailure("contract") }
    /// The url that serves a version now (its server of ours, or where it is served), for routes with `version:`.
    public func url(serving version: VersionID) async -> String? { preconditionFailure("contract") }

    /// Stops looking; `stopServers` also stops the model servers it started (else the next life adopts them).
    public func drain(stopServers: Bool) async { preconditionFailure("contract") }
}
