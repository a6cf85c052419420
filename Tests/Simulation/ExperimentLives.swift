import Conducting
import Faults
import JSON
import Ledger
import Outcomes
import Routing
import Synchronization
import Telemetry
import TestFolders
import Testing
import YAML

@testable import Experiments

/// One experiment in one world, over as many lives of the conductor as it takes.
struct ExperimentLives {
    let world: ExperimentWorld
    let plan: ExperimentPlan
    let folder: TemporaryFolder
    let reaper: SimulatedLives.Reaper

    /// What is tried, and what is asked for on the way.
    struct Story: Sendable, CustomStringConvertible {
        var description: String
        /// The chance of a good answer by variant, in the order they appear.
        var rates: [Double]
        /// `experiment.yaml` at first, and as it is applied again so much later.
        var files: [(after: Duration, text: String)]
        /// What answers everybody at the end.
        var winner: String

        static func file(_ variants: String, allocation: String, targeting: String = "{}") -> String {
            """
            experiment:
              name: friendlier
              route: support
              variants: { \(variants) }
              allocation: \(allocation)
              targeting: \(targeting)
              metrics:
                primary: { name: resolved, type: binary, minimum_effect: 0.02, window: 1h }
              decision: { alpha: 0.05, auto: promote, min_duration: 1s, max_duration: 1h }
            """
        }

        private static let thompson = "{ strategy: thompson, floor: 5%, warm_up: 20, reweight_every: 500ms }"
        private static let control = "control: { url: \"http://127.0.0.1:1/\", share: 50% }"
        private static let friendlier = "friendlier: { url: \"http://127.0.0.1:2/\", share: 50% }"
        private static let two = "\(control), \(friendlier)"

        static let fixed = Story(
            description: "fixed shares", rates: [0.1, 0.9], files: [(.zero, file(two, allocation: "{ strategy: fixed }"))],
            winner: "friendlier")
        static let hopeless = Story(
            description: "nothing better", rates: [0.9, 0.1], files: [(.zero, file(two, allocation: "{ strategy: fixed }"))],
            winner: "old")
        static let bandit = Story(
            description: "a bandit", rates: [0.2, 0.8], files: [(.zero, file(two, allocation: thompson))], winner: "friendlier")
        /// A third variant joins and has testers, then the second is retired; units are taken in step by step.
        static let changing = Story(
            description: "a bandit whose variants change", rates: [0.3, 0.3, 0.9],
            files: [
                (
                    .zero,
                    file(two, allocation: thompson, targeting: "{ ramp: [{ coverage: 50%, hold: 1s }, { coverage: 100% }] }")
                ),
                (
                    .milliseconds(700),
                    file(
                        "control: { url: \"http://127.0.0.1:1/\", share: 40% }, friendlier: { url: \"http://127.0.0.1:2/\", share: 40% }, warmer: { url: \"http://127.0.0.1:3/\", share: 20% }",
                        allocation: thompson,
                        targeting: "{ ramp: [{ coverage: 50%, hold: 1s }, { coverage: 100% }], overrides: { qa: warmer } }")
                ),
                (
                    .milliseconds(900),
                    file(
                        "control: { url: \"http://127.0.0.1:1/\", share: 50% }, warmer: { url: \"http://127.0.0.1:3/\", share: 50% }",
                        allocation: thompson,
                        targeting: "{ ramp: [{ coverage: 50%, hold: 1s }, { coverage: 100% }], overrides: { qa: warmer } }")
                ),
            ], winner: "warmer")
        /// The winner is a model's version that has passed no gates.
        static let released = Story(
            description: "a winner that is released", rates: [0.1, 0.9],
            files: [
                (
                    .zero,
                    file(
                        "\(control), friendlier: { version: fraud-model@v2, share: 50% }", allocation: "{ strategy: fixed }")
                )
            ], winner: "fraud-model@v2")
    }

    /// The same experiment's specs in the order they are applied.
    let specs: [(after: Duration, spec: ExperimentSpec)]

