import Faults
import JSON
import Ledger
import Telemetry

/// Conducts one experiment: what happens to it goes through one bounded mailbox, is decided by its machine, recorded, and only
/// then acted on. What is to be done follows from the machine alone, so that a restart goes on by replaying it.
actor ExperimentConductor {
    static let lettersMax = 256
    /// How often a decision is taken anew because somebody else recorded something first.
    static let movesMax = 8

    let name: String
    let ledger: LedgerWriter
    let handlers: ExperimentHandlers
    let log = Log("experiment")
    private var resource: ResourceID { ResourceID(ExperimentReplay.kind, name) }

    private(set) var replay: ExperimentReplay
    private var mailbox: [Letter] = []
    private var isReceiving = false
    /// Stops hearing and acting: the daemon ends, or a test killed it.
    private(set) var isStopped = false

    private var carried: [Int: Task<Void, Never>] = [:]
    private var alarm: (at: Timestamp, task: Task<Void, Never>)?
    private var watcher: (attempt: Int, task: Task<Void, Never>)?
    /// What the watcher has seen, recorded or not.
    var board: ExperimentBoard?
    /// Everything that was there is read, and time or news have to come.
    var isResting = false
    var look: ExperimentLook?
    /// The last look that was posted to be recorded.
    var posted: (look: ExperimentLook, at: Timestamp)?

    private struct Letter {
        var input: ExperimentMachine.Input
        var by: String
        var plan: ExperimentPlan?
        var answer: CheckedContinuation<Fault?, Never>?
    }

    init(name: String, replay: ExperimentReplay, ledger: LedgerWriter, handlers: ExperimentHandlers) {
        (self.name, self.replay, self.ledger, self.handlers) = (name, replay, ledger, handlers)
    }

    var machine: ExperimentMachine? { replay.machine }

    /// Nothing is under way and nothing waits to be heard. A delayed effect, a timer or the next observation may still come.
    var isQuiet: Bool { isStopped || (mailbox.isEmpty && !isReceiving && carried.isEmpty) }

    // MARK: Hearing

    /// Takes up where the last life ended.
    func resume() { schedule() }

    /// Begins a new attempt. Returns when it is recorded.
    func apply(_ plan: ExperimentPlan, by: String) async throws(Fault) { try await ask(.applied, by: by, plan: plan) }

    func command(_ command: ExperimentCommand, by: String, reason: String?) async throws(Fault) {
        try await ask(.commanded(command: command, by: by, reason: reason), by: by)
    }

    private func ask(_ event: ExperimentMachine.Event, by: String, plan: ExperimentPlan? = nil) async throws(Fault) {
        let fault = await withCheckedContinuation { answer in
            let letter = Letter(input: .init(event, at: handlers.now()), by: by, plan: plan, answer: answer)
            if let fault = put(letter) { answer.resume(returning: fault) }
        }
        if let fault { throw fault }
    }

    /// False when the mailbox is full: what is not urgent comes again.
    @discardableResult
    func post(_ event: ExperimentMachine.Event, answering: Int? = nil) -> Bool {
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
            if let machine, let refusal = refusal(of: letter, machine) { return refusal }
            if let machine, letter.plan == nil, isStale(letter.input, for: machine) { return nil }
            guard let decision = replay.decide(letter.input, plan: letter.plan) else { return nil }
            let draft = LedgerDraft(kind: decision.kind, by: letter.by, body: JSONValue(encoding: decision.record))
            do throws(AppendRefusal) {
                let position = try await ledger.append(draft, to: resource, after: replay.head)
                replay.accept(decision, at: position)
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
                    log.error("cannot record, and so cannot act", ["experiment": .string(name), "why": .string(fault.what)])
                    await handlers.sleep(handlers.now() + patience)
                    patience = min(patience * 2, .seconds(5))
                }
            }
        }
        return Fault(.unavailable, what: "\(name) did not hear it.", why: "The daemon is stopping.", fix: "Try again.")
    }

    private func refusal(of letter: Letter, _ machine: ExperimentMachine) -> Fault? {
        if letter.plan != nil, !machine.isOver {
            return Fault(
                .conflict, what: "\(name) is running already, from another content.",
                why: "Attempt \(machine.attempt) is \(machine.stateText); what it found so far would be mixed with something else.",
                fix: "Stop it first (openclaw experiment stop \(name)), or give the new one another name.")
        }
        guard case .commanded(let command, _, _) = letter.input.event else { return nil }
        return machine.refusal(of: command)
    }

    private func isStale(_ input: ExperimentMachine.Input, for machine: ExperimentMachine) -> Bool {
        if let id = input.answering { return !machine.intents.contains { $0.id == id } }
        switch input.event {
        case .timePassed: return machine.due.map { $0 > input.at } ?? true
        case .looked: return !machine.isWatched
        case .reweighted: return !machine.takesShares
        case .applied, .commanded, .attached, .moved, .covered, .detached, .settled, .gated, .released, .failed: return false
        }
    }

    /// Somebody else recorded for this experiment: take it up.
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
        // One at a time, in the order they were decided.
        if carried.isEmpty, let intent = machine.intents.first(where: { $0.due <= now }) { carry(intent, machine) }
        setAlarm(machine, now)
        keepWatch(machine)
    }

    private func carry(_ intent: ExperimentMachine.Intent, _ machine: ExperimentMachine) {
        let call = ExperimentCall(intent: intent, machine: machine, fence: replay.fences[intent.id] ?? replay.head)
        carried[intent.id] = Task {
            // It counts as carried until its answer is recorded: between the two it must not be performed again.
            if let event = await perform(call) { post(event, answering: intent.id) }
        }
    }

    /// Nil when the conductor was stopped meanwhile: the next life performs it again.
    private func perform(_ call: ExperimentCall) async -> ExperimentMachine.Event? {
        let kind = call.intent.effect.kind
        guard reach(ExperimentBoundary.before(kind)), !isStopped else { return nil }
        let event: ExperimentMachine.Event
        do throws(Fault) {
            event = try await handlers.perform(call)
        } catch {
            event = .failed(trouble: ExperimentTrouble(error))
            if !Task.isCancelled {
                log.warning(error.what, ["experiment": .string(name), "effect": .string(kind.rawValue), "why": .string(error.why)])
            }
        }
        guard reach(ExperimentBoundary.after(kind)), !isStopped else { return nil }
        return event
    }

    func reach(_ boundary: String) -> Bool {
        do { try handlers.boundaries.reach(boundary) } catch {
            die()
            return false
        }
        return true
    }

    private func setAlarm(_ machine: ExperimentMachine, _ now: Timestamp) {
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
        guard let machine, let due = machine.due, due <= handlers.now() else { return schedule() }
        Task {
            // What is decided now is decided by what is known now.
            await consider(machine.plan, isDue: true)
            post(.timePassed)
        }
    }

    private func keepWatch(_ machine: ExperimentMachine) {
        let wanted = machine.isWatched ? machine.layer : nil
        guard (wanted == nil ? nil : machine.attempt) != watcher?.attempt else { return }
        watcher?.task.cancel()
        watcher = wanted.map { layer in
            (board, look, posted) = (nil, nil, nil)
            return (machine.attempt, Task { await keepLooking(machine.plan, layer, from: machine.mark) })
        }
    }

    // MARK: Stopping

    /// As a process that was killed: nothing more is heard, recorded or done.
    func die() {
        isStopped = true
        for task in carried.values { task.cancel() }
        alarm?.task.cancel()
        watcher?.task.cancel()
    }

    /// Stops acting and waits for what is under way.
    func drain() async {
        die()
        for task in carried.values { await task.value }
        await watcher?.task.value
    }
}
