import Experiments
public import Faults
import Gateway
import HTTP
import JSON
import Ledger
import Outcomes
import Releases
import Routing
import SQL
public import Sockets
import Synchronization
import Telemetry
public import Training

/// The whole of `openclaw serve`: opens the home, restores the services, wires them, serves both planes.
public final class Daemon: Sendable {
    /// Of OpenClaw as a whole.
    public static let version = "0.1.0"

    public struct Settings: Sendable {
        public var home: String
        public var gateway: SocketAddress
        public var control: SocketAddress
        public var loops: Int
        public var applyFiles: [String]
        public var stopServersAtExit: Bool
        /// Pages of these origins may send feedback to the gateway and ask it for evaluations.
        public var origins: [String] = []
        /// What starts the Workers of training jobs.
        public var engine = EngineChoice.local
        public init(
            home: String, gateway: SocketAddress, control: SocketAddress, loops: Int, applyFiles: [String], stopServersAtExit: Bool
        ) {
            (self.home, self.gateway, self.control, self.loops, self.applyFiles, self.stopServersAtExit) =
                (home, gateway, control, loops, applyFiles, stopServersAtExit)
        }
    }

    /// What a request may meet.
    private enum Phase {
        /// The database is not open; the fault says what the last try met.
        case opening(Fault?)
        case serving(Services)
        case drained
    }
    private struct State {
        var phase: Phase = .opening(nil)
        var isDraining = false
        /// What `--apply` still waits for, or why it could not be applied.
        var applyFault: Fault?
        var isApplied = false
        var gateway: GatewayServer?
        var control: ControlServer?
        var lock: ProcessLock?
        var opener: Task<Void, Never>?
        var addresses: DaemonAddress?
    }

    let settings: Settings
    let home: Home
    let startedAt = Timestamp.now()
    let exposures = ExposureDelivery()
    /// One for both planes: the gateway keeps units in it, `route explain` looks them up.
    let sticky: StickyFolder
    private let startingResources: [Resource]
    private let state = Mutex(State())
    private let log = Log("daemon")

    private init(_ settings: Settings, resources: [Resource]) {
        (self.settings, home, startingResources) = (settings, Home(path: settings.home), resources)
        sticky = StickyFolder(path: home.units)
    }

    /// Returns when both planes listen. Where the database cannot be opened the gateway serves the table on disk, the control
    /// plane answers 503 and says why, and opening is tried again.
    public static func start(_ settings: Settings) async throws(Fault) -> Daemon {
        var files: [ResourceFile] = []
        for path in settings.applyFiles { files.append(try ResourceFile(reading: path)) }
        let daemon = Daemon(settings, resources: try Applier.read(files))
        do throws(Fault) {
            try await daemon.begin()
        } catch {
            await daemon.drain()
            throw error
        }
        return daemon
    }

    private func begin() async throws(Fault) {
        try home.create()
        let lock = try ProcessLock(path: home.lockFile)
        state.withLock { $0.lock = lock }
        let table = tableOnDisk()
        let gateway = makeGateway(table)
        let live = try gateway.start()
        state.withLock { $0.gateway = gateway }
        let control = ControlServer(endpoints: AllEndpoints.list, address: settings.control, daemon: self)
        let api = try control.start()
        let addresses = DaemonAddress(control: api.text, gateway: live.text)
        state.withLock { ($0.control, $0.addresses) = (control, addresses) }
        try addresses.write(in: home)
        log.info("listening", ["gateway": .string(live.text), "control": .string(api.text), "home": .string(home.path)])
        let publisher = RoutePublisher(file: home.tableFile, gateway: gateway, onDisk: table.position)
        if await open(publisher) { return }
        let opener = Task { [weak self] in await Daemon.keepOpening(self, publisher) }
        state.withLock { $0.opener = opener }
    }

    private func tableOnDisk() -> RoutingTable {
        let empty = RoutingTable(position: -1, routes: [])
        do {
            return try RoutingTable.read(from: home.tableFile) ?? empty
        } catch {
            log.error("the routing table on disk cannot be used", ["why": .string(error.why)])
            return empty
        }
    }

    private func makeGateway(_ table: RoutingTable) -> GatewayServer {
        let (exposures, isOpen) = (exposures, settings.gateway.isLoopback)
        var settings = GatewayServer.Settings(address: settings.gateway, loops: settings.loops)
        settings.sticky = sticky
        return GatewayServer(
            settings: settings, table: table, exposures: { batch in await exposures.deliver(batch) },
            usages: { batch in await exposures.deliver(usage: batch) },
            contexts: { batch in await exposures.deliver(contexts: batch) },
            feedback: { [weak self] request in await EvaluationDoor.answer(request, isOpen: isOpen, of: self) })
    }

    // MARK: Opening

