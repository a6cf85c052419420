public import Conducting
public import Faults
public import Ledger
public import Outcomes
public import Routing
public import Telemetry

public typealias ReleaseCall = EffectCall<ReleaseMachine>
public typealias ReleaseBoundary = EffectBoundary<ReleaseMachine>

/// How a release reaches the world: a value, so that a simulation passes its own.
public struct ReleaseHandlers: Sendable {
    /// At most this many observations are read at once.
    public static let observationsMax = 4_096

    public var perform: @Sendable (ReleaseCall) async throws(Fault) -> ReleaseMachine.Event
    public var query: @Sendable (ReleaseCall) async -> Handlers<ReleaseMachine>.Finding
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

extension EffectCall<ReleaseMachine> {
    public var release: String { machine.plan.name }
}
