import Conducting
import Glibc
import Ledger
import Synchronization
import Testing

@testable import Releases

/// The conductor dies at every boundary that the ledger and the effects have, one after another.
struct `A conductor that is killed` {
    @Test(arguments: [(seed: UInt64(11), isBad: false), (seed: UInt64(12), isBad: true)])
    func `ends where an undisturbed one ends, and repeats no effect`(seed: UInt64, isBad: Bool) async throws {
        let calm = try SimulatedLives.fresh(seed: seed, isBad: isBad, killAt: nil)
        let (expected, lives) = try await calm.run()
        #expect(lives == 1)
        #expect(calm.world.state.withLock { $0.performed.values.max() } == 1)
        #expect(expected.share == 0 && expected.owner == nil && expected.stable == "v11" && !expected.candidateRuns)
        #expect(expected.previousRuns)
        #expect(expected.cause == (isBad ? .gateFailed : .rolledBackByHand))

        for point in calm.reaper.names.indices {
            let killed = try SimulatedLives.fresh(seed: seed, isBad: isBad, killAt: point)
            let place = "seed \(seed), killed at boundary \(point): \(calm.reaper.names[point])"
            let (outcome, _) = try await killed.run()
            #expect(killed.reaper.isDone || killed.reaper.names.count <= point, "\(place)")
            #expect(outcome == expected, "\(place)")
            let repeated = killed.world.state.withLock { $0.performed.filter { $0.value > 1 } }
            #expect(repeated.isEmpty, "\(place)")
        }
    }

    @Test func `has no boundary that no run reaches`() async throws {
        let run = try SimulatedLives.fresh(seed: 11, isBad: false, killAt: nil)
        _ = try await run.run()
        let reached = Set(run.reaper.names)
        let all = Set(ReleaseBoundary.allNames + LedgerBoundary.allNames)
        #expect(all.subtracting(reached) == [], "never reached")
        #expect(reached.subtracting(all) == [], "not in the lists")
    }
}
