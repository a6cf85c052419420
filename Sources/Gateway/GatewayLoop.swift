import HTTP
import Outcomes
import Routing
import Sockets
import Telemetry

/// One loop of the gateway: its table, connections, upstreams, ring and counters. Touched on its thread only, which is why it
/// may be handed there and reached by messages.
@safe final class GatewayLoop: @unchecked Sendable {
    let settings: GatewayServer.Settings
    let feedback: GatewayServer.FeedbackHandler
    let ring: ExposureRing
    let usages: UsageQueue
    let choices: ChoiceQueue
    private(set) var table: CompiledTable
    private(set) var pool = UpstreamPool()
    private(set) var isDraining = false

    // What requests are read into and answers are built in; each use ends within the event it began in.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
    var parser = RequestParser()
    var response = ResponseParser()
    var output = ByteBuffer()
    var names: RequestNames

    private let pump: ExposurePump
    private var counters: [VariantKey: VariantCounters] = [:]
    private var clients: [ObjectIdentifier: ClientConnection] = [:]
    var refused: UInt64 = 0
    var unmatched: UInt64 = 0
    var retries: UInt64 = 0
    /// Bytes of requests held now: by clients whose request is not whole, and by upstreams whose answer has not come.
    var heldBytes = 0
    /// Requests refused because that was too much.
    var bodiesRefused: UInt64 = 0
    private var listener: Listener?
    private var drained: (() -> Void)?
    private var drainAlarm: Reactor.Alarm?

    init(
        index: Int, instance: UInt32, settings: GatewayServer.Settings, table: CompiledTable, ring: ExposureRing,
        usages: UsageQueue, choices: ChoiceQueue, pump: ExposurePump, feedback: @escaping GatewayServer.FeedbackHandler
    ) {
        (self.settings, self.table, self.ring, self.usages, self.choices, self.pump, self.feedback) =
            (settings, table, ring, usages, choices, pump, feedback)
        names = RequestNames(instance: instance, loop: UInt8(index))
    }
    deinit { unsafe scratch.deallocate() }

    func serve(_ bound: BoundSocket, on reactor: Reactor) {
        adopt(table)
        reactor.afterEachBatch { [unowned self] in
            if !ring.isEmpty { pump.wake() }
        }
        listener = Listener(reactor: reactor, bound: bound) { [self] descriptor, peer in
            let client = ClientConnection(loop: self, reactor: reactor, accepted: descriptor, peer: peer)
            clients[ObjectIdentifier(client)] = client
            if clients.count > settings.connectionsMax { client.refuse(.overloaded) }
        }
    }

    // MARK: The table

    /// Serves by this table from the next request on; an older one is ignored. Requests in flight keep their variant.
    func install(_ next: CompiledTable) {
        guard next.position >= table.position else { return }
        adopt(next)
        table = next
    }

    private func adopt(_ next: CompiledTable) {
        pool.adopt(next)
        var kept: [VariantKey: VariantCounters] = [:]
        let routes = Set(next.routes.map(\.id))
        // A variant that left its route is still counted; a route that left is not.
        for (key, counted) in counters where routes.contains(key.route) { kept[key] = counted }
        for variant in next.variants {
            let key = VariantKey(route: variant.route, variant: variant.id)
            let counted = kept[key] ?? VariantCounters()
            (counted.counts.route, counted.counts.variant) = (variant.routeName, variant.label)
            (kept[key], variant.counters) = (counted, counted)
        }
        counters = kept
    }

    func snapshot() -> LoopCounts {
        LoopCounts(
            position: table.position, variants: counters.mapValues(\.counts), connections: clients.count, refused: refused,
            unmatched: unmatched, retries: retries, exposuresDropped: ring.dropped, heldBytes: heldBytes,
            bodiesRefused: bodiesRefused)
    }

    /// Which of these requests are being answered.
    func answering(_ ids: Set<RequestID>) -> [RequestID] { clients.values.compactMap { $0.exchange?.name.id }.filter(ids.contains) }

    // MARK: Ending

    func closed(_ client: ClientConnection) {
        clients[ObjectIdentifier(client)] = nil
        finishDrainIfEmpty()
    }

    /// Stops accepting, lets requests in flight finish, and ends the loop.
    func drain(limit: Duration, finished: @escaping () -> Void) {
        guard let listener, !isDraining else { return finished() }
        (isDraining, drained) = (true, finished)
        listener.close()
        drainAlarm = listener.reactor.setAlarm(milliseconds: limit.milliseconds) { [self] in
            for client in Array(clients.values) { client.abort() }
        }
        for client in Array(clients.values) { client.closeIfIdle() }
        finishDrainIfEmpty()
    }

    private func finishDrainIfEmpty() {
        guard isDraining, clients.isEmpty, let finished = drained, let listener else { return }
        drained = nil
        if let drainAlarm { listener.reactor.cancel(drainAlarm) }
        pool.closeIdle()
        listener.reactor.stop()
        self.listener = nil
        finished()
    }
}
