public import Faults
public import Ledger

/// Routes, their splits and their one owner, each change recorded before it is published. Restart is replay.
public actor RouteService {
    public enum Outcome: String, Sendable, Codable { case created, changed, unchanged }

    /// Delivers a table to every gateway loop and returns when all of them serve it.
    public typealias Publish = @Sendable (RoutingTable) async throws(Fault) -> Void
    /// The url that serves a registered version (`fraud-model@v12`), or nil when none does.
    public typealias Resolve = @Sendable (_ version: String) async -> String?

    public init(ledger: LedgerWriter, resolve: @escaping Resolve, publish: @escaping Publish) { preconditionFailure("contract") }

    /// Replays the ledger and publishes the table.
    public func restore() async throws(Fault) { preconditionFailure("contract") }

    /// Applies a `route:` resource. The content as last applied changes nothing; shares that a release or `set` moved since
    /// are not undone by applying the same content again. A new content under a claim is refused (`.conflict`, names the owner).
    public func apply(_ spec: RouteSpec, by: String) async throws(Fault) -> Outcome { preconditionFailure("contract") }

    /// `route set NAME v11=80% v12=20%`. Refused while somebody else owns the route. Returns when every loop serves it.
    public func set(_ route: String, shares: [String: Int], by: String) async throws(Fault) -> RoutingTable {
        preconditionFailure("contract")
    }

    // A release's way: claim, then move variants and shares under the claim, then give it back.

    /// One owner per route ("release/fraud-model-v12"). Idempotent for the same owner; refused (`.conflict`) for another.
    public func claim(_ route: String, for owner: String) async throws(Fault) { preconditionFailure("contract") }
    public func giveBack(_ route: String, by owner: String) async throws(Fault) { preconditionFailure("contract") }
    public func owner(of route: String) -> String? { preconditionFailure("contract") }

    /// Adds or updates a variant with share 0 (its share is untouched when it exists). Idempotent.
    public func put(_ variant: RouteSpec.VariantSpec, on route: String, owner: String, fence: Position) async throws(Fault)
        -> Variant
    {
        preconditionFailure("contract")
    }
    /// Moves shares under a claim. `fence` is the owner's ledger position: a move older than the last one seen is ignored.
    public func move(_ route: String, shares: [String: Int], owner: String, fence: Position) async throws(Fault) -> RoutingTable {
        preconditionFailure("contract")
    }
    /// Removes a variant whose share is 0.
    public func remove(variant: String, from route: String, owner: String, fence: Position) async throws(Fault) {
        preconditionFailure("contract")
    }

    public func route(_ name: String) -> Route? { preconditionFailure("contract") }
    public func routes() -> [Route] { preconditionFailure("contract") }
    public func table() -> RoutingTable { preconditionFailure("contract") }
}
