import Conducting
public import Faults
import HTTP
public import JSON
public import Ledger
public import Outcomes
import Processes
public import Registry
public import Routing
import Telemetry
public import YAML

/// Conducts releases. Each has a conductor with its own mailbox; this actor knows them all, plans new ones, and settles who
/// comes next on a route. One per installation.
public actor ReleaseService {
    public struct Settings: Sendable {
        /// Work folders, captured output, server logs.
        public var directory: String
        public var boundaries = Boundaries.unwatched
        public init(directory: String) { self.directory = directory }
    }

    /// What becomes of a release whose route another one owns.
    public enum WhenBusy: String, Sendable, Codable {
        /// It waits for its turn.
        case queue
        /// The running one goes back (or, when promoted, ends its bake), then this one begins.
        case replace
        case refuse
    }

    /// Releases that wait for one route.
    static let queueMax = 16

    let settings: Settings
    let ledger: LedgerWriter
    let registry: RegistryService
    let routes: RouteService
    let outcomes: OutcomeStore
    let outbound = Outbound()
    var conductors = Conductors<ReleaseMachine>()
    private var watchers: [String: ReleaseWatcher] = [:]
    var queueWatch: Task<Void, Never>?
    var isDraining = false

    public init(settings: Settings, ledger: LedgerWriter, registry: RegistryService, routes: RouteService, outcomes: OutcomeStore) {
        (self.settings, self.ledger, self.registry, self.routes, self.outcomes) = (settings, ledger, registry, routes, outcomes)
    }

    /// Replays the ledger, adopts running servers, asks what became of effects that were under way, and goes on.
    public func restore() async throws(Fault) {
        for (name, chronicle) in try await Conductors<ReleaseMachine>.chronicles(in: ledger.reader) {
            conductors[name] = conductor(name, chronicle)
        }
        await conductors.resume()
        keepQueueMoving()
    }

    // MARK: Planning

    /// Reads one `release_pipeline:` and checks it against registry, routes and running releases. Changes nothing. See
    /// `ReleasePlan.json`.
    public func plan(_ node: YAMLNode) async throws(Fault) -> JSONValue {
        let plan = try await makePlan(try ReleaseSpec(node), file: node.file)
        guard case .object(var members) = plan.json, let route = plan.route, let owner = await routes.owner(of: route) else {
            return plan.json
        }
        members["route_owner"] = .string(owner)
        return .object(members)
    }

    func makePlan(_ spec: ReleaseSpec, file: String) async throws(Fault) -> ReleasePlan {
        try ReleasePlan(spec, file: file, seeing: await surroundings(of: spec))
    }

    private func surroundings(of spec: ReleaseSpec) async -> Surroundings {
        var here = Surroundings()
        here.model = await registry.model(spec.version.model)
        here.modelNames = await registry.models().map(\.name)
        here.registered = await registry.version(spec.version)
        here.versionNames = await registry.versions(of: spec.version.model).map(\.id.version)
        here.stableAlias = await registry.alias("stable", of: spec.version.model)
        if let route = here.model?.route { here.route = await routes.route(route) }
        let alias = here.stableAlias.map { VersionID(model: spec.version.model, version: $0) }
        if let named = spec.rollback.previousVersion, here.route?.stable(alias: alias)?.name != named {
            here.previousTrouble = await trouble(of: VersionID(model: spec.version.model, version: named), here)
        }
        return here
    }

    /// Why a version could not take traffic back: known to be bad, or not answering.
    private func trouble(of version: VersionID, _ here: Surroundings) async -> String? {
        if let machine = await conductors["\(version.model)-\(version.version)"]?.machine, machine.state == .rolledBack,
            machine.ending?.cause == .gateFailed
        {
            return "it was rolled back itself (\(machine.ending?.text ?? ""))"
        }
        var url = here.route?.variant(serving: version)?.url
        if url == nil { url = await self.url(serving: version) }
        guard let url else { return "it is not served anywhere" }
        return await ModelServer.trouble(at: url, of: here.model, outbound)
    }

    // MARK: Applying

    /// Plans, records and starts (or queues) it. Returns at once with its status. A pipeline that runs already, or whose
    /// promotion stands, is left as it is.
    public func apply(_ node: YAMLNode, whenBusy: WhenBusy, by: String) async throws(Fault) -> JSONValue {
        guard !isDraining else {
            throw Fault(
                .unavailable, what: "No release can begin now.", why: "The daemon is stopping.", fix: "Try again when it is up.")
        }
        let spec = try ReleaseSpec(node)
        if let standing = await unchanged(spec) { return standing }
        let plan = try await makePlan(spec, file: node.file)
        try await makeWay(for: plan, whenBusy: whenBusy)
        let conductor = conductors[plan.name] ?? conductor(plan.name, Chronicle())
        conductors[plan.name] = conductor
        try await conductor.apply(plan, by: by)
        keepQueueMoving()
        return try await status(plan.name)
    }

    /// The pipeline of a release's latest attempt; nil when it was never applied.
    public func spec(of name: String) async -> ReleaseSpec? { await conductors[name]?.machine?.plan.spec }

    private func unchanged(_ spec: ReleaseSpec) async -> JSONValue? {
        guard let machine = await conductors[spec.name]?.machine, machine.plan.spec.isSame(as: spec) else { return nil }
        if machine.isOver {
            guard machine.state == .promoted, await isStable(machine) else { return nil }
        }
        return try? await status(spec.name)
    }

    private func isStable(_ machine: ReleaseMachine) async -> Bool {
        guard let name = machine.plan.route, let baseline = machine.baseline else {
            return await registry.alias("stable", of: machine.plan.version.model) == machine.plan.version.version
        }
        return await routes.route(name)?.sharesByName[baseline.candidate] == 10_000
    }

    private func makeWay(for plan: ReleasePlan, whenBusy: WhenBusy) async throws(Fault) {
        if let running = await conductors[plan.name]?.machine, !running.mayBeFollowed {
            try await end(running, whenBusy: whenBusy)
        }
        guard let route = plan.route else { return }
        let owner = await routes.holder(of: route)
        let rivals = await conductors.machines().filter { $0.plan.route == route && !$0.isOver && $0.plan.name != plan.name }
        let holder = owner.flatMap { $0 == CanaryStage.owner(plan.name) ? nil : $0 }
        guard !rivals.isEmpty || holder != nil else { return }
        switch whenBusy {
        case .queue:
            guard rivals.count < Self.queueMax else {
                throw Fault(
                    .limitReached, what: "\(plan.name) cannot wait for route \(route).",
                    why: "\(rivals.count) releases wait already.",
                    fix: "Abort some: openclaw release list")
            }
        case .refuse:
            throw Fault(
                .conflict, what: "Route \(route) is busy.",
                why: "\(holder ?? rivals.map(\.plan.name).joined(separator: ", ")) has it.",
                fix: "Wait for it, or apply with --when-busy queue or replace.")
        case .replace:
            if let holder, !rivals.contains(where: { CanaryStage.owner($0.plan.name) == holder }) {
                throw Fault(
                    .conflict, what: "Route \(route) cannot be taken from \(holder).",
                    why: "It is not a release, or it is ending just now.",
                    fix: "End it first, or apply with --when-busy queue.")
            }
            for rival in rivals {
                try await conductors[rival.plan.name]?.tell(.replaced(by: plan.name), by: CanaryStage.owner(plan.name))
            }
        }
    }

    /// The same name runs with another content, or ended a moment ago.
    private func end(_ running: ReleaseMachine, whenBusy: WhenBusy) async throws(Fault) {
        let name = running.plan.name
        if !running.isOver {
            guard whenBusy == .replace else {
                throw Fault(
                    .conflict, what: "\(name) is already being released, from another pipeline.",
                    why: "It is \(running.stateText), in stage \(running.stageText).",
                    fix: "Wait for it, abort it (openclaw release abort \(name)), or apply with --when-busy replace.")
            }
            try await conductors[name]?.tell(.replaced(by: name), by: CanaryStage.owner(name))
        }
        // What is left of it is a matter of moments: the route is given back.
        for _ in 0..<200 where await conductors[name]?.machine?.mayBeFollowed == false {
            try? await Task.sleep(for: .milliseconds(25))
        }
    }

    // MARK: Commands

    public func perform(_ command: ReleaseCommand, on name: String, by: String, reason: String?) async throws(Fault) -> JSONValue {
        let conductor = try conductors.known(name)
        if command == .resume, try await conductor.resumeByThisVersion(by: by) { return try await status(name) }
        if command == .rollback, let machine = await conductor.machine, machine.state == .promoted || machine.isAbandoned {
            try await refuseIfSucceeded(machine)
        }
        try await conductor.command(command, by: by, reason: reason)
        if command == .rollback || command == .abort { await isBack(conductor) }
        return try await status(name)
    }

    /// Who asked for the way back is answered when traffic is there, or after a while with how far it got.
    private func isBack(_ conductor: Conductor<ReleaseMachine>) async {
        let deadline = ContinuousClock.now + .seconds(5)
        while await conductor.machine?.state == .rollingBack, await !conductor.isStopped, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    /// A version in production that a newer one has followed is no longer what users see: going back from it would undo the newer.
    private func refuseIfSucceeded(_ machine: ReleaseMachine) async throws(Fault) {
        guard let name = machine.plan.route, let baseline = machine.baseline, let route = await routes.route(name) else { return }
        if let owner = await routes.owner(of: name), owner != CanaryStage.owner(machine.plan.name) {
            throw Fault(
                .conflict, what: "\(machine.plan.name) cannot go back now.", why: "\(owner) owns route \(name).",
                fix: "Roll that one back instead, or wait for it.")
        }
        guard route.sharesByName[baseline.candidate, default: 0] == 0 else { return }
        let now = route.sharesByName.filter { $0.value > 0 }.keys.sorted().joined(separator: ", ")
        throw Fault(
            .conflict, what: "\(machine.plan.name) has nothing to take back.", why: "\(now) answers route \(name) by now.",
            fix: "Roll back the release of that version: openclaw release history")
    }

    // MARK: Telling

    /// See `ReleaseStatus`.
    public func status(_ name: String) async throws(Fault) -> JSONValue {
        let conductor = try conductors.known(name)
        let chronicle = await conductor.chronicle
        guard let status = await status(of: name, chronicle) else { throw chronicle.hindrance ?? conductors.unknown(name) }
        return status
    }

    private func status(of name: String, _ chronicle: Chronicle<ReleaseMachine>) async -> JSONValue? {
        guard let machine = chronicle.machine else { return nil }
        let status = ReleaseStatus(machine: machine, head: chronicle.head, look: await watchers[name]?.look)
        return chronicle.telling(status.json)
    }

    /// The status of every release, the latest applied first.
    public func list() async -> [JSONValue] {
        var items: [JSONValue] = []
        for (conductor, chronicle) in await conductors.latest() {
            if let json = await status(of: conductor.name, chronicle) { items.append(json) }
        }
        return items
    }

    /// Why each of those that this version does not conduct is not conducted.
    public func hindrances() async -> [Fault] { await conductors.hindrances() }

    /// For each decision: what was seen, what would have changed it, the ledger entry that proves it. See
    /// `ReleaseStory.Chapter`.
    public func explain(_ name: String) async throws(Fault) -> JSONValue {
        _ = try conductors.known(name)
        guard let chapter = try await story(of: name).chapters.last else { throw conductors.unknown(name) }
        return chapter.explanation
    }

    /// Every attempt of one release, or of all, the latest first.
    public func history(_ name: String?) async throws(Fault) -> [JSONValue] {
        if let name { _ = try conductors.known(name) }
        var chapters: [ReleaseStory.Chapter] = []
        for name in name.map({ [$0] }) ?? conductors.names { chapters += try await story(of: name).chapters }
        return chapters.sorted { $0.last > $1.last }.map(\.line)
    }

    private func story(of name: String) async throws(Fault) -> ReleaseStory {
        try ReleaseStory(try await ledger.reader.entries(kind: ReleaseMachine.kind, name: name))
    }

    /// The url that serves a version now (its server of ours, or where it is served), for routes with `version:`.
    public func url(serving version: VersionID) async -> String? {
        if let machine = await conductors["\(version.model)-\(version.version)"]?.machine, let deployment = machine.deployment {
            return deployment.url
        }
        if let url = await registry.model(version.model)?.servedVersions[version.version] { return url }
        if case .served(let url)? = await registry.version(version)?.source { return url }
        return nil
    }

    /// Stops looking; `stopServers` also stops the model servers it started (else the next life adopts them).
    public func drain(stopServers: Bool) async {
        isDraining = true
        queueWatch?.cancel()
        await conductors.drain()
        guard stopServers else { return }
        for machine in await conductors.machines() {
            guard let process = machine.deployment?.process else { continue }
            await Child.adopt(processID: process.id, startTime: process.startTime)?.stop()
        }
    }

    // MARK: Conductors

    private func conductor(_ name: String, _ chronicle: Chronicle<ReleaseMachine>) -> Conductor<ReleaseMachine> {
        let watcher = ReleaseWatcher(name: name, handlers: handlers())
        watchers[name] = watcher
        return Conductor(name: name, chronicle: chronicle, ledger: ledger, handlers: watcher.hands)
    }

    private func handlers() -> ReleaseHandlers {
        let performer = ReleasePerformer(
            directory: settings.directory, registry: registry, routes: routes, outcomes: outcomes, outbound: outbound,
            retire: { [weak self] (call) throws(Fault) in try await self?.retirePrevious(of: call) },
            revive: { [weak self] (call) throws(Fault) in try await self?.revivePrevious(of: call) })
        let outcomes = outcomes
        return ReleaseHandlers(
            perform: { (call) throws(Fault) in try await performer.perform(call) }, query: { await performer.query($0) },
            observations: { (route, cursor) throws(Fault) in
                try await outcomes.observations(of: route, after: cursor, limit: ReleaseHandlers.observationsMax)
            }, waitForNews: { await outcomes.waitForNews(after: $0, deadline: $1) }, serverEnd: { await ModelServer.end(of: $0) },
            now: { Timestamp.now() },
            sleep: { at in try? await Task.sleep(for: max(.zero, at - Timestamp.now())) },
            heard: { [weak self] name, event in if event == .left || event == .stopped { await self?.keepQueueMoving() } },
            boundaries: settings.boundaries)
    }
}
