import Faults
import JSON
import Ledger
import Outcomes
import Telemetry

/// Conducts one release: what happens to it goes through one bounded mailbox, is decided by its machine, recorded, and only
/// then acted on. What is to be done follows from the machine alone, so that a restart goes on by replaying it.
actor ReleaseConductor {
    static let lettersMax = 256
    /// How often a decision is taken anew because somebody else recorded something first.
    static let movesMax = 8
    /// How often statistics that change no verdict are recorded.
    static let lookInterval = Duration.seconds(10)

    let name: String
    private let ledger: LedgerWriter
    private let handlers: EffectHandlers
    private let log = Log("release")
    private var resource: ResourceID { ResourceID(ReleaseReplay.kind, name) }

    private(set) var replay: ReleaseReplay
    private var mailbox: [Letter] = []
    private var isReceiving = false
    /// Stops hearing and acting: the daemon ends, or a test killed it.
    private(set) var isStopped = false

    private var carried: [Int: Task<Void, Never>] = [:]
    /// Recorded by an earlier life and not answered: asked about before they are performed.
    private var orphans: Set<Int> = []
    private var alarm: (at: Timestamp, task: Task<Void, Never>)?
    private var watcher: (watch: Watch, task: Task<Void, Never>)?
    private var guardian: (process: Deployment.Process, task: Task<Void, Never>)?
    /// The newest look, recorded or not, and the last one that was posted to be recorded.
    private(set) var look: Look?
    private var posted: (look: Look, at: Timestamp)?

    private struct Letter {
        var input: ReleaseMachine.Input
        var by: String
        var plan: ReleasePlan?
        var answer: CheckedContinuation<Fault?, Never>?
    }

    init(name: String, replay: ReleaseReplay, ledger: LedgerWriter, handlers: EffectHandlers) {
        (self.name, self.replay, self.ledger, self.handlers) = (name, replay, ledger, handlers)
        orphans = Set(replay.machine?.intents.map(\.id) ?? [])
    }

    var machine: ReleaseMachine? { replay.machine }

    /// Nothing is under way and nothing waits to be heard. A delayed effect, a timer or the next observation may still come.
    var isQuiet: Bool { isStopped || (mailbox.isEmpty && !isReceiving && carried.isEmpty) }

    // MARK: Hearing

    /// Takes up where the last life ended.
    func resume() { schedule() }

    /// Begins a new attempt. Returns when it is recorded.
    func apply(_ plan: ReleasePlan, by: String) async throws(Fault) { try await ask(.applied, by: by, plan: plan) }

    func command(_ command: ReleaseCommand, by: String, reason: String?) async throws(Fault) {
        try await ask(.commanded(command: command, by: by, reason: reason), by: by)
    }

    /// Another release's news for this one. Returns when it is recorded.
    func tell(_ event: ReleaseMachine.Event, by: String) async throws(Fault) { try await ask(event, by: by) }

    private func ask(_ event: ReleaseMachine.Event, by: String, plan: ReleasePlan? = nil) async throws(Fault) {
        let fault = await withCheckedContinuation { answer in
            let letter = Letter(input: .init(event, at: handlers.now()), by: by, plan: plan, answer: answer)
            if let fault = put(letter) { answer.resume(returning: fault) }
        }
        if let fault { throw fault }
    }

    /// False when the mailbox is full: what is not urgent comes again.
    @discardableResult
    private func post(_ event: ReleaseMachine.Event, answering: Int? = nil) -> Bool {
        nil == put(Letter(input: .init(event, at: handlers.now(), answering: answering), by: "conductor", plan: nil, answer: nil))
    }

    private func put(_ letter: Letter) -> Fault? {
        if isStopped {
            return Fault(
                .unavailable, what: "\(name) hears nothing now.", why: "The daemon is stopping.", fix: "Try again when it is up.")
        }
        // Answers of effects always fit: there are at most as many as there are intents.
        guard mailbox.count < Self.lettersMax || letter.input.answering != nil else {
            return Fault(
                .limitReached, what: "\(name) has too much to hear.", why: "\(Self.lettersMax) events wait.", fix: "Try again.")
        }
        mailbox.append(letter)
        if !isReceiving {
            isReceiving = true
            Task { await drainMailbox() }
        }
        return nil
    }

    private func drainMailbox() async {
        while !mailbox.isEmpty, !isStopped {
            let letter = mailbox.removeFirst()
            let fault = await receive(letter)
            if let id = letter.input.answering { carried[id] = nil }
            letter.answer?.resume(returning: fault)
            schedule()
        }
        for letter in mailbox {
            letter.answer?.resume(
                returning: Fault(.unavailable, what: "\(name) did not hear it.", why: "The daemon is stopping.", fix: "Try again."))
        }
        if isStopped { mailbox.removeAll() }
        isReceiving = false
    }

    /// Decide, record, then let `schedule` act. An event without consequences that nobody asked for is not recorded.
    private func receive(_ letter: Letter) async -> Fault? {
        var patience = Duration.milliseconds(100)
        var moves = 0
        while !isStopped {
            if let machine, letter.plan != nil, !machine.mayBeFollowed {
                return Fault(
                    .conflict, what: "\(name) is already being released.",
                    why: "Attempt \(machine.attempt) is \(machine.stateText), in stage \(machine.stageText).",
                    fix: "Wait for it, or end it: openclaw release abort \(name)")
            }
            if let machine, letter.plan == nil {
                if isStale(letter.input, for: machine) { return nil }
                if case .commanded(let command, _, _) = letter.input.event, let refusal = machine.refusal(of: command) {
                    return refusal
                }
            }
            guard let decision = replay.decide(letter.input, plan: letter.plan) else { return nil }
            let draft = LedgerDraft(kind: decision.kind, by: letter.by, body: JSONValue(encoding: decision.record))
            do throws(AppendRefusal) {
                let position = try await ledger.append(draft, to: resource, after: replay.head)
                replay.accept(decision, at: position)
                if letter.plan != nil { orphans = [] }  // a new attempt numbers its own intents
                if let id = letter.input.answering { orphans.remove(id) }
                await handlers.heard(name, letter.input.event)
                return nil
            } catch {
                switch error {
                case .moved where moves < Self.movesMax:
                    moves += 1
                    if let fault = await catchUp() { return fault }
                case .moved:
                    return Fault(
                        .conflict, what: "\(name) was not changed.", why: "Something else changes it all the time.",
                        fix: "Try again.")
                case .cannotRecord(let fault):
                    // A person is told; what the world answered is kept until it can be recorded.
                    if letter.answer != nil { return fault }
                    log.error("cannot record, and so cannot act", ["release": .string(name), "why": .string(fault.what)])
                    await handlers.sleep(handlers.now() + patience)
                    patience = min(patience * 2, .seconds(5))
                }
            }
        }
        return Fault(.unavailable, what: "\(name) did not hear it.", why: "The daemon is stopping.", fix: "Try again.")
    }

    private func isStale(_ input: ReleaseMachine.Input, for machine: ReleaseMachine) -> Bool {
        if let id = input.answering { return !machine.intents.contains { $0.id == id } }
        switch input.event {
        case .timePassed: return machine.due.map { $0 > input.at } ?? true
        case .judged, .metricSilent: return !machine.isWatched
        case .routeFree: return !machine.awaitsRoute
        case .applied, .commanded, .replaced, .retired, .revived, .claimed, .busy, .built, .serving, .smoked, .watching,
            .routed, .crowned, .uncrowned, .left, .stopped, .previousRetired, .previousUp, .failed, .interrupted, .serverDied:
            return false
        }
    }

    /// Somebody else recorded for this release: take it up.
    private func catchUp() async -> Fault? {
        do {
            for entry in try await ledger.reader.entries(kind: resource.kind, name: resource.name, after: replay.head) {
                try replay.fold(entry)
            }
            return nil
        } catch { return error }
    }

    // MARK: Acting

    /// Starts what the machine wants and nobody does yet, and stops what it wants no more.
    private func schedule() {
        guard !isStopped, let machine else { return }
        let now = handlers.now()
        for (id, task) in carried where !machine.intents.contains(where: { $0.id == id }) { task.cancel() }
        for intent in machine.intents where intent.due <= now && carried[intent.id] == nil {
            // Traffic moves at once; everything else takes its turn, in the order it was decided.
            let isFree = carried.isEmpty || intent.effect.kind == .route
            if isFree { carry(intent, machine) }
        }
        setAlarm(machine, now)
        keepWatch(machine)
        guardServer(machine)
    }

    private func carry(_ intent: ReleaseMachine.Intent, _ machine: ReleaseMachine) {
        let call = EffectCall(intent: intent, machine: machine, fence: replay.fences[intent.id] ?? replay.head)
        let isOrphan = orphans.contains(intent.id)
        carried[intent.id] = Task {
            // It counts as carried until its answer is recorded: between the two it must not be performed again.
            if let event = await perform(call, isOrphan: isOrphan) { post(event, answering: intent.id) }
        }
    }

    /// Nil when the conductor was stopped meanwhile: the next life finds out what became of it.
    private func perform(_ call: EffectCall, isOrphan: Bool) async -> ReleaseMachine.Event? {
        let kind = call.intent.effect.kind
        if isOrphan {
            switch await handlers.query(call) {
            case .done(let event): return event
            case .cut: return .interrupted
            case .absent: break
            }
        }
        guard reach(ReleaseBoundary.before(kind)), !isStopped else { return nil }
        let event: ReleaseMachine.Event
        do throws(Fault) {
            event = try await handlers.perform(call)
        } catch {
            event = .failed(trouble: Trouble(error))
            if !Task.isCancelled {
                log.warning(error.what, ["release": .string(name), "effect": .string(kind.rawValue), "why": .string(error.why)])
            }
        }
        guard reach(ReleaseBoundary.after(kind)), !isStopped else { return nil }
        return event
    }

    private func reach(_ boundary: String) -> Bool {
        do { try handlers.boundaries.reach(boundary) } catch {
            die()
            return false
        }
        return true
    }

    private func setAlarm(_ machine: ReleaseMachine, _ now: Timestamp) {
        let delayed = machine.intents.filter { $0.due > now }.map(\.due)
        let next = (delayed + [machine.due].compactMap { $0 }).min()
        guard next != alarm?.at else { return }
        alarm?.task.cancel()
        alarm = next.map { at in
            let task = Task {
                await handlers.sleep(at)
                if !Task.isCancelled { ring(at) }
            }
            return (at, task)
        }
    }

    private func ring(_ at: Timestamp) {
        guard alarm?.at == at, !isStopped else { return }
        alarm = nil
        if let due = machine?.due, due <= handlers.now() { post(.timePassed) } else { schedule() }
    }

    private func guardServer(_ machine: ReleaseMachine) {
        let process = machine.deployment?.process
        guard process != guardian?.process else { return }
        guardian?.task.cancel()
        guardian = process.map { process in
            let task = Task {
                if let how = await handlers.serverEnd(process) { lost(process, how) }
            }
            return (process, task)
        }
    }

    private func lost(_ process: Deployment.Process, _ how: String) {
        guard !isStopped, let machine, machine.deployment?.process == process else { return }
        let isBeingStopped = machine.intents.contains { $0.effect == .stop && carried[$0.id] != nil }
        if !isBeingStopped { post(.serverDied(how: how)) }
    }

    // MARK: Watching

    private func keepWatch(_ machine: ReleaseMachine) {
        let wanted = machine.isWatched ? machine.watch : nil
        guard wanted != watcher?.watch else { return }
        watcher?.task.cancel()
        watcher = wanted.map { watch in
            (look, posted) = (nil, nil)
            return (watch, Task { await keepLooking(WatchBoard(watch, plan: machine.plan)) })
        }
    }

    /// Folds observations as they come: a verdict is out within a moment of its data.
    private func keepLooking(_ begun: WatchBoard) async {
        var board = begun
        var cursor = begun.watch.cursor
        var toldSilence = false
        // A restart folds again what it had seen: until it stands where it stood, it has nothing new to say.
        var isCaughtUp = false
        while !Task.isCancelled, !isStopped {
            do {
                let (observations, next) = try await handlers.observations(board.watch.route, cursor)
                guard !Task.isCancelled, !isStopped else { return }
                for observation in observations { board.observe(observation) }
                cursor = next
                if observations.count < EffectHandlers.observationsMax { isCaughtUp = true }
                if isCaughtUp, !observations.isEmpty || look == nil { consider(board) }
                if let silence = board.silence(at: handlers.now()) {
                    toldSilence = toldSilence || post(.metricSilent(trouble: silence))
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
    private func consider(_ board: WatchBoard) {
        guard let machine, machine.watch == board.watch, machine.isWatched else { return }
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
        if post(.judged(look: seen)) { posted = (seen, now) }
    }

    // MARK: Stopping

    /// As a process that was killed: nothing more is heard, recorded or done.
    func die() {
        isStopped = true
        for task in carried.values { task.cancel() }
        alarm?.task.cancel()
        watcher?.task.cancel()
        guardian?.task.cancel()
    }

    /// Stops acting and waits for what is under way. Servers stay; the next life adopts them.
    func drain() async {
        die()
        for task in carried.values { await task.value }
    }
}
