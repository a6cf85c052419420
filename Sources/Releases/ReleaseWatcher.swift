import Conducting
import Faults
import JSON
import Telemetry

/// What is watched for a release: its outcomes, which its gates judge, and the process of its server.
public enum ReleaseWatch: Hashable, Sendable {
    case outcomes(Watch)
    case server(Deployment.Process)
}

/// Looks at the world for one release, and tells its conductor what has consequences.
actor ReleaseWatcher {
    /// How often statistics that change no verdict are recorded.
    static let lookInterval = Duration.seconds(10)

    private let name: String
    private let handlers: ReleaseHandlers
    private let log = Log("release")
    /// The newest look, recorded or not, and the last one that was posted to be recorded.
    private(set) var look: Look?
    private var posted: (look: Look, at: Timestamp)?
    /// Whose end is waited for: nobody waits twice.
    private var guarded: Set<Deployment.Process> = []

    init(name: String, handlers: ReleaseHandlers) { (self.name, self.handlers) = (name, handlers) }

    /// How the release's conductor reaches the world.
    nonisolated var hands: Handlers<ReleaseMachine> {
        Handlers(
            perform: handlers.perform, query: handlers.query,
            watch: { [self] watch, conductor in
                switch watch {
                case .outcomes(let watch): await keepLooking(watch, conductor)
                case .server(let process): await keepGuard(of: process, conductor)
                }
            }, heard: handlers.heard, now: handlers.now, sleep: handlers.sleep, boundaries: handlers.boundaries)
    }

    // MARK: The server

    /// A server may outlive the daemon: nobody who stops waits for its end.
    private func keepGuard(of process: Deployment.Process, _ conductor: Conductor<ReleaseMachine>) {
        guard guarded.insert(process).inserted else { return }
        Task {
            let how = await handlers.serverEnd(process)
            guarded.remove(process)
            if let how { await conductor.lost(process, how) }
        }
    }

    // MARK: Outcomes

    /// Folds observations as they come: a verdict is out within a moment of its data.
    private func keepLooking(_ watch: Watch, _ conductor: Conductor<ReleaseMachine>) async {
        guard let plan = await conductor.machine?.plan else { return }
        (look, posted) = (nil, nil)
        var board = WatchBoard(watch, plan: plan)
        var cursor = watch.cursor
        var toldSilence = false
        // A restart folds again what it had seen: until it stands where it stood, it has nothing new to say.
        var isCaughtUp = false
        while !Task.isCancelled, await !conductor.isStopped {
            do {
                let (observations, next) = try await handlers.observations(watch.route, cursor)
                guard !Task.isCancelled, await !conductor.isStopped else { return }
                for observation in observations { board.observe(observation) }
                cursor = next
                if observations.count < ReleaseHandlers.observationsMax { isCaughtUp = true }
                if isCaughtUp, !observations.isEmpty || look == nil { await consider(board, conductor) }
                if isCaughtUp, let silence = board.silence(at: handlers.now()) {
                    if !toldSilence { toldSilence = await conductor.post(.metricSilent(trouble: silence)) }
                } else {
                    toldSilence = false
                }
                if observations.isEmpty { await handlers.waitForNews(cursor, .seconds(5)) }
            } catch {
                log.error("cannot read outcomes", ["release": .string(name), "why": .string(error.what)])
                await handlers.sleep(handlers.now() + .seconds(1))
            }
        }
    }

    /// A look is recorded when it changes something: a verdict, a step that has its samples, or statistics some time later.
    private func consider(_ board: WatchBoard, _ conductor: Conductor<ReleaseMachine>) async {
        guard let machine = await conductor.machine, machine.watch == board.watch, machine.isWatched else { return }
        let seen = board.look(since: machine.table)
        let last = posted?.look ?? machine.look
        look = seen
        let now = handlers.now()
        let turned = seen.verdicts.map(\.outcome) != last?.verdicts.map(\.outcome)
        let filled = machine.samplesWanted.map { wanted in
            seen.stepRequests >= wanted && !(last.map { $0.table == seen.table && $0.stepRequests >= wanted } ?? false)
        }
        let began = seen.firstRequest != nil && last?.firstRequest == nil
        let isOld = posted.map { now - $0.at >= Self.lookInterval } ?? true
        guard turned || filled == true || began || (isOld && seen != last) else { return }
        if await conductor.judge(seen, on: board.watch) { posted = (seen, now) }
    }
}

extension Conductor<ReleaseMachine> {
    /// False when nothing of it is to be heard now.
    func judge(_ look: Look, on watch: Watch) -> Bool {
        guard let machine, machine.watch == watch, machine.isWatched else { return false }
        return post(.judged(look: look))
    }

    func lost(_ process: Deployment.Process, _ how: String) {
        guard !isStopped, let machine, machine.deployment?.process == process, !isUnderWay(.stop) else { return }
        post(.serverDied(how: how))
    }

    func command(_ command: ReleaseCommand, by: String, reason: String?) async throws(Fault) {
        try await tell(.commanded(command: command, by: by, reason: reason), by: by)
    }
}
