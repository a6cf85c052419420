import Conducting
import Faults
import Glibc
import JSON
import Ledger
import Registry
import Synchronization
import Telemetry
import TestFolders
import Testing

@testable import Releases

/// One release in one world, over as many lives of the conductor as it takes.
struct SimulatedLives {
    struct Killed: Error {}

    /// Counts the boundaries that are reached, and kills at one of them.
    final class Reaper: Sendable {
        struct Count {
            var names: [String] = []
            var killAt: Int?
        }
        let count: Mutex<Count>
        init(killAt: Int?) { count = Mutex(Count(killAt: killAt)) }

        var boundaries: Boundaries {
            Boundaries { [self] name in
                let dies = count.withLock { count in
                    count.names.append(name)
                    guard count.killAt == count.names.count - 1 else { return false }
                    count.killAt = nil
                    return true
                }
                if dies { throw Killed() }
            }
        }
        var names: [String] { count.withLock { $0.names } }
        var isDone: Bool { count.withLock { $0.killAt == nil } }
    }

    let world: SimulatedWorld
    let plan: ReleasePlan
    let folder: TemporaryFolder
    let reaper: Reaper
    /// A person rolls the release back after its promotion has settled.
    let rollsBackByHand: Bool

    /// Lives until the release is over. Returns what it left behind, and how many lives it took.
    func run() async throws -> (outcome: SimulatedWorld.Outcome, lives: Int) {
        for life in 1...8 {
            if let outcome = try await live() { return (outcome, life) }
        }
        throw Fault(what: "the release never ended", why: "eight lives were not enough", fix: "look at \(folder.path)")
    }

    /// One life. Nil when it was cut short.
    private func live() async throws -> SimulatedWorld.Outcome? {
        var settings = LedgerWriter.Settings()
        settings.boundaries = reaper.boundaries
        settings.clock = { [world] in world.state.withLock { $0.now } }
        settings.checkpointEntries = 7
        let ledger = try await LedgerWriter.open(directory: folder.path, settings: settings)
        let chronicle = try await Conductors<ReleaseMachine>.chronicles(in: ledger.reader)[plan.name] ?? Chronicle()
        #expect(chronicle.differences == Differences() && chronicle.hindrance == nil, "what was recorded is decided again")
        let watcher = ReleaseWatcher(name: plan.name, handlers: world.handlers(boundaries: reaper.boundaries))
        let conductor = Conductor(name: plan.name, chronicle: chronicle, ledger: ledger, handlers: watcher.hands)
        await conductor.resume()
        let outcome = try await drive(conductor, ledger)
        await conductor.die()
        world.wakeAll()
        await conductor.drain()
        await ledger.close()
        return outcome
    }

    private func drive(_ conductor: Conductor<ReleaseMachine>, _ ledger: LedgerWriter) async throws -> SimulatedWorld.Outcome? {
        for _ in 0..<2_000 {
            guard await settled(conductor, ledger) else { return nil }
            guard let machine = await conductor.machine else {
                // The person who applied it tries again until it is accepted.
                do throws(Fault) { try await conductor.apply(plan, by: "ann") } catch { return nil }
                continue
            }
            let isIdle = machine.isOver && machine.intents.isEmpty
            if isIdle, machine.state == .promoted, rollsBackByHand {
                do throws(Fault) { try await conductor.command(.rollback, by: "ann", reason: nil) } catch { return nil }
                continue
            }
            if isIdle { return outcome(machine) }
            world.tick()
        }
        throw Fault(what: "the release does not end", why: "\(String(describing: await conductor.machine?.state))", fix: "")
    }

    /// Waits until nothing is under way. False when this life is over.
    private func settled(_ conductor: Conductor<ReleaseMachine>, _ ledger: LedgerWriter) async -> Bool {
        var calm = 0
        while calm < 3 {
            if await conductor.isStopped { return false }
            if await ledger.fault != nil { return false }
            let watches = await conductor.machine?.isWatched ?? false
            let isRead = !watches || world.state.withLock { !$0.waiters.isEmpty }
            calm = await conductor.isQuiet && isRead ? calm + 1 : 0
            await Task.yield()
        }
        return true
    }

    private func outcome(_ machine: ReleaseMachine) -> SimulatedWorld.Outcome {
        world.state.withLock { state in
            SimulatedWorld.Outcome(
                state: machine.stateText, cause: machine.ending?.cause, share: state.share, stable: state.stable,
                owner: state.owner,
                candidateRuns: state.candidateRuns, previousRuns: state.previousRuns)
        }
    }

    // MARK: Making one

    static func plan() throws -> ReleasePlan {
        var canary = CanaryOptions()
        canary.steps = [.init(share: 2_500, samplesMin: 20, hold: 500), .init(share: 10_000, samplesMin: 20, hold: 500)]
        var monitor = MonitorOptions()
        (monitor.lookFor, monitor.deadline) = (500, 600_000)
        var promote = PromoteOptions()
        (promote.bake, promote.scaleDownDelay) = (1_000, 500)
        let stages: [ReleaseSpec.Stage] = [
            .buildArtifact, .smokeTest, .canaryDeploy(options: canary), .monitorMetrics(options: monitor),
            .promoteOrRollback(options: promote),
        ]
        let spec = ReleaseSpec(
            name: "fraud-model-v12", version: VersionID(model: "fraud-model", version: "v12"), stages: stages,
            gates: [Gate(.errorRate, limit: 0.1, line: 1)], rollback: .init())
        let model: Model = try JSONValue.object([
            "name": "fraud-model", "directory": "/nowhere", "servedVersions": [:], "route": "fraud",
            "serve": ["run": "serve", "ready": "/ready", "path": "/infer", "readyTimeoutMilliseconds": 1_000],
        ]).decoded()
        return ReleasePlan(
            spec: spec, model: model, route: "fraud", serving: .started, previous: "v11",
            work: stages.map { .init(stage: $0.name, does: "its work", idle: false) }, notes: [])
    }

    static func fresh(seed: UInt64, isBad: Bool, killAt: Int?) throws -> SimulatedLives {
        SimulatedLives(
            world: SimulatedWorld(seed: seed, isBad: isBad), plan: try plan(), folder: TemporaryFolder(),
            reaper: Reaper(killAt: killAt), rollsBackByHand: !isBad)
    }
}
