public import Faults
import JSON
public import Ledger
import Telemetry

/// Conducts one resource: what happens to it goes through one bounded mailbox, is decided by its machine, recorded, and only
/// then acted on. What is to be done follows from the machine alone, so that a restart goes on by replaying it.
public actor Conductor<M: Machine> {
    public static var lettersMax: Int { 256 }
    /// How often a decision is taken anew because somebody else recorded something first.
    static var movesMax: Int { 8 }

    public let name: String
    private let ledger: LedgerWriter
    public let handlers: Handlers<M>
    private let log = Log(M.kind)
    private var resource: ResourceID { ResourceID(M.kind, name) }

    public private(set) var chronicle: Chronicle<M>
    private var mailbox: [Letter] = []
    private var isReceiving = false
    /// Stops hearing and acting: the daemon ends, or a test killed it.
    public private(set) var isStopped = false

    private var carried: [Int: Task<Void, Never>] = [:]
    /// Recorded by an earlier life and not answered: asked about before they are performed.
    private var orphans: Set<Int> = []
    private var alarm: (at: Timestamp, task: Task<Void, Never>)?
    private var watchers: [M.Watched: Task<Void, Never>] = [:]

    private struct Letter {
        var input: M.Input
        var by: String
        var plan: M.Plan?
        /// Of the attempt it is about; nil for any.
        var attempt: Int?
        var answer: CheckedContinuation<Fault?, Never>?
    }

    public init(name: String, chronicle: Chronicle<M>, ledger: LedgerWriter, handlers: Handlers<M>) {
        (self.name, self.chronicle, self.ledger, self.handlers) = (name, chronicle, ledger, handlers)
        orphans = Set(chronicle.machine?.intents.map(\.id) ?? [])
    }

    public var machine: M? { chronicle.machine }

    /// Why this version does not conduct it; nil when it does.
    public var hindrance: Fault? { chronicle.hindrance }

    /// Nothing is under way and nothing waits to be heard. A delayed effect, a timer or the next observation may still come.
    public var isQuiet: Bool { isStopped || (mailbox.isEmpty && !isReceiving && carried.isEmpty) }

    /// An effect of this kind is being performed.
    public func isUnderWay(_ kind: M.Effect.Kind) -> Bool {
        machine?.intents.contains { $0.effect.kind == kind && carried[$0.id] != nil } ?? false
    }

    // MARK: Hearing

    /// Takes up where the last life ended.
    public func resume() { schedule() }

    /// A person has this version go on from where it sees a resource that an earlier one recorded otherwise. False when it is
    /// conducted anyhow, or was altered: then nothing is recorded.
    public func resumeByThisVersion(by: String) async throws(Fault) -> Bool {
        guard hindrance != nil, let acceptance = chronicle.toAccept else { return false }
        let draft = LedgerDraft(kind: Chronicle<M>.acceptance, by: by, body: JSONValue(encoding: acceptance))
        do throws(AppendRefusal) {
            chronicle.accepted(at: try await ledger.append(draft, to: resource, after: chronicle.head))
        } catch {
            if case .cannotRecord(let fault) = error { throw fault }
            throw Fault(.conflict, what: "\(name) was not resumed.", why: "Something else changed it.", fix: "Try again.")
        }
        schedule()
        return true
    }

    /// Begins a new attempt. Returns when it is recorded.
    public func apply(_ plan: M.Plan, by: String) async throws(Fault) { try await ask(.applied, by: by, plan: plan) }

    /// Something that a person, or another resource, has to say. Returns when it is recorded.
    public func tell(_ event: M.Event, by: String) async throws(Fault) { try await ask(event, by: by) }

    private func ask(_ event: M.Event, by: String, plan: M.Plan? = nil) async throws(Fault) {
        let fault = await withCheckedContinuation { answer in
            let letter = Letter(input: .init(event, at: handlers.now()), by: by, plan: plan, answer: answer)
            if let fault = put(letter) { answer.resume(returning: fault) }
        }
        if let fault { throw fault }
    }

    /// What a watcher saw. False when the mailbox is full: what is not urgent comes again. `attempt`: it is about this one only.
    @discardableResult
    public func post(_ event: M.Event, attempt: Int? = nil) -> Bool { post(event, answering: nil, attempt: attempt) }

    @discardableResult
    private func post(_ event: M.Event, answering: Int?, attempt: Int?) -> Bool {
        let input = M.Input(event, at: handlers.now(), answering: answering)
        return nil == put(Letter(input: input, by: "conductor", plan: nil, attempt: attempt, answer: nil))
    }

    private func put(_ letter: Letter) -> Fault? {
        if let hindrance { return hindrance }
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
        for letter in mailbox { letter.answer?.resume(returning: stopping) }
        if isStopped { mailbox.removeAll() }
        isReceiving = false
    }

    private var stopping: Fault {
        Fault(.unavailable, what: "\(name) did not hear it.", why: "The daemon is stopping.", fix: "Try again.")
    }

    /// Decide, record, then let `schedule` act. An event without consequences that nobody asked for is not recorded.
    private func receive(_ letter: Letter) async -> Fault? {
        var patience = Duration.milliseconds(100)
        var moves = 0
        while !isStopped {
            if let machine {
                if let refusal = machine.refusal(of: letter.input.event, beginning: letter.plan) { return refusal }
                if letter.plan == nil, isStale(letter, for: machine) { return nil }
            }
            guard let decision = chronicle.decide(letter.input, plan: letter.plan) else { return nil }
            let draft = LedgerDraft(kind: decision.kind, by: letter.by, body: JSONValue(encoding: decision.record))
            do throws(AppendRefusal) {
                let position = try await ledger.append(draft, to: resource, after: chronicle.head)
                chronicle.accept(decision, at: position)
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
                    log.error("cannot record, and so cannot act", [M.kind: .string(name), "why": .string(fault.what)])
                    await handlers.sleep(handlers.now() + patience)
                    patience = min(patience * 2, .seconds(5))
                }
            }
        }
        return stopping
    }

    private func isStale(_ letter: Letter, for machine: M) -> Bool {
        if let attempt = letter.attempt, attempt != machine.attempt { return true }
        if let id = letter.input.answering { return !machine.intents.contains { $0.id == id } }
        if letter.input.event == .timePassed { return machine.due.map { $0 > letter.input.at } ?? true }
        return machine.isStale(letter.input.event, at: letter.input.at)
    }

    /// Somebody else recorded for this resource: take it up.
    private func catchUp() async -> Fault? {
        do {
            for entry in try await ledger.reader.entries(kind: resource.kind, name: resource.name, after: chronicle.head) {
                chronicle.fold(entry)
            }
            return hindrance
        } catch { return error }
    }

    // MARK: Acting

    /// Starts what the machine wants and nobody does yet, and stops what it wants no more.
    private func schedule() {
        guard !isStopped, hindrance == nil, let machine else { return }
        let now = handlers.now()
        for (id, task) in carried where !machine.intents.contains(where: { $0.id == id }) { task.cancel() }
        for intent in machine.intents where intent.due <= now && carried[intent.id] == nil {
            if carried.isEmpty || intent.effect.isUrgent { carry(intent, machine) }
        }
        setAlarm(machine, now)
        keepWatch(machine)
    }

    private func carry(_ intent: M.Intent, _ machine: M) {
        let call = EffectCall(intent: intent, machine: machine, fence: chronicle.fences[intent.id] ?? chronicle.head)
        let isOrphan = orphans.contains(intent.id)
        carried[intent.id] = Task {
            // It counts as carried until its answer is recorded: between the two it must not be performed again.
            if let event = await perform(call, isOrphan: isOrphan) { post(event, answering: intent.id, attempt: nil) }
        }
    }

    /// Nil when the conductor was stopped meanwhile: the next life finds out what became of it.
    private func perform(_ call: EffectCall<M>, isOrphan: Bool) async -> M.Event? {
        let kind = call.intent.effect.kind
        if isOrphan, case .done(let event) = await handlers.query(call) { return event }
        guard reach(EffectBoundary<M>.before(kind)), !isStopped else { return nil }
        let event: M.Event
        do throws(Fault) {
            event = try await handlers.perform(call)
        } catch {
            event = .failed(trouble: Trouble(error))
            if !Task.isCancelled {
                log.warning(error.what, [M.kind: .string(name), "effect": .string(kind.rawValue), "why": .string(error.why)])
            }
        }
        guard reach(EffectBoundary<M>.after(kind)), !isStopped else { return nil }
        return event
    }

    /// False when a test killed it here.
    public func reach(_ boundary: String) -> Bool {
        do { try handlers.boundaries.reach(boundary) } catch {
            die()
            return false
        }
        return true
    }

    private func setAlarm(_ machine: M, _ now: Timestamp) {
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
        guard let due = machine?.due, due <= handlers.now() else { return schedule() }
        guard let prepare = handlers.beforeTimePasses else {
            post(.timePassed)
            return
        }
        Task {
            await prepare(self)
            post(.timePassed)
        }
    }

    private func keepWatch(_ machine: M) {
        let wanted = machine.watched
        for (watch, task) in watchers where !wanted.contains(watch) {
            task.cancel()
            watchers[watch] = nil
        }
        for watch in wanted where watchers[watch] == nil { watchers[watch] = Task { await handlers.watch(watch, self) } }
    }

    // MARK: Stopping

    /// As a process that was killed: nothing more is heard, recorded or done.
    public func die() {
        isStopped = true
        for task in carried.values { task.cancel() }
        alarm?.task.cancel()
        for task in watchers.values { task.cancel() }
    }

    /// Stops acting and waits for what is under way. What runs in the world stays; the next life takes it up.
    public func drain() async {
        die()
        for task in carried.values { await task.value }
        for task in watchers.values { await task.value }
    }
}
