import Glibc
import Outcomes
import Routing
import Statistics
import Telemetry
import TestFolders

typealias Folder = TemporaryFolder

extension TemporaryFolder {
    /// The folder as a crash of the process would leave it now: a copy without the lock.
    func crashed() -> TemporaryFolder {
        let copy = TemporaryFolder()
        for name in names where !name.hasSuffix(".lock") && !name.hasSuffix("-shm") { copy.write(bytes(of: name), to: name) }
        return copy
    }
}

let noon = Timestamp(milliseconds: 1_800_000_000_000)

func exposure(
    _ sequence: UInt64, loop: UInt8 = 0, instance: UInt32 = 1, route: UInt16 = 1, variant: UInt8 = 0, unit: UInt64? = nil,
    at: Timestamp = noon, kind: AnswerKind = .success
) -> Exposure {
    Exposure(
        request: RequestID(instance: instance, loop: loop, sequence: sequence, nonce: sequence &* 0x9e37_79b9 ^ 0x5555),
        route: RouteID(route), variant: VariantID(variant), kind: kind, status: 200, propensity: 9_000, unit: unit ?? sequence,
        tablePosition: 7, at: at, latencyMicroseconds: 1_234, bytesIn: 10, bytesOut: 20)
}

func about(_ exposure: Exposure, _ metric: String = "correct", _ value: Double = 1, key: String? = nil) -> OutcomeStore.Feedback {
    .init(target: .request(exposure.request), metric: metric, value: value, idempotencyKey: key)
}

/// Small segments, so that a test passes over many of them; nothing waits for time.
func settings(_ change: (inout OutcomeStore.Settings) -> Void = { _ in }) -> OutcomeStore.Settings {
    var settings = OutcomeStore.Settings()
    settings.segmentSlots = 64
    settings.patience = .zero
    settings.retention = .seconds(100 * 365 * 24 * 3_600)
    change(&settings)
    return settings
}

/// All that a watcher sees from `cursor` to now, `limit` at a time.
func watch(_ store: OutcomeStore, _ route: UInt16 = 1, from cursor: OutcomeStore.Cursor, limit: Int) async throws -> (
    exposures: [Exposure], scores: [Score], end: OutcomeStore.Cursor
) {
    var (cursor, exposures, scores) = (cursor, [Exposure](), [Score]())
    while true {
        let (found, next) = try await store.observations(of: RouteID(route), after: cursor, limit: limit)
        precondition(found.count <= limit)
        for observation in found {
            switch observation {
            case .answered(let exposure): exposures.append(exposure)
            case .scored(let score): scores.append(score)
            case .used, .context: break
            }
        }
        if next == cursor { return (exposures, scores, cursor) }
        cursor = next
    }
}

let start = OutcomeStore.Cursor(exposureSequence: 0, feedbackSequence: 0)
