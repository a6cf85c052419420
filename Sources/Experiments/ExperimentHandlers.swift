public import Conducting
public import Faults
public import JSON
public import Ledger
public import Outcomes
public import Routing
public import Telemetry

public typealias ExperimentCall = EffectCall<ExperimentMachine>

/// How an experiment reaches the world: a value, so that a simulation passes its own.
public struct ExperimentHandlers: Sendable {
    /// At most this many observations are read at once.
    public static let observationsMax = 4_096

    /// Idempotent: an effect that an earlier life recorded and did not answer is performed again.
    public var perform: @Sendable (ExperimentCall) async throws(Fault) -> ExperimentMachine.Event
    /// Observations after a cursor, and where the next read begins.
    public var observations:
        @Sendable (RouteID, OutcomeStore.Cursor) async throws(Fault) -> (observations: [Observation], next: OutcomeStore.Cursor)
    /// Returns when there may be news after the cursor, or at the deadline.
    public var waitForNews: @Sendable (OutcomeStore.Cursor, Duration) async -> Void
    /// Writes an experiment's evidence down; durable, and named by its digest, when it returns.
    public var keep: @Sendable (_ experiment: String, [UInt8]) async throws(Fault) -> String
    /// Evidence that was written down, when it is there and unaltered.
    public var kept: @Sendable (_ experiment: String, _ digest: String) async -> [UInt8]?
    /// What units were worth in a metric before an experiment began, on a route up to a cursor.
    public var pasts: @Sendable (RouteID, String, OutcomeStore.Cursor) async throws(Fault) -> PastValues
    /// Gives the gateway what units earned, for choices that look back; rows take the place of those that were there.
    public var remember: @Sendable (ExperimentSpec, [UnitHistory.Row], _ means: [Float]) async -> Void
    public var now: @Sendable () -> Timestamp
    /// Returns at the moment, or early when its task is cancelled.
    public var sleep: @Sendable (Timestamp) async -> Void
    public var boundaries: Boundaries

    public init(
        perform: @escaping @Sendable (ExperimentCall) async throws(Fault) -> ExperimentMachine.Event,
        observations:
            @escaping @Sendable (RouteID, OutcomeStore.Cursor) async throws(Fault) -> (
                observations: [Observation], next: OutcomeStore.Cursor
            ), waitForNews: @escaping @Sendable (OutcomeStore.Cursor, Duration) async -> Void,
        keep: @escaping @Sendable (String, [UInt8]) async throws(Fault) -> String,
        kept: @escaping @Sendable (String, String) async -> [UInt8]?, now: @escaping @Sendable () -> Timestamp,
        sleep: @escaping @Sendable (Timestamp) async -> Void, boundaries: Boundaries,
        pasts:
            @escaping @Sendable (RouteID, String, OutcomeStore.Cursor) async throws(Fault) -> PastValues = { _, _, _ in
                PastValues([:])
            }, remember: @escaping @Sendable (ExperimentSpec, [UnitHistory.Row], [Float]) async -> Void = { _, _, _ in }
    ) {
        (self.perform, self.observations, self.waitForNews) = (perform, observations, waitForNews)
        (self.keep, self.kept, self.now, self.sleep, self.boundaries) = (keep, kept, now, sleep, boundaries)
        (self.pasts, self.remember) = (pasts, remember)
    }
}

extension EffectCall<ExperimentMachine> {
    public var experiment: String { machine.plan.spec.name }
}

/// What an experiment asks of whoever conducts releases.
public struct ReleaseRequest: Sendable {
    /// `fraud-model@v12`
    public let version: String
    public let experiment: String
    /// Where the request stands in the ledger.
    public let position: Position
    /// Parts of a `release_pipeline:` that the experiment's file says.
    public let pipeline: JSONValue?
}

/// Where a test may kill an experiment: around each effect, and around the writing down of evidence.
public enum ExperimentBoundary {
    public static let beforeKeep = "experiment.keep.before"
    public static let afterKeep = "experiment.keep.after"

    /// Every name that an experiment ever reaches.
    public static var allNames: [String] { EffectBoundary<ExperimentMachine>.allNames + [beforeKeep, afterKeep] }
}
