public import Faults
import JSON
public import Ledger
public import Outcomes
public import Routing
public import Telemetry

/// How a conductor reaches the world: a value, so that a simulation passes its own.
public struct EffectHandlers: Sendable {
    /// What became of an effect that was recorded before a crash and not answered.
    public enum Finding: Sendable, Equatable {
        case done(ReleaseMachine.Event)
        /// It never happened: perform it now.
        case absent
        /// It was cut in the middle; what it left is cleared away. The machine orders it again, under a new key.
        case cut
    }

    /// At most this many observations are read at once.
    public static let observationsMax = 4_096

    public var perform: @Sendable (EffectCall) async throws(Fault) -> ReleaseMachine.Event
    public var query: @Sendable (EffectCall) async -> Finding
    /// Observations after a cursor, and where the next read begins.
    public var observations:
        @Sendable (RouteID, OutcomeStore.Cursor) async throws(Fault) -> (observations: [Observation], next: OutcomeStore.Cursor)
    /// Returns when there may be news after the cursor, or at the deadline.
    public var waitForNews: @Sendable (OutcomeStore.Cursor, Duration) async -> Void
    /// Returns how a server of ours ended, or nil when it is no longer watched.
    public var serverEnd: @Sendable (Deployment.Process) async -> String?
    public var now: @Sendable () -> Timestamp
    /// Returns at the moment, or early when its task is cancelled.
    public var sleep: @Sendable (Timestamp) async -> Void
    /// Hears every event after it was recorded.
    public var heard: @Sendable (_ release: String, ReleaseMachine.Event) async -> Void
    public var boundaries: Boundaries
}

/// One effect to perform, with what the machine knew when it was decided.
public struct EffectCall: Sendable {
    public let intent: ReleaseMachine.Intent
    public let machine: ReleaseMachine
    /// Where the decision stands in the ledger: an older one never overrules a newer one.
    public let fence: Position

    public var release: String { machine.plan.name }
    /// SHA-256 over resource, step and attempt: names this try of this effect for ever.
    public var key: String { Self.key(release: release, attempt: machine.attempt, intent) }

    public static func key(release: String, attempt: Int, _ intent: ReleaseMachine.Intent) -> String {
        let step = "\(attempt).\(intent.id) \(intent.effect.kind.rawValue)"
        let named: JSONValue = [.string("release/\(release)"), .string(step), .integer(Int64(intent.tries))]
        return SHA256.digest(of: named.canonicalText).hex
    }
}

/// Where a test may kill the conductor: before each effect, and between an effect and the record of its result.
/// The ledger has its own (`LedgerBoundary`).
public enum ReleaseBoundary {
    public static func before(_ effect: ReleaseMachine.Effect.Kind) -> String { "release.\(effect.rawValue).before" }
    public static func after(_ effect: ReleaseMachine.Effect.Kind) -> String { "release.\(effect.rawValue).after" }

    /// Every name that a conductor ever reaches, made from the list of effects itself.
    public static var allNames: [String] { ReleaseMachine.Effect.Kind.allCases.flatMap { [before($0), after($0)] } }
}
