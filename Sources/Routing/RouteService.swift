public import Faults
public import JSON
public import Ledger

/// Routes, their splits and their one owner, each change recorded before it is published. Restart is replay.
///
/// Changes wait for their turn: one is decided, recorded and published before the next is looked at, so tables are published
/// in the order of their positions.
public actor RouteService {
    public enum Outcome: String, Sendable, Codable { case created, changed, unchanged }

    /// Delivers a table to every gateway loop and returns when all of them serve it.
    public typealias Publish = @Sendable (RoutingTable) async throws(Fault) -> Void
    /// The url that serves a registered version (`fraud-model@v12`), or nil when none does.
    public typealias Resolve = @Sendable (_ version: String) async -> String?

    public static let routesMax = 1_000
    static let changesWaitingMax = 1_024
    /// How often a change is decided anew because somebody else was first.
    static let attemptsMax = 8

    let ledger: LedgerWriter
    let resolve: Resolve
    /// Where the units of experiments that keep them are.
    let sticky: StickyFolder?
    let models: ModelSources
    private let publish: Publish

    private struct Known {
        var record: RouteRecord
        var head: Position
    }
    private var known: [String: Known] = [:]
    /// The position of the last entry that changed a route.
    private var position: Int64 = -1
    private var publishedPosition: Int64?
    private var isBusy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    public init(
        ledger: LedgerWriter, sticky: StickyFolder? = nil, resolve: @escaping Resolve, models: ModelSources = .none,
        publish: @escaping Publish
    ) {
        (self.ledger, self.sticky, self.resolve, self.models, self.publish) = (ledger, sticky, resolve, models, publish)
    }

    /// Replays the ledger and publishes the table.
    public func restore() async throws(Fault) {
        try await takeTurn()
        defer { endTurn() }
        try await replay(nil)
        for version in Set(known.values.flatMap { $0.record.route.variants.compactMap(\.version) }).sorted() {
            if let url = await resolve(version) { try await serve(version, at: url) }
        }
        try await rebind { _ in true }
        try await publishNews(always: true)
        sticky?.removeAll(but: Set(records.flatMap { $0.route.experiments.map(\.number) }))
    }

    public func route(_ name: String) -> Route? { known[name]?.record.route }
    public func routes() -> [Route] { known.values.map(\.record.route).sorted { $0.name < $1.name } }
    public func table() -> RoutingTable { RoutingTable(position: position, routes: routes()) }
    public func owner(of route: String) -> String? { known[route]?.record.owner }
    /// Who keeps a release from claiming the route: its owner, or an experiment that it carries.
    public func holder(of route: String) -> String? {
        guard let record = known[route]?.record else { return nil }
        return record.owner ?? record.route.experiments.first.map { "experiment/\($0.name)" }
    }

    /// The resource as last applied.
    public func spec(of route: String) -> RouteSpec? { known[route]?.record.applied }

    /// What `unit` is answered with, and why. `attributes` is what its requests would say of it.
    public func explain(route name: String, unit: String, attributes: [String: JSONValue] = [:]) throws(Fault) -> RouteExplanation {
        try record(of: name).route.explain(unit: unit, attributes: attributes, sticky: sticky)
    }

    // MARK: Decide, record, publish

    func record(of name: String) throws(Fault) -> RouteRecord {
        if let known = known[name] { return known.record }
        let closest = Suggestion.closest(to: name, among: known.keys).map { "Did you mean \($0)? " } ?? ""
        throw Fault(
            .notFound, what: "There is no route '\(name)'.",
            why: known.isEmpty
                ? "No route has been applied yet." : "The routes are \(known.keys.sorted().joined(separator: ", ")).",
            fix: "\(closest)openclaw route list shows them; openclaw route apply FILE makes one.")
    }

    func recordIfAny(of name: String) -> RouteRecord? { known[name]?.record }
    var records: [RouteRecord] { known.values.map(\.record) }

    /// One change of one route, in its turn: decided on the route as it is, recorded, published. Returns what became of it.
    func change(
        _ name: String, _ kind: String, asked: JSONValue, by: String, decide: (RouteRecord?) throws(Fault) -> RouteRecord
    ) async throws(Fault) -> Outcome {
        try await takeTurn()
        defer { endTurn() }
        let outcome = try await recordChange(name, kind, asked: asked, by: by, decide: decide)
        try await publishNews()
        return outcome
    }

    func recordChange(
        _ name: String, _ kind: String, asked: JSONValue, by: String, decide: (RouteRecord?) throws(Fault) -> RouteRecord
    ) async throws(Fault) -> Outcome {
        let resource = ResourceID("route", name)
        for _ in 0..<RouteService.attemptsMax {
            let (now, head) = (known[name]?.record, known[name]?.head ?? .none)
            let next = try decide(now)
            if next == now { return .unchanged }
            let body: JSONValue = ["asked": asked, "state": JSONValue(encoding: next)]
            do throws(AppendRefusal) {
                let position = try await ledger.append(LedgerDraft(kind: kind, by: by, body: body), to: resource, after: head)
                remember(next, at: position)
                return now == nil ? .created : .changed
            } catch {
                switch error {
                case .moved: try await replay(name)
                case .cannotRecord(let fault): throw cannotRecord(name, fault)
                }
            }
        }
        throw Fault(
            .conflict, what: "Route \(name) was not changed.",
            why: "Somebody else changed it first, \(RouteService.attemptsMax) times in a row.", fix: "Try again.")
    }

    private func remember(_ record: RouteRecord, at head: Position) {
        let name = record.route.name
        if known[name]?.record.route != record.route { position = max(position, head.index) }
        known[name] = Known(record: record, head: head)
    }

    /// Reads where one route, or each of them, stands in the ledger: an entry carries the whole state of its route.
    private func replay(_ name: String?) async throws(Fault) {
        let entries =
            if let name {
                try await ledger.reader.latest(kind: "route", name: name, limit: 1)
            } else {
                try await ledger.reader.heads(kind: "route")
            }
        for entry in entries {
            guard let state = entry.body["state"] else { continue }
            remember(try state.decoded(as: RouteRecord.self), at: entry.position)
        }
    }

    /// A table that could not be published goes out with the next change, or when the same is asked for again.
    private func publishNews(always: Bool = false) async throws(Fault) {
        if !always, let publishedPosition, publishedPosition >= position { return }
        let table = table()
        try await publish(table)
        publishedPosition = table.position
    }

    /// Records that a version is served at `url` on every route that has it. In a turn.
    private func serve(_ version: String, at url: String) async throws(Fault) {
        for name in known.keys.sorted() {
            _ = try await recordChange(
                name, "route.served", asked: ["version": .string(version), "url": .string(url)], by: "routes"
            ) { _ throws(Fault) in
                var next = try record(of: name)
                for index in next.route.variants.indices where next.route.variants[index].version == version {
                    next.route.variants[index].url = url
                }
                return next
            }
        }
    }

    /// A registered version is served at `url` now (a model server of ours that started again has another port): every route
    /// that answers with it follows, in one table.
    public func refresh(version: String, servedAt url: String) async throws(Fault) {
        try RouteService.check(url)
        try await takeTurn()
        defer { endTurn() }
        try await serve(version, at: url)
        try await publishNews()
    }

    private func cannotRecord(_ name: String, _ fault: Fault) -> Fault {
        Fault(
            .unavailable, what: "Route \(name) was not changed: the ledger cannot record it.", why: "\(fault.what) \(fault.why)",
            fix: fault.fix)
    }

    // MARK: Turns

    /// One change of several routes, published together.
    func inTurn(_ change: () async throws(Fault) -> Void) async throws(Fault) {
        try await takeTurn()
        defer { endTurn() }
        try await change()
        try await publishNews()
    }

    private func takeTurn() async throws(Fault) {
        if !isBusy {
            isBusy = true
            return
        }
        guard waiting.count < RouteService.changesWaitingMax else {
            throw Fault(
                .limitReached, what: "The route was not changed.",
                why: "\(RouteService.changesWaitingMax) changes of routes are waiting already.", fix: "Try again later.")
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    private func endTurn() {
        if waiting.isEmpty { isBusy = false } else { waiting.removeFirst().resume() }
    }
}
