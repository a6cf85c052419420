public import Faults
public import HTTP
public import JSON
public import Outcomes
import Providers
public import Routing
public import Sockets
import Synchronization
public import Telemetry

/// The data plane: one epoll loop per core on SO_REUSEPORT, each with its own table, pools, ring and counters.
public final class GatewayServer: Sendable {
    public struct Settings: Sendable {
        public var address: SocketAddress
        public var loops: Int
        public var headerBytesMax = 32 << 10
        /// Of bodies that must be read whole, for a rewrite or a unit in them.
        public var bodyBytesMax = 32 << 20
        /// Bodies up to here are read whole before an upstream hears of their request; longer ones follow it as they arrive.
        public var bodyBytesHeldMax = 1 << 20
        /// Of bodies that are streamed.
        public var bodyBytesStreamedMax = 1 << 30
        public var connectionsMax = 16_384  // per loop
        /// Bytes of requests that one loop holds at a time: those that are not whole yet, and those whose answer has not come.
        public var heldBytesMax = 256 << 20
        /// Where units are kept that experiments freeze at the variant they saw first; without it they follow the split.
        public var sticky: StickyFolder?
        public init(address: SocketAddress, loops: Int) { (self.address, self.loops) = (address, loops) }
    }
    /// Receives batches of exposures off the hot path, in order per loop.
    public typealias ExposureSink = @Sendable ([Exposure]) async -> Void
    /// Receives what requests to models used, after the exposures of the same requests.
    public typealias UsageSink = @Sendable ([Usage]) async -> Void
    /// Receives what contextual choices looked at, before the exposures of the same requests.
    public typealias ContextSink = @Sendable ([Context]) async -> Void
    /// Answers `POST /v1/feedback` and `POST /ofrep/v1/evaluate/flags...` (body as sent).
    public typealias FeedbackHandler = @Sendable (HTTPRequest) async -> HTTPResponse

    private struct Served: Sendable {
        let loop: GatewayLoop
        let mailbox: Mailbox
    }
    private struct State {
        var table: RoutingTable
        /// What its requests' ids begin with.
        var instance: UInt32 = 0
        var loops: [Served] = []
        var pump: Task<Void, Never>?
        var isDraining = false
    }
    private let settings: Settings
    private let rings: [ExposureRing]
    private let usages: [UsageQueue]
    private let choices: [ChoiceQueue]
    private let budgets = BudgetBook()
    private let tls = TLSClients()
    private let pump: ExposurePump
    private let feedback: FeedbackHandler
    private let remote: RemoteEvaluation
    private let state: Mutex<State>
    private let runs: Runs

    public static let loopsMax = 256

    /// Runs a call that blocks, on a thread of its own; what it cannot run it says.
    package typealias Runs = @Sendable (_ name: String, _ call: @escaping @Sendable () -> Void) async throws(Fault) -> Void

    public convenience init(
        settings: Settings, table: RoutingTable, exposures: @escaping ExposureSink, usages: @escaping UsageSink = { _ in },
        contexts: @escaping ContextSink = { _ in }, feedback: @escaping FeedbackHandler
    ) {
        self.init(
            settings: settings, table: table, exposures: exposures, usages: usages, contexts: contexts, feedback: feedback,
            runs: { (name, call) async throws(Fault) in try await Threads.run(name, call) })
    }

    package init(
        settings: Settings, table: RoutingTable, exposures: @escaping ExposureSink, usages: @escaping UsageSink,
        contexts: @escaping ContextSink, feedback: @escaping FeedbackHandler, runs: @escaping Runs
    ) {
        self.runs = runs
        precondition((1...Self.loopsMax).contains(settings.loops), "a gateway has 1 to 256 loops")
        (self.settings, self.feedback) = (settings, feedback)
        rings = (0..<settings.loops).map { _ in ExposureRing() }
        self.usages = (0..<settings.loops).map { _ in UsageQueue() }
        choices = (0..<settings.loops).map { _ in ChoiceQueue() }
        pump = ExposurePump(
            rings: rings, sink: exposures, usages: self.usages, usageSink: usages, choices: choices, contextSink: contexts)
        remote = RemoteEvaluation(sticky: settings.sticky, contexts: contexts, sink: exposures)
        remote.adopt(table)
        state = Mutex(State(table: table))
    }

