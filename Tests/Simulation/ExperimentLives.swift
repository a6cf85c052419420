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

    static func fresh(seed: UInt64, strategy: String, rates: [Double], killAt: Int?) throws -> ExperimentLives {
        let text = """
            experiment:
              name: friendlier
              route: support
              variants:
                control:    { url: "http://127.0.0.1:1/", share: 50% }
                friendlier: { url: "http://127.0.0.1:2/", share: 50% }
              allocation: \(strategy)
              metrics:
                primary: { name: resolved, type: binary, minimum_effect: 0.02, window: 1h }
              decision: { alpha: 0.05, auto: promote, min_duration: 1s, max_duration: 1h }
            """
        let node = try YAMLNode.documents(in: text, file: "experiment.yaml")[0].mapping("a resource").required("experiment")
        let plan = ExperimentPlan(
            spec: try ExperimentSpec(node), unit: .header("X-User"), cursor: .init(exposureSequence: 0, feedbackSequence: 0))
        return ExperimentLives(
            world: ExperimentWorld(seed: seed, rates: rates), plan: plan, folder: TemporaryFolder(),
            reaper: SimulatedLives.Reaper(killAt: killAt))
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
            world.tick()
        }
        throw Fault(what: "the experiment does not end", why: "\(String(describing: await conductor.machine?.state))", fix: "")
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
