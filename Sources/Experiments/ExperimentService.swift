import Conducting
public import Faults
public import JSON
public import Ledger
public import Outcomes
public import Registry
public import Routing
import Telemetry
public import YAML

/// Conducts experiments. Each has a conductor with its own mailbox; this actor knows them all and plans new ones. One per
/// installation.
public actor ExperimentService {
    /// What an experiment has spent of its budget in the present period, in billionths of a dollar; nil where nobody knows.
    public typealias Spent = @Sendable (_ experiment: String) async -> Int64?
    /// Takes a model's version to everybody, gate by gate, and returns when that is decided: the request is recorded by the
    /// experiment, whoever conducts releases is told by the wiring. Asked again, it takes up the same release.
    public typealias Release = @Sendable (ReleaseRequest) async throws(Fault) -> ExperimentMachine.ReleaseOutcome

    public struct Settings: Sendable {
        /// Where evidence is written down.
        public var directory: String
        public var boundaries = Boundaries.unwatched
        public init(directory: String) { self.directory = directory }
    }

    /// Experiments that run at a time.
    public static let runningMax = 256

    let ledger: LedgerWriter
    let registry: RegistryService
    let routes: RouteService
    let outcomes: OutcomeStore
    private let release: Release
    private let spent: Spent
    private let folder: ExperimentFolder
    private let settings: Settings
    var conductors = Conductors<ExperimentMachine>()
    private var watchers: [String: ExperimentWatcher] = [:]
    private var isDraining = false

    public init(
        settings: Settings, ledger: LedgerWriter, registry: RegistryService, routes: RouteService, outcomes: OutcomeStore,
        release: @escaping Release, spent: @escaping Spent = { _ in nil }
    ) {
        (self.settings, self.ledger, self.registry, self.routes) = (settings, ledger, registry, routes)
        (self.outcomes, self.release, self.spent) = (outcomes, release, spent)
        folder = ExperimentFolder(directory: settings.directory)
    }

    /// Replays the ledger and goes on where the last life ended.
    public func restore() async throws(Fault) {
        for (name, chronicle) in try await Conductors<ExperimentMachine>.chronicles(in: ledger.reader) {
            conductors[name] = conductor(name, chronicle)
        }
        await conductors.resume()
    }

    // MARK: Applying

    /// Reads one `experiment:` and checks it against registry, routes and traffic. Changes nothing. See `ExperimentPlan.json`.
    /// `assuming`: what a person says of the metric (which then counts instead of what was seen) and of the traffic.
    public func plan(_ node: YAMLNode, assuming given: PlanAssumption = PlanAssumption()) async throws(Fault) -> JSONValue {
        let spec = try ExperimentSpec(node)
        guard let machine = await conductors[spec.name]?.machine, !machine.isOver else {
            return try await makePlan(spec, file: node.file, newest: Self.planReach, assuming: given).json
        }
        let change = try ExperimentChange(of: machine, to: spec)
        let planned = try await makePlan(spec, file: node.file, newest: Self.applyReach, assuming: given)
        guard case .object(var members) = planned.json else { return .null }
        members["changes"] = .array(change.texts.map(JSONValue.string))
        return .object(members)
    }

    /// Plans, records and starts it. Returns with its status as soon as that is recorded. An experiment that runs with the same
    /// content is left as it is; one that runs with another is changed, as far as it may be; one that has ended begins anew.
    public func apply(_ node: YAMLNode, by: String) async throws(Fault) -> JSONValue {
        guard !isDraining else {
            throw Fault(
                .unavailable, what: "No experiment can begin now.", why: "The daemon is stopping.", fix: "Try again when it is up.")
        }
        let spec = try ExperimentSpec(node)
        if let conductor = conductors[spec.name], let machine = await conductor.machine, !machine.isOver {
            return try await change(conductor, from: machine, to: spec, file: node.file, by: by)
        }
        try await refuseTooMany()
        let plan = try await makePlan(spec, file: node.file, newest: Self.applyReach)
        let conductor = conductors[spec.name] ?? conductor(spec.name, Chronicle())
        conductors[spec.name] = conductor
        try await conductor.apply(plan, by: by)
        await hasBegun(conductor)
        return try await status(spec.name)
    }

    /// A running experiment's file was applied again. Returns when what changed is served, or after a while with how far it got.
    private func change(
        _ conductor: Conductor<ExperimentMachine>, from machine: ExperimentMachine, to spec: ExperimentSpec, file: String,
        by: String
    ) async throws(Fault) -> JSONValue {
        guard !machine.plan.spec.isSame(as: spec) else { return try await status(spec.name) }
        if let refusal = machine.refusal(ofChangeTo: spec) { throw refusal }
        _ = try await makePlan(spec, file: file, newest: Self.applyReach)  // what joins must be there
        try await conductor.tell(.changed(spec: spec), by: by)
        let deadline = ContinuousClock.now + .seconds(5)
        while await conductor.machine?.isChanging == true, await !conductor.isStopped, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(2))
        }
        return try await status(spec.name)
    }

    /// Whether an experiment's latest attempt has this content, running or ended: one that could not begin says nothing.
    public func stands(_ spec: ExperimentSpec) async -> Bool {
        guard let machine = await conductors[spec.name]?.machine, machine.ending?.cause != .failed else { return false }
        return machine.plan.spec.isSame(as: spec)
    }

    private func refuseTooMany() async throws(Fault) {
        let running = await conductors.machines().filter { !$0.isOver }.count
        guard running >= Self.runningMax else { return }
        throw Fault(
            .limitReached, what: "There cannot be another experiment now.", why: "\(running) are running.",
            fix: "Stop some: openclaw experiment list")
    }

    /// Whoever applied it is answered when every loop serves it, or after a while with how far it got.
    private func hasBegun(_ conductor: Conductor<ExperimentMachine>) async {
        let deadline = ContinuousClock.now + .seconds(5)
        while await conductor.machine?.startedAt == nil, await conductor.machine?.isOver == false, await !conductor.isStopped,
            ContinuousClock.now < deadline
        {
            try? await Task.sleep(for: .milliseconds(2))
        }
    }

    // MARK: Commands

    /// Returns when what was asked for is done, or after a while with how far it got.
    public func perform(_ command: ExperimentCommand, on name: String, by: String, reason: String?) async throws(Fault) -> JSONValue
    {
        let conductor = try conductors.known(name)
        try await conductor.command(command, by: by, reason: reason)
        let deadline = ContinuousClock.now + .seconds(5)
        while let machine = await conductor.machine, !machine.isOver, machine.stateText == "ending", await !conductor.isStopped,
            ContinuousClock.now < deadline
        {
            try? await Task.sleep(for: .milliseconds(5))
        }
        return try await status(name)
    }

    // MARK: Telling

    /// See `ExperimentStatus`.
    public func status(_ name: String) async throws(Fault) -> JSONValue {
        let conductor = try conductors.known(name)
        let chronicle = await conductor.chronicle
        guard let status = await status(of: name, chronicle) else { throw chronicle.hindrance ?? conductors.unknown(name) }
        return status
    }

    private func status(of name: String, _ chronicle: Chronicle<ExperimentMachine>) async -> JSONValue? {
        guard let machine = chronicle.machine else { return nil }
        let spent = machine.plan.spec.budget == nil ? nil : await spent(name)
        let status = ExperimentStatus(machine: machine, head: chronicle.head, look: await watchers[name]?.look, spent: spent)
        return chronicle.telling(status.json)
    }

    /// The status of every experiment, the latest applied first.
    public func list() async -> [JSONValue] {
        var items: [JSONValue] = []
        for (conductor, chronicle) in await conductors.latest() {
            if let json = await status(of: conductor.name, chronicle) { items.append(json) }
        }
        return items
    }

    /// Why each of those that this version does not conduct is not conducted.
    public func hindrances() async -> [Fault] { await conductors.hindrances() }

    /// Goes on with an experiment that an earlier version recorded otherwise, from where this version sees it.
    public func resume(_ name: String, by: String) async throws(Fault) -> JSONValue {
        guard try await conductors.known(name).resumeByThisVersion(by: by) else {
            throw Fault(
                .conflict, what: "Experiment \(name) has nothing to resume.",
                why: "This version conducts it, or cannot read it.",
                fix: "See how it stands: openclaw experiment status \(name)")
        }
        return try await status(name)
    }

    /// Stops looking and acting; the next life goes on.
    public func drain() async {
        isDraining = true
        await conductors.drain()
    }

    // MARK: Conductors

    private func conductor(_ name: String, _ chronicle: Chronicle<ExperimentMachine>) -> Conductor<ExperimentMachine> {
        let watcher = ExperimentWatcher(name: name, handlers: handlers())
        watchers[name] = watcher
        return Conductor(name: name, chronicle: chronicle, ledger: ledger, handlers: watcher.hands)
    }

    private func handlers() -> ExperimentHandlers {
        let performer = ExperimentPerformer(registry: registry, routes: routes, release: release)
        let (outcomes, folder, routes) = (outcomes, folder, routes)
        return ExperimentHandlers(
            perform: { (call) throws(Fault) in try await performer.perform(call) },
            observations: { (route, cursor) throws(Fault) in
                try await outcomes.observations(of: route, after: cursor, limit: ExperimentHandlers.observationsMax)
            }, waitForNews: { await outcomes.waitForNews(after: $0, deadline: $1) },
            keep: { (name, bytes) throws(Fault) in try await folder.keep(name, bytes) }, kept: { await folder.kept($0, $1) },
            now: { Timestamp.now() },
            sleep: { at in try? await Task.sleep(for: max(.zero, at - Timestamp.now())) }, boundaries: settings.boundaries,
            pasts: { (route, metric, cursor) throws(Fault) in
                try await Covariate.read(metric, of: route, upTo: cursor, outcomes, routes)
            }, remember: { await routes.remember($1, means: $2, of: $0.name, on: $0.route) })
    }
}