    /// Answers the OpenFeature Remote Evaluation Protocol, whoever the request came to.
    public func evaluate(_ request: HTTPRequest) async -> HTTPResponse { await remote.answer(request) }

    /// Whether a path is one of that protocol's.
    public static func evaluates(_ path: String) -> Bool { RemoteEvaluation.answers(path) }

    /// Binds and serves; the address says the real port when 0 was asked for.
    public func start() throws(Fault) -> SocketAddress {
        let sockets = try bindAll()
        let instance = UInt32.random(in: 0...UInt32.max)
        let table = state.withLock { $0.table }
        remote.adopt(table)
        var loops: [Served] = []
        for (index, bound) in sockets.enumerated() {
            let loop = GatewayLoop(
                index: index, instance: instance, settings: settings,
                table: CompiledTable(table, sticky: settings.sticky, budgets: budgets, tls: tls), ring: rings[index],
                usages: usages[index], choices: choices[index], pump: pump, feedback: feedback)
            let mailbox = try Reactor.start("gateway-\(index)") { reactor in loop.serve(bound, on: reactor) }
            loops.append(Served(loop: loop, mailbox: mailbox))
        }
        state.withLock { [pump] in
            ($0.instance, $0.loops) = (instance, loops)
            $0.pump = Task { await pump.run() }
        }
        return sockets[0].address
    }

    /// One listening socket per loop on one address. Another program's sockets there would share the traffic unnoticed, so the
    /// address is first bound alone.
    private func bindAll() throws(Fault) -> [BoundSocket] {
        let probe = try BoundSocket.bind(settings.address, shared: false)
        probe.close()
        var sockets = [try BoundSocket.bind(settings.address, shared: true)]
        while sockets.count < settings.loops {
            do {
                sockets.append(try BoundSocket.bind(sockets[0].address, shared: true))
            } catch {
                for socket in sockets { socket.close() }
                throw error
            }
        }
        return sockets
    }

    /// Returns when every loop serves this table. An older position than the one served is ignored. Throws a fault of kind
    /// `.unavailable` when it cannot be taken over: then each loop serves what it served before.
    public func publish(_ table: RoutingTable) async throws(Fault) {
        let loops = state.withLock { state -> [Served] in
            guard table.position >= state.table.position else { return [] }
            if state.loops.isEmpty { state.table = table }
            return state.loops
        }
        guard !loops.isEmpty else { return }
        let compiled = try await compile(table, for: loops.count)
        let taken = await withTaskGroup { group in
            for (served, handed) in zip(loops, compiled) {
                group.addTask { await served.mailbox.call { _ in served.loop.install(handed.table) } != nil }
            }
            return await group.reduce(true) { $0 && $1 }
        }
        let isDraining = state.withLock { state in
            if table.position >= state.table.position { state.table = table }
            return state.isDraining
        }
        // A loop that drains takes no table, and the next life begins with the one on disk.
        guard taken || isDraining else { throw notServed(table, why: "A loop of the gateway has ended.") }
    }

    /// On a thread of its own: names are looked up on the way, which may block.
    private func compile(_ table: RoutingTable, for count: Int) async throws(Fault) -> [Handed] {
        let made = Made()
        do {
            try await runs("gateway-table") { [settings, remote, budgets, tls] in
                remote.adopt(table)
                let tables = (0..<count).map { _ in
                    Handed(table: CompiledTable(table, sticky: settings.sticky, budgets: budgets, tls: tls))
                }
                made.tables.withLock { $0 = tables }
            }
        } catch {
            throw notServed(table, why: "\(error.what) \(error.why)")
        }
        return made.tables.withLock(\.self)
    }