    static func fresh(seed: UInt64, _ story: Story, killAt: Int?) throws -> ExperimentLives {
        let specs = try story.files.map { file in
            let node = try YAMLNode.documents(in: file.text, file: "experiment.yaml")[0].mapping("a resource")
            return (file.after, try ExperimentSpec(try node.required("experiment")))
        }
        let plan = ExperimentPlan(
            spec: specs[0].1, unit: .header("X-User"), cursor: .init(exposureSequence: 0, feedbackSequence: 0))
        return ExperimentLives(
            world: ExperimentWorld(seed: seed, rates: story.rates), plan: plan, folder: TemporaryFolder(),
            reaper: SimulatedLives.Reaper(killAt: killAt), specs: specs)
    }

    struct End {
        var outcome: ExperimentWorld.Outcome
        var machine: ExperimentMachine
        var lives: Int
    }

    /// Lives until the experiment is over.
    func run() async throws -> End {
        for life in 1...8 {
            guard let machine = try await live() else { continue }
            let (base, isOnRoute) = world.state.withLock { ($0.base, $0.split != nil) }
            let outcome = ExperimentWorld.Outcome(
                state: machine.stateText, cause: machine.ending?.cause, base: base, isOnRoute: isOnRoute)
            return End(outcome: outcome, machine: machine, lives: life)
        }
        throw Fault(what: "the experiment never ended", why: "eight lives were not enough", fix: "look at \(folder.path)")
    }

    /// One life. Nil when it was cut short.
    private func live() async throws -> ExperimentMachine? {
        var settings = LedgerWriter.Settings()
        settings.boundaries = reaper.boundaries
        settings.clock = { [world] in world.state.withLock { $0.now } }
        settings.checkpointEntries = 7
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: settings)
        let chronicle = try await Conductors<ExperimentMachine>.chronicles(in: ledger.reader)[plan.spec.name] ?? Chronicle()
        #expect(chronicle.differences == Differences() && chronicle.hindrance == nil, "what was recorded is decided again")
        let watcher = ExperimentWatcher(name: plan.spec.name, handlers: world.handlers(boundaries: reaper.boundaries))
        let conductor = Conductor(name: plan.spec.name, chronicle: chronicle, ledger: ledger, handlers: watcher.hands)
        await conductor.resume()
        let machine = try await drive(conductor, watcher, ledger)
        await conductor.die()
        world.wakeAll()
        await conductor.drain()
        await ledger.close()
        return machine
    }

    private func drive(
        _ conductor: Conductor<ExperimentMachine>, _ watcher: ExperimentWatcher, _ ledger: LedgerWriter
    ) async throws -> ExperimentMachine? {
        for _ in 0..<3_000 {
            guard await settled(conductor, watcher, ledger) else { return nil }
            guard let machine = await conductor.machine else {
                // The person who applied it tries again until it is accepted.
                do throws(Fault) { try await conductor.apply(plan, by: "ann") } catch { return nil }
                continue
            }
            if machine.isOver, machine.intents.isEmpty { return machine }
            if let next = next(after: machine) {
                do throws(Fault) { try await conductor.tell(.changed(spec: next), by: "ann") } catch { return nil }
                continue
            }
            world.tick()
        }
        throw Fault(what: "the experiment does not end", why: "\(String(describing: await conductor.machine?.state))", fix: "")
    }

    /// The file that a person applies now.
    private func next(after machine: ExperimentMachine) -> ExperimentSpec? {
        let applied = specs.firstIndex { $0.spec.isSame(as: machine.plan.spec) } ?? 0
        guard applied + 1 < specs.count, let startedAt = machine.startedAt else { return nil }
        let (after, spec) = specs[applied + 1]
        guard world.state.withLock({ $0.now }) >= startedAt + after else { return nil }
        return machine.refusal(of: .changed(spec: spec), beginning: nil) == nil ? spec : nil
    }

    /// Waits until nothing is under way. False when this life is over.
    private func settled(
        _ conductor: Conductor<ExperimentMachine>, _ watcher: ExperimentWatcher, _ ledger: LedgerWriter
    ) async -> Bool {
        var calm = 0
        while calm < 3 {
            if await conductor.isStopped { return false }
            if await ledger.fault != nil { return false }
            let watches = await conductor.machine?.isWatched ?? false
            let isRead = await watcher.isResting || !watches
            calm = await conductor.isQuiet && isRead ? calm + 1 : 0
            await Task.yield()
        }
        return true
    }
}
