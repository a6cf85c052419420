import HTTP
import Outcomes
import Routing
import Telemetry

/// One request that was given to a variant, until its answer has gone. A client's connection has one object for all its
/// exchanges, one after the other: a value would be copied, with all it refers to, wherever it is looked at.
final class Exchange {
    /// What was known when it began.
    struct Beginning {
        let name: RequestName
        let variant: CompiledVariant
        let unit: UnitID
        let share: UInt16
        let tablePosition: Int64
        let method: Method
        /// Monotonic nanoseconds at which its first byte was read.
        let startedAt: Int64
    }
    private var beginning: Beginning
    var bytesIn: Int
    var bytesOut = 0
    var status = 0
    /// The answer's head has gone to the client; from then on no other answer can be given.
    var answerBegan = false
    /// It was sent on a pooled connection that broke, and sent once more.
    var wasRetried = false
    /// Set where a scorer chose its variant.
    var choice: ScoredChoice?
    /// Set where its variant is a prompt or a provider.
    var model: ModelExchange?

    init(_ beginning: Beginning, bytesIn: Int, choice: ScoredChoice?) {
        (self.beginning, self.bytesIn, self.choice) = (beginning, bytesIn, choice)
    }

    /// The next exchange in the same object, with nothing left of the one before.
    func beginAnew(_ beginning: Beginning, bytesIn: Int, choice: ScoredChoice?) {
        (self.beginning, self.bytesIn, self.choice) = (beginning, bytesIn, choice)
        (bytesOut, status, answerBegan, wasRetried) = (0, 0, false, false)
        model = nil
    }

    var name: RequestName { beginning.name }
    var variant: CompiledVariant { beginning.variant }
    var method: Method { beginning.method }
    var startedAt: Int64 { beginning.startedAt }
    var timeouts: RouteTimeouts { model?.asked.timeouts ?? variant.timeouts }

    func exposure(_ kind: AnswerKind, now: Int64) -> Exposure {
        Exposure(
            request: name.id, route: variant.route, variant: variant.id, kind: kind, status: UInt16(clamping: status),
            propensity: beginning.share, unit: beginning.unit.hash, tablePosition: beginning.tablePosition, at: .now(),
            latencyMicroseconds: UInt32(clamping: (now - startedAt) / 1_000), bytesIn: UInt32(clamping: bytesIn),
            bytesOut: UInt32(clamping: bytesOut))
    }
}