    private static func keepOpening(_ daemon: Daemon?, _ publisher: RoutePublisher) async {
        var pause = Duration.seconds(1)
        while !Task.isCancelled {
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(10))
            guard !Task.isCancelled, let daemon else { return }
            if await daemon.open(publisher) { return }
        }
    }

    /// One try; true when the control plane works from now on.
    private func open(_ publisher: RoutePublisher) async -> Bool {
        do throws(Fault) {
            let services = try await Wiring.open(home, publisher: publisher, sticky: sticky, engine: settings.engine)
            if let gateway {
                await SpentBudgets.restore(of: await services.routes.routes(), from: services.outcomes, into: gateway)
                await services.outcomes.ask { [weak gateway] in await gateway?.answering($0) ?? [] }
            }
            await exposures.connect(services.outcomes)
            let isLate = state.withLock { state in
                if state.isDraining { return true }
                state.phase = .serving(services)
                return false
            }
            if isLate {
                await close(services)
                return true
            }
            await applyStartingFiles(services)
            return true
        } catch {
            state.withLock { $0.phase = .opening(error) }
            log.error(
                "the control plane cannot work yet; the gateway serves its last routing table",
                ["what": .string(error.what), "why": .string(error.why)])
            return false
        }
    }

    /// A file that cannot be applied does not stop live traffic: it is said here and at /readyz.
    private func applyStartingFiles(_ services: Services) async {
        do {
            let applied = try await Applier(services: services, by: "serve", whenBusy: .queue).apply(startingResources)
            for item in applied {
                log.info("applied", ["kind": .string(item.kind), "name": .string(item.name), "outcome": .string(item.outcome)])
            }
            state.withLock { $0.isApplied = true }
        } catch {
            state.withLock { $0.applyFault = error }
            log.error("--apply failed", ["what": .string(error.what), "why": .string(error.why), "fix": .string(error.fix)])
        }
    }

    /// Returns when the retries have ended: true when the control plane works.
    func whenOpen() async -> Bool {
        await state.withLock(\.opener)?.value
        return (try? services()) != nil
    }

    // MARK: What endpoints ask

    /// The capabilities, or why there are none.
    func services() throws(Fault) -> Services {
        let phase = state.withLock { $0.phase }
        switch phase {
        case .serving(let services): return services
        case .opening(let fault):
            throw Fault(
                .unavailable,
                what: "The control plane cannot work at this moment; live traffic is served by the last routing table.",
                why: fault.map { "\($0.what) \($0.why)" } ?? "The ledger is being opened.",
                fix: fault?.fix ?? "Try again in a moment.")
        case .drained:
            throw Fault(
                .unavailable, what: "The daemon is stopping.", why: "It was asked to.", fix: "Start it again: openclaw serve.")
        }
    }

    /// Nil when everything that was applied is served, else what is missing.
    func unreadiness() async -> Fault? {
        let (draining, applied, applyFault, gateway) = state.withLock { ($0.isDraining, $0.isApplied, $0.applyFault, $0.gateway) }
        guard let gateway, !draining else {
            return Fault(
                .unavailable, what: "The daemon is stopping.", why: "It was asked to.", fix: "Start it again: openclaw serve.")
        }
        do {
            let services = try services()
            // What cannot be recorded is not decided: nobody should send work here.
            if let fault = await services.ledger.fault { return fault }
            let wanted = await services.routes.table().position
            if let applyFault {
                return Fault(
                    .unavailable, what: "A file named by --apply could not be applied: \(applyFault.what)", why: applyFault.why,
                    fix: applyFault.fix)
            }
            let served = await gateway.servedPosition()
            guard applied, served >= wanted else {
                return Fault(
                    .unavailable, what: "Not everything that was applied is served yet.",
                    why: applied ? "The gateway serves entry \(served) of \(wanted)." : "Files named by --apply are being applied.",
                    fix: "Ask again in a moment.")
            }
            return nil
        } catch {
            return error
        }
    }

    var gateway: GatewayServer? { state.withLock { $0.gateway } }
    /// Where both planes listen, real ports included.
    public var addresses: DaemonAddress? { state.withLock { $0.addresses } }

    // MARK: The end

    /// Stops in the order that loses nothing: requests in flight, then what watches them, then what they were recorded in.
    public func drain() async {
        let (opener, gateway, control) = state.withLock { state in
            state.isDraining = true
            return (state.opener, state.gateway, state.control)
        }
        opener?.cancel()
        await opener?.value
        await gateway?.drain(limit: .seconds(30))
        await control?.drain(limit: .seconds(5))
        let last = state.withLock { state in
            defer { (state.phase, state.gateway, state.control) = (.drained, nil, nil) }
            return if case .serving(let services) = state.phase { services } else { Services?.none }
        }
        if let last { await close(last) }
        state.withLock { state in
            state.lock?.release()
            state.lock = nil
        }
        log.info("stopped")
    }

    private func close(_ services: Services) async {
        await services.training.drain()
        await services.experiments.drain()
        await services.releases.drain(stopServers: settings.stopServersAtExit)
        await services.outcomes.close()
        await services.ledger.close()
    }
}
