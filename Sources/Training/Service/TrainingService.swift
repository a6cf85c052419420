import Conducting
public import Faults
public import JSON
public import Ledger
public import Registry
import Telemetry
import Worker

/// Conducts training jobs: takes them, places them, has Workers started, and tells the ranks about each other. One per
/// installation.
public actor TrainingService {
    public struct Settings: Sendable {
        /// Where jobs keep what they write.
        public var directory: String
        /// This program: Workers are further processes of it.
        public var program: String
        public var adapter: Adapter
        public var engine = EngineChoice.local
        public var boundaries = Boundaries.unwatched
        public init(directory: String, program: String, adapter: Adapter) {
            (self.directory, self.program, self.adapter) = (directory, program, adapter)
        }
    }

    /// Jobs that wait or run.
    public static let openMax = 10_000

    let settings: Settings
    let ledger: LedgerWriter
    let registry: RegistryService
    let engine: any Engine
    /// Signs for Workers on other machines; nil where there are none.
    let authority: WorkerAuthority?
    /// Where Workers come in.
    private let door: WorkerDesk.Door
    /// Sockets of the daemon and of Workers: their paths must be short.
    let sockets: String
    let log = Log("training")
    var conductors = Conductors<JobMachine>()
    var boards: [String: JobBoard] = [:]
    var rolls: [RankKey: RunRoll] = [:]
    /// Deaths that ranks have not been told of.
    var unpublished: [RankKey: [Int]] = [:]
    /// Ranks that are being ended because they hung, and how that was seen.
    var hanging: [RankKey: RankDeath] = [:]
    /// Runs whose data is being read for its digest.
    var digesting: Set<RankKey> = []
    var queue = QueueDesk()
    var policies = PolicyBook()
    private var isDraining = false
    private var lastNumber = 0
    private(set) var desk: WorkerDesk!
    private var keeping: Task<Void, Never>?
    private var looking: Task<Void, Never>?

    /// Faults: the certificates of remote Workers can neither be read nor made.
    public init(settings: Settings, ledger: LedgerWriter, registry: RegistryService) throws(Fault) {
        (self.settings, self.ledger, self.registry) = (settings, ledger, registry)
        sockets = SocketFolder.path(for: settings.directory, isRemote: settings.engine != .local)
        switch settings.engine {
        case .local:
            (engine, authority) = (LocalEngine(program: settings.program), nil)
            door = .init(address: "unix:\(sockets)/daemon")
        case .slurm(let slurm):
            let authority = try WorkerAuthority(in: "\(settings.directory)/.workers")
            self.authority = authority
            door = .init(
                address: slurm.address, identity: try authority.server(), portFile: "\(authority.folder)/port")
            engine = SlurmEngine(
                program: settings.program, settings: slurm, folder: settings.directory, installation: authority.installation)
        }
    }

    /// Replays the ledger, and takes up the Workers that ran on meanwhile.
    public func restore() async throws(Fault) {
        for kind in PolicyBook.kinds {
            for entry in try await ledger.reader.entries(kind: kind) {
                try policies.absorb(entry.kind, entry.body, of: entry.resource, at: entry.position)
            }
        }
        for (name, chronicle) in try await Conductors<JobMachine>.chronicles(in: ledger.reader) {
            conductors[name] = conductor(name, chronicle)
            lastNumber = max(lastNumber, chronicle.machine?.plan.number ?? 0)
        }
        let seated = await conductors.machines().filter(\.state.isSeated)
        for machine in seated {
            boards[machine.name] = BoardFile(machine.plan).read()
            try await expectWorkers(of: machine)
        }
        if engine.isRemote {
            // A daemon that Workers cannot reach says so now, not with the first job.
            try await theDesk().open()
            await engine.look()
            looking = Task { [weak self] in await Self.keepLooking(self) }
        }
        await conductors.resume()
        considerSoon()
    }

    /// Their tokens stand in their plans.
    private func expectWorkers(of machine: JobMachine) async throws(Fault) {
        for (slot, rank) in machine.ranks.enumerated() where !rank.isGone {
            let folder = machine.plan.rankFolder(run: machine.run, slot: slot, life: rank.life)
            guard let plan = try? WorkerPlan(reading: WorkerPlan.path(in: folder)) else { continue }
            try SocketFolder.make(sockets)
            try await theDesk().expect(machine.key(slot), token: plan.token, world: machine.world)
        }
    }

    func theDesk() -> WorkerDesk {
        if let desk { return desk }
        let made = WorkerDesk(door: door) { [weak self] key, report in await self?.hear(report, from: key) }
        desk = made
        return made
    }

    // MARK: Submitting

    /// Takes a job. The same content again is the same job while it is open; with another content it is refused.
    public func submit(_ spec: JobSpec, in directory: String, by: String) async throws(Fault) -> JSONValue {
        guard !isDraining else {
            throw Fault(
                .unavailable, what: "No job can begin now.", why: "The daemon is stopping.", fix: "Try again when it is up.")
        }
        if let machine = await conductors[spec.name]?.machine, !machine.isOver, machine.spec == spec,
            machine.plan.directory == workFolder(of: spec, in: directory)
        {
            return try await status(spec.name)
        }
        let plan = try await makePlan(spec, in: directory)
        let conductor = conductors[spec.name] ?? conductor(spec.name, Chronicle())
        conductors[spec.name] = conductor
        try await conductor.apply(plan, by: by)
        boards[spec.name] = JobBoard()
        considerSoon()
        return try await status(spec.name)
    }

    /// The content of a job's latest submission; nil when there was none.
    public func spec(of name: String) async -> JobSpec? { await conductors[name]?.machine?.spec }

    private func workFolder(of spec: JobSpec, in directory: String) -> String {
        spec.workdir == "." ? directory : spec.workdir.hasPrefix("/") ? spec.workdir : "\(directory)/\(spec.workdir)"
    }

    private func makePlan(_ spec: JobSpec, in directory: String) async throws(Fault) -> JobPlan {
        let open = await conductors.machines().count { !$0.isOver }
        guard open < Self.openMax else {
            throw Fault(.limitReached, what: "There cannot be another job now.", why: "\(open) wait or run.", fix: "Cancel some.")
        }
        if let wanted = spec.engine, wanted != engine.name {
            throw Fault(
                .badConfiguration, what: "\(spec.name) cannot run here.",
                why: "It wants engine \(wanted), and this daemon has \(engine.name).",
                fix: "Leave `engine:` out, or start the daemon with `openclaw serve --engine \(wanted)`.")
        }
        let folder = workFolder(of: spec, in: directory)
        guard PlainFiles.isFolder(folder) else {
            throw Fault(
                .badConfiguration, what: "\(spec.name) cannot run in \(folder).", why: "There is no such folder.",
                fix: "Correct `workdir:`.")
        }
        if let missing = spec.data.flatMap({ DataDigest(paths: $0, in: folder).missing }) {
            throw Fault(
                .badConfiguration, what: "\(spec.name) has no data at \(missing).", why: "There is no such file or folder.",
                fix: "Correct `data:`; paths are relative to `workdir:`.")
        }
        if let output = spec.output, let id = VersionID(output.register), await registry.version(id) != nil {
            throw Fault(
                .conflict, what: "\(output.register) is registered already.", why: "A version is registered once.",
                fix: "Choose another in `output.register:`.")
        }
        lastNumber += 1
        let attempt = (await conductors[spec.name]?.machine?.attempt ?? 0) + 1
        return JobPlan(
            spec: spec, directory: folder, folder: "\(settings.directory)/\(spec.name)/\(attempt)", number: lastNumber)
    }

    // MARK: Commands

    public func cancel(_ name: String, by: String, reason: String?) async throws(Fault) -> JSONValue {
        try await known(name).tell(.cancelled(by: by, reason: reason), by: by)
        return try await status(name)
    }

    /// So many ranks from now on. A job that runs with another number changes while it trains where its script can, and else is
    /// stopped at a checkpoint and goes on with these.
    public func scale(_ name: String, to ranks: Int, by: String) async throws(Fault) -> JSONValue {
        guard (1...JobSpec.ranksMax).contains(ranks) else {
            throw Fault(
                .usage, what: "\(name) cannot have \(ranks) ranks.", why: "From 1 to \(JobSpec.ranksMax) are possible.",
                fix: "Give a number in that range.")
        }
        try await known(name).tell(.scaleAsked(ranks: ranks, by: by), by: by)
        considerSoon()
        return try await status(name)
    }

    /// Goes on from where this version sees a job that an earlier one recorded otherwise.
    public func resume(_ name: String, by: String) async throws(Fault) -> JSONValue {
        guard try await known(name).resumeByThisVersion(by: by) else {
            throw Fault(
                .conflict, what: "Job \(name) has nothing to resume.", why: "This version reads its ledger as it was recorded.",
                fix: "See how it stands: openclaw train status \(name)")
        }
        considerSoon()
        return try await status(name)
    }

    /// Jobs that this version does not conduct before a person has said so.
    public func hindrances() async -> [Fault] { await conductors.hindrances() }

    func known(_ name: String) throws(Fault) -> Conductor<JobMachine> {
        if let conductor = conductors[name] { return conductor }
        let nearest = Suggestion.closest(to: name, among: conductors.names)
        throw Fault(
            .notFound, what: "There is no training job \(name).", why: "Nothing of that name was submitted.",
            fix: nearest.map { "Did you mean \($0)?" } ?? "openclaw train list shows them all.")
    }

    /// Stops acting; Workers train on, and the next life takes them up.
    public func drain() async {
        isDraining = true
        keeping?.cancel()
        looking?.cancel()
        queue.stop()
        await conductors.drain()
        await desk?.stop()
        for name in boards.keys { await keepBoard(name) }
    }

    // MARK: Conductors

    private func conductor(_ name: String, _ chronicle: Chronicle<JobMachine>) -> Conductor<JobMachine> {
        let handlers = Handlers<JobMachine>(
            perform: { [weak self] (call) throws(Fault) in
                guard let self else { throw Self.gone }
                return try await self.perform(call)
            }, query: { [weak self] call in await self?.query(call) ?? .absent },
            watch: { [weak self] watched, conductor in await self?.watch(watched, conductor) },
            heard: { [weak self] name, event in await self?.heard(event, of: name) },
            boundaries: settings.boundaries)
        return Conductor(name: name, chronicle: chronicle, ledger: ledger, handlers: handlers)
    }

    private static var gone: Fault {
        Fault(.unavailable, what: "Nothing is conducted any more.", why: "The daemon is stopping.", fix: "It goes on later.")
    }

    /// After an event was recorded: ranks hear about each other, and the queue is looked at where room may have come.
    private func heard(_ event: JobMachine.Event, of name: String) async {
        guard let machine = await conductors[name]?.machine else { return }
        switch event {
        case .died(let slot, _, _, _, _):
            if machine.state == .running || machine.state == .starting { await publish(machine, dead: [slot]) }
        case .formed, .met, .joined, .changing, .rescaled, .dismissed: await publish(machine, dead: [])
        case .left where machine.isChanging || machine.changes.last?.run == machine.run: await publish(machine, dead: [])
        case .timePassed where machine.state == .running, .preempted where machine.state == .running:
            await publish(machine, dead: [])
        case .applied, .timePassed, .failed, .placed, .reseated, .launched, .left, .checkpointed, .stopAsked, .killed, .registered,
            .cancelled, .scaled, .scaleAsked, .preempted, .resized, .drained:
            break
        }
        if !machine.state.isSeated { await release(machine) }
        if machine.isOver { await keepBoard(name) }
        considerSoon()
    }

    /// After a restart some Workers may not have come again yet: ranks that run on must not be told that those are gone.
    func publish(_ machine: JobMachine, dead: [Int]) async {
        guard machine.epoch > 0 else { return }
        let roll = rolls[machine.rollKey] ?? RunRoll()
        let dead = (unpublished.removeValue(forKey: machine.rollKey) ?? []) + dead
        guard roll.knowsAll(who: machine) else {
            unpublished[machine.rollKey] = dead
            return
        }
        await theDesk().publish(roll.membership(of: machine), dead: dead, to: machine.ranks.indices.map(machine.key))
    }

    /// Nobody of the run is waited for any more.
    private func release(_ machine: JobMachine) async {
        if engine.isRemote { Task { await giveBack() } }
        guard machine.run > 0, rolls.removeValue(forKey: machine.rollKey) != nil || desk != nil else { return }
        hanging = hanging.filter { $0.key.job != machine.name }
        await desk?.forget(job: machine.name, attempt: machine.attempt, run: machine.run)
    }

    // MARK: Boards

    /// Keeps what ranks told on disk, now and then.
    func keepBoards() {
        guard keeping == nil else { return }
        keeping = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(5))
                guard let self, !Task.isCancelled else { return }
                await self.keepRunningBoards()
            }
        }
    }

    private func keepRunningBoards() async {
        let seated = await conductors.machines().filter(\.state.isSeated)
        for machine in seated {
            await rememberThroughput(of: machine)
            await keepBoard(machine.name)
        }
        if seated.isEmpty {
            keeping?.cancel()
            keeping = nil
        }
    }

    private func keepBoard(_ name: String) async {
        guard let board = boards[name], let machine = await conductors[name]?.machine else { return }
        BoardFile(machine.plan).write(board)
    }

    func board(of machine: JobMachine) -> JobBoard {
        if let board = boards[machine.name] { return board }
        let board = BoardFile(machine.plan).read() ?? JobBoard()
        boards[machine.name] = board
        return board
    }
}

extension JobMachine {
    func key(_ slot: Int) -> RankKey { RankKey(job: name, attempt: attempt, run: run, slot: slot, life: ranks[slot].life) }
    /// Names the run as a whole.
    var rollKey: RankKey { RankKey(job: name, attempt: attempt, run: run, slot: -1, life: 0) }
}

/// Where a job's board is kept.
struct BoardFile {
    private let path: String
    init(_ plan: JobPlan) { path = "\(plan.folder)/board.json" }

    func read() -> JobBoard? {
        let bytes = PlainFiles.read(path, limit: 64 << 20)
        guard !bytes.isEmpty, let json = try? JSONValue(parsing: bytes) else { return nil }
        return try? json.decoded(as: JobBoard.self)
    }

    /// A board that cannot be kept is still in memory: the next try comes soon.
    func write(_ board: JobBoard) { try? PlainFiles.write(JSONValue(encoding: board).canonicalText, to: path) }
}
