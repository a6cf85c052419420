public import Faults
public import JSON
public import Ledger
public import Outcomes
public import Routing
public import Telemetry

/// How a conductor reaches the world: a value, so that a simulation passes its own.
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
        sleep: @escaping @Sendable (Timestamp) async -> Void, boundaries: Boundaries
    ) {
        (self.perform, self.observations, self.waitForNews) = (perform, observations, waitForNews)
        (self.keep, self.kept, self.now, self.sleep, self.boundaries) = (keep, kept, now, sleep, boundaries)
    }
}

/// One effect to perform, with what the machine knew when it was decided.
public struct ExperimentCall: Sendable {
    public let intent: ExperimentMachine.Intent
    public let machine: ExperimentMachine
    /// Where the decision stands in the ledger: an older one never overrules a newer one.
    public let fence: Position

    public var experiment: String { machine.plan.spec.name }
    /// Who moves the route.
    public var owner: String { "experiment/\(experiment)" }
    /// SHA-256 over resource, step and attempt: names this try of this effect for ever.
    public var key: String { Self.key(experiment: experiment, attempt: machine.attempt, intent) }

    public static func key(experiment: String, attempt: Int, _ intent: ExperimentMachine.Intent) -> String {
        let step = "\(attempt).\(intent.id) \(intent.effect.kind.rawValue)"
        let named: JSONValue = [.string("experiment/\(experiment)"), .string(step), .integer(Int64(intent.tries))]
        return SHA256.digest(of: named.canonicalText).hex
    }
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

/// Where a test may kill the conductor: before each effect, and between an effect and the record of its result, and around the
/// writing down of evidence. The ledger has its own (`LedgerBoundary`).
public enum ExperimentBoundary {
    public static let beforeKeep = "experiment.keep.before"
    public static let afterKeep = "experiment.keep.after"
    public static func before(_ effect: ExperimentMachine.Effect.Kind) -> String { "experiment.\(effect.rawValue).before" }
    public static func after(_ effect: ExperimentMachine.Effect.Kind) -> String { "experiment.\(effect.rawValue).after" }

    /// Every name that a conductor ever reaches, made from the list of effects itself.
    public static var allNames: [String] {
        ExperimentMachine.Effect.Kind.allCases.flatMap { [before($0), after($0)] } + [beforeKeep, afterKeep]
    }
}
