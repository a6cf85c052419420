public import Faults
public import JSON
public import Routing
public import Telemetry

/// Exposures (append-only segment files), feedback (SQLite) and their join.
public actor OutcomeStore {
    public struct Settings: Sendable {
        /// Feedback later than this after its exposure is refused.
        public var window: Duration = .seconds(24 * 3_600)
        /// Oldest segments are removed beyond this.
        public var segmentBytesMax: Int = 4 << 30
        public init() {}
    }

    public static func open(directory: String, settings: Settings) async throws(Fault) -> OutcomeStore {
        preconditionFailure("contract")
    }

    /// Exposures of one batch, as the gateway's rings deliver them. Written, folded into tallies, passed to watchers.
    public func record(_ exposures: [Exposure]) async throws(Fault) { preconditionFailure("contract") }

    /// One feedback event as the client sent it. `route` is by name, resolved by the caller.
    public struct Feedback: Sendable, Equatable {
        public enum Target: Sendable, Equatable {
            case request(RequestID)
            case unit(RouteID, UInt64)
        }
        public var target: Target
        public var metric: String
        public var value: Double
        /// The same key counts once.
        public var idempotencyKey: String?
        public init(target: Target, metric: String, value: Double, idempotencyKey: String?) {
            (self.target, self.metric, self.value, self.idempotencyKey) = (target, metric, value, idempotencyKey)
        }
    }
    public enum FeedbackResult: String, Sendable {
        case joined, duplicate
        case unknownExposure = "unknown_exposure"
        case tooLate = "too_late"
    }

    /// Durable when it returns. One result per event, in order.
    public func feed(_ events: [Feedback], at: Timestamp) async throws(Fault) -> [FeedbackResult] {
        preconditionFailure("contract")
    }

    /// Where a watcher has read to: opaque, Codable, recorded in the ledger so that a restart re-reads from the same place.
    public struct Cursor: Hashable, Sendable, Codable {
        public var exposureSequence: Int64
        public var feedbackSequence: Int64
        public init(exposureSequence: Int64, feedbackSequence: Int64) {
            (self.exposureSequence, self.feedbackSequence) = (exposureSequence, feedbackSequence)
        }
    }
    /// Now: everything that arrives later has a later cursor.
    public func cursor() -> Cursor { preconditionFailure("contract") }

    /// Observations of one route after `cursor`, at most `limit`, and where the next read begins. Reads memory when it can,
    /// segment files when it must.
    public func observations(of route: RouteID, after cursor: Cursor, limit: Int) async throws(Fault) -> (
        observations: [Observation], next: Cursor
    ) {
        preconditionFailure("contract")
    }

    /// Returns when something newer than `cursor` is there, or at the deadline.
    public func waitForNews(after cursor: Cursor, deadline: Duration) async { preconditionFailure("contract") }

    /// For `/metrics` and the API.
    public func counters() -> JSONValue { preconditionFailure("contract") }

    public func close() async { preconditionFailure("contract") }
}