    private final class Made: Sendable {
        let tables = Mutex<[Handed]>([])
    }

    private func notServed(_ table: RoutingTable, why: String) -> Fault {
        Fault(
            .unavailable, what: "The routes as of ledger entry \(table.position) are not served yet.", why: why,
            fix: "Try again in a moment; the gateway serves the routes as they were before.")
    }

    /// A table on its way to its loop: made on one thread, then used on another only.
    private struct Handed: @unchecked Sendable {
        let table: CompiledTable
    }

    /// Money of a route's budget that was spent in an earlier life of this installation.
    public func charge(_ spent: Int64, route: String, budget: Budget) {
        let account = BudgetBook.Account(owner: "route/\(route)", budget: budget)
        budgets.settle(reserved: 0, spent: spent, of: account, at: Timestamp.now().milliseconds)
    }

    /// Which of these requests are being answered at this moment: asked where feedback is earlier than its answer's end.
    public func answering(_ ids: Set<RequestID>) async -> Set<RequestID> {
        var found: Set<RequestID> = []
        let (instance, loops) = state.withLock { ($0.instance, $0.loops) }
        let ours = ids.filter { $0.instance == instance }
        for (index, named) in Dictionary(grouping: ours, by: { Int($0.loop) }) where loops.indices.contains(index) {
            let (served, named) = (loops[index], Set(named))
            found.formUnion(await served.mailbox.call { _ in served.loop.answering(named) } ?? [])
        }
        return found
    }

    /// The same for an experiment's budget.
    public func charge(_ spent: Int64, experiment: RouteExperiment) {
        guard let account = experiment.account else { return }
        budgets.settle(reserved: 0, spent: spent, of: account, at: Timestamp.now().milliseconds)
    }

    /// What an experiment on a route has spent of its budget in the present period, in billionths of a dollar; nil where it has
    /// none, or is on no route.
    public func spent(by experiment: String) -> Int64? {
        let table = state.withLock { $0.table }
        let account = table.routes.lazy.compactMap { $0.experiment(named: experiment)?.account }.first
        return account.map { budgets.spent(of: $0, at: Timestamp.now().milliseconds) }
    }

    /// Position served by every loop (the lowest).
    public func servedPosition() async -> Int64 {
        await counts().map(\.position).min() ?? state.withLock { $0.table.position }
    }

    /// Requests, errors, latency (quantiles within 1 %), in flight, bytes, per route and variant.
    public func metrics() async -> JSONValue { GatewayMetrics(await counts()).json }

    public func writeMetrics(to page: inout PrometheusText) async {
        GatewayMetrics(await counts()).write(to: &page)
        page.family(
            "openclaw_units_not_kept_total", .counter, help: "Units whose first variant could not be kept: the table is full.")
        page.sample("openclaw_units_not_kept_total", [], Double(settings.sticky?.turnedAway ?? 0))
    }

    private func counts() async -> [LoopCounts] {
        var counts: [LoopCounts] = []
        for served in state.withLock({ $0.loops }) {
            if let count = await served.mailbox.call({ _ in served.loop.snapshot() }) { counts.append(count) }
        }
        return counts
    }

    /// Stops accepting, finishes requests in flight (at most `limit`), flushes the rings.
    public func drain(limit: Duration) async {
        let (loops, task) = state.withLock { state in
            defer { state.isDraining = true }
            return state.isDraining ? ([], nil) : (state.loops, state.pump)
        }
        await withTaskGroup { group in
            for served in loops {
                group.addTask {
                    await withCheckedContinuation { (drained: CheckedContinuation<Void, Never>) in
                        let posted = served.mailbox.post { _ in served.loop.drain(limit: limit) { drained.resume() } }
                        if !posted { drained.resume() }
                    }
                }
            }
        }
        pump.finish()
        await task?.value
    }
}
