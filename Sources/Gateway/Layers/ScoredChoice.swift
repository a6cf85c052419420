import Outcomes
import Routing
import Synchronization
import Telemetry

/// What a contextual choice looked at, until the chance it had is counted.
final class ScoredChoice: Sendable {
    let scorer: Scorer
    let arm: Int
    let features: [Float]

    init(scorer: Scorer, arm: Int, features: [Float]) { (self.scorer, self.arm, self.features) = (scorer, arm, features) }

    /// Basis points. It goes through 10 000 draws: never on a loop.
    var propensity: UInt16 {
        let features = features
        return UInt16(clamping: scorer.propensities(features: features.span)[arm])
    }

    func context(of exposure: Exposure) -> Context {
        Context(request: exposure.request, route: exposure.route, variant: exposure.variant, at: exposure.at, features: features)
    }
}

/// Contextual choices on their way out of one loop, each pushed before its exposure. A lock, because who chooses by features
/// asks a model, which takes a thousand times longer; full, it drops and counts, as the exposures' ring does.
final class ChoiceQueue: Sendable {
    struct Entry: Sendable {
        let choice: ScoredChoice
        let exposure: Exposure
    }
    private struct State {
        var waiting: [Entry] = []
        var dropped: UInt64 = 0
    }
    private let state = Mutex(State())
    static let capacity = 8_192

    /// Called by the loop.
    func push(_ choice: ScoredChoice, of exposure: Exposure) {
        state.withLock { state in
            if state.waiting.count < ChoiceQueue.capacity {
                state.waiting.append(Entry(choice: choice, exposure: exposure))
            } else {
                state.dropped += 1
            }
        }
    }

    /// Called by the pump: everything that waits.
    func pop() -> [Entry] {
        state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
    }

    var dropped: UInt64 { state.withLock(\.dropped) }
}

/// Counts the chances of contextual choices, off the path, and puts them into the exposures that wait for them.
struct ChanceCounter {
    /// Of choices whose exposures have not come yet.
    private var known: [RequestID: UInt16] = [:]
    private static let knownMax = 4 * ExposureRing.capacity

    /// The contexts of these choices, which go first.
    mutating func count(_ entries: [ChoiceQueue.Entry]) -> [Context] {
        // Exposures that were dropped never come for theirs.
        if known.count > ChanceCounter.knownMax { known = [:] }
        for entry in entries { known[entry.exposure.request] = entry.choice.propensity }
        return entries.map { $0.choice.context(of: $0.exposure) }
    }

    /// An exposure whose choice was lost has no known chance: 0, so that no analysis counts it.
    mutating func complete(_ batch: inout [Exposure]) {
        for index in batch.indices where batch[index].propensity == Layer.uncounted {
            batch[index].propensity = known.removeValue(forKey: batch[index].request) ?? 0
        }
    }
}
