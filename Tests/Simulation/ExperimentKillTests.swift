import Ledger
import Outcomes
import Synchronization
import Testing

@testable import Experiments

/// The conductor of an experiment dies at every boundary that the ledger, the effects and the evidence have, one after another.
struct `A conductor of an experiment that is killed` {
    @Test(arguments: [
        (seed: UInt64(21), story: ExperimentLives.Story.fixed), (22, .bandit), (24, .changing), (25, .released),
    ])
    func `ends where an undisturbed one ends, and counts every feedback once`(seed: UInt64, story: ExperimentLives.Story)
        async throws
    {
        let calm = try ExperimentLives.fresh(seed: seed, story, killAt: nil)
        let expected = try await calm.run()
        #expect(expected.lives == 1 && expected.outcome.base == story.winner && expected.outcome.cause == .better, "\(story)")
        #expect(!expected.outcome.isOnRoute)
        check(calm, expected, "seed \(seed), \(story), undisturbed")
        if story.files.count > 1 { #expect(expected.machine.arms.count == 3 && expected.machine.arms.live == [0, 2]) }

        for point in Self.points(in: calm.reaper.names) {
            let killed = try ExperimentLives.fresh(seed: seed, story, killAt: point)
            let place = "seed \(seed), \(story), killed at boundary \(point): \(calm.reaper.names[point])"
            let end = try await killed.run()
            #expect(killed.reaper.isDone || killed.reaper.names.count <= point, "\(place)")
            #expect(end.outcome == expected.outcome, "\(place)")
            check(killed, end, place)
        }
    }

    @Test func `has no boundary that no run reaches`() async throws {
        var reached: Set<String> = []
        for (seed, story) in [(UInt64(24), ExperimentLives.Story.changing), (25, .released), (23, .hopeless)] {
            let run = try ExperimentLives.fresh(seed: seed, story, killAt: nil)
            _ = try await run.run()
            reached.formUnion(run.reaper.names)
        }
        let all = Set(ExperimentBoundary.allNames + LedgerBoundary.allNames)
        #expect(all.subtracting(reached) == [], "never reached")
        #expect(reached.subtracting(all) == [], "not in the lists")
    }

    /// The evidence it was decided by is the evidence of everything before its cursor, each once, whatever lives it was folded
    /// in; no act changed the route twice; and every share was lawful.
    private func check(_ run: ExperimentLives, _ end: ExperimentLives.End, _ place: String) {
        let (observations, kept, changes, faults) = run.world.state.withLock {
            ($0.observations, $0.kept, $0.changes, $0.faults)
        }
        #expect(faults == [], "\(place)")
        #expect(changes["attach"] == 1 && changes["settle", default: 0] + changes["detach", default: 0] == 1, "\(place)")
        guard let look = end.machine.look, let mark = look.mark else {
            Issue.record("it was decided without evidence: \(place)")
            return
        }
        let counted = observations[..<Int(mark.cursor.exposureSequence)]
        for (arm, known) in end.machine.arms.all.enumerated() {
            let variant = known.id
            let answered = counted.filter { if case .answered(let exposure) = $0 { exposure.variant == variant } else { false } }
            let scored = counted.filter {
                if case .scored(let score) = $0 { score.variant == variant && score.previous == nil } else { false }
            }
            #expect(look.tallies[arm].requests == Int64(answered.count), "\(place)")
            #expect(look.tallies[arm].outcomes == Int64(scored.count), "\(place)")
        }
        var whole = ExperimentBoard(end.machine.plan, end.machine.arms)
        whole.fold(Array(counted), upTo: mark.cursor, at: end.machine.now)
        #expect(SHA256.digest(of: whole.evidence).hex == mark.digest, "\(place)")
        #expect(kept[mark.digest] == whole.evidence, "\(place)")
    }

    @Test func `leaves the route alone when nothing is better`() async throws {
        let run = try ExperimentLives.fresh(seed: 23, .hopeless, killAt: nil)
        let end = try await run.run()
        #expect(end.outcome == .init(state: "stopped", cause: .worse, base: "old", isOnRoute: false))
    }

    /// The first and the last time that each boundary is reached.
    private static func points(in names: [String]) -> [Int] {
        Set(names).flatMap { name in [names.firstIndex(of: name), names.lastIndex(of: name)].compactMap(\.self) }.sorted()
    }
}
