public import Faults
import JSON
public import Ledger
public import Telemetry

/// How a conductor reaches the world: a value, so that a simulation passes its own.
public struct Handlers<M: Machine>: Sendable {
    /// What became of an effect that was recorded before a crash and not answered.
    public enum Finding: Sendable, Equatable {
        /// It was performed, or cut in the middle and cleared away: this answers it.
        case done(M.Event)
        /// It never happened, or may happen twice: perform it now.
        case absent
    }

    public var perform: @Sendable (EffectCall<M>) async throws(Fault) -> M.Event
    public var query: @Sendable (EffectCall<M>) async -> Finding
    /// Watches for as long as its task is not cancelled, and posts what it sees.
    public var watch: @Sendable (M.Watched, Conductor<M>) async -> Void
    /// What is to be seen to before time is told to have passed: what is decided then is decided by what is known then.
    public var beforeTimePasses: (@Sendable (Conductor<M>) async -> Void)?
    /// Hears every event after it was recorded.
    public var heard: @Sendable (_ name: String, M.Event) async -> Void
    public var now: @Sendable () -> Timestamp
    /// Returns at the moment, or early when its task is cancelled.
    public var sleep: @Sendable (Timestamp) async -> Void
    public var boundaries: Boundaries

    public init(
        perform: @escaping @Sendable (EffectCall<M>) async throws(Fault) -> M.Event,
        query: @escaping @Sendable (EffectCall<M>) async -> Finding = { _ in .absent },
        watch: @escaping @Sendable (M.Watched, Conductor<M>) async -> Void,
        beforeTimePasses: (@Sendable (Conductor<M>) async -> Void)? = nil,
        heard: @escaping @Sendable (String, M.Event) async -> Void = { _, _ in },
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() },
        sleep: @escaping @Sendable (Timestamp) async -> Void = { at in
            try? await Task.sleep(for: max(.zero, at - Timestamp.now()))
        }, boundaries: Boundaries
    ) {
        (self.perform, self.query, self.watch, self.beforeTimePasses) = (perform, query, watch, beforeTimePasses)
        (self.heard, self.now, self.sleep, self.boundaries) = (heard, now, sleep, boundaries)
    }
}

/// One effect to perform, with what the machine knew when it was decided.
public struct EffectCall<M: Machine>: Sendable {
    public let intent: M.Intent
    public let machine: M
    /// Where the decision stands in the ledger: an older one never overrules a newer one.
    public let fence: Position

    /// On whose behalf: `release/fraud-model-v12`.
    public var owner: String { "\(M.kind)/\(machine.name)" }
    /// SHA-256 over resource, step and attempt: names this try of this effect for ever.
    public var key: String { Self.key(name: machine.name, attempt: machine.attempt, intent) }

    static func key(name: String, attempt: Int, _ intent: M.Intent) -> String {
        let step = "\(attempt).\(intent.id) \(intent.effect.kind.rawValue)"
        let named: JSONValue = [.string("\(M.kind)/\(name)"), .string(step), .integer(Int64(intent.tries))]
        return SHA256.digest(of: named.canonicalText).hex
    }
}

/// Where a test may kill a conductor: before each effect, and between an effect and the record of its result. The ledger has
/// its own (`LedgerBoundary`).
public enum EffectBoundary<M: Machine> {
    public static func before(_ effect: M.Effect.Kind) -> String { "\(M.kind).\(effect.rawValue).before" }
    public static func after(_ effect: M.Effect.Kind) -> String { "\(M.kind).\(effect.rawValue).after" }

    /// Every name that a conductor ever reaches, made from the list of effects itself.
    public static var allNames: [String] { M.Effect.Kind.allCases.flatMap { [before($0), after($0)] } }
}
