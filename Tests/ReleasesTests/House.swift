import Faults
import Glibc
import HTTP
import JSON
import Ledger
import Outcomes
import Registry
import Routing
import Sockets
import Statistics
import Synchronization
import Telemetry
import TestFolders
import YAML

@testable import Releases

/// A whole control plane without its API: real ledger, registry, routes and outcomes in a temporary folder, with traffic that
/// follows the split as a gateway would send it.
final class House: Sendable {
    private let folder: TemporaryFolder
    var directory: String { folder.path }
    let ledger: LedgerWriter
    let registry: RegistryService
    let routes: RouteService
    let outcomes: OutcomeStore
    let releases: ReleaseService
    private let traffic = Mutex<Task<Void, Never>?>(nil)
    /// The share of the candidate's answers that are errors, by version.
    let errorRates: Mutex<[String: Double]>

    /// `after`: the next life of a house that was closed.
    static func open(after earlier: House? = nil, errorRates: [String: Double] = [:]) async throws -> House {
        let folder = earlier?.folder ?? TemporaryFolder()
        let directory = folder.path
        let ledger = try await LedgerWriter.open(directory: directory)
        let registry = RegistryService(ledger: ledger, artifacts: ArtifactStore(directory: directory + "/artifacts"))
        try await registry.restore()
        let resolve = Resolver()
        let routes = RouteService(ledger: ledger, resolve: { await resolve.url($0) }, publish: { _ in })
        try await routes.restore()
        let outcomes = try await OutcomeStore.open(directory: directory + "/outcomes", settings: .init())
        let releases = ReleaseService(
            settings: .init(directory: directory + "/releases"), ledger: ledger, registry: registry, routes: routes,
            outcomes: outcomes)
        resolve.releases.withLock { $0 = releases }
        try await releases.restore()
        return House(folder, ledger, registry, routes, outcomes, releases, errorRates)
    }

    private final class Resolver: Sendable {
        let releases = Mutex<ReleaseService?>(nil)
        func url(_ version: String) async -> String? {
            guard let id = VersionID(version) else { return nil }
            return await releases.withLock { $0 }?.url(serving: id)
        }
    }

    private init(
        _ folder: TemporaryFolder, _ ledger: LedgerWriter, _ registry: RegistryService, _ routes: RouteService,
        _ outcomes: OutcomeStore,
        _ releases: ReleaseService, _ errorRates: [String: Double]
    ) {
        (self.folder, self.ledger, self.registry, self.routes, self.outcomes, self.releases) =
            (folder, ledger, registry, routes, outcomes, releases)
        self.errorRates = Mutex(errorRates)
    }

    /// As a daemon that stops: servers stay.
    func close(stopServers: Bool = false) async {
        traffic.withLock { $0 }?.cancel()
        await traffic.withLock { $0 }?.value
        await releases.drain(stopServers: stopServers)
        await outcomes.close()
        await ledger.close()
    }

    // MARK: What users write

    func apply(model yaml: String) async throws {
        let node = try House.node(yaml, key: "model")
        _ = try await registry.apply(try Model(node, directory: directory), by: "test")
    }

    func apply(route yaml: String) async throws {
        _ = try await routes.apply(try RouteSpec(try House.node(yaml, key: "route")), by: "test")
    }

    func release(_ yaml: String, whenBusy: ReleaseService.WhenBusy = .queue) async throws -> JSONValue {
        try await releases.apply(try House.node(yaml, key: "release_pipeline"), whenBusy: whenBusy, by: "ann")
    }

    static func node(_ yaml: String, key: String) throws -> YAMLNode {
        try YAMLNode.documents(in: yaml, file: "test.yaml")[0].mapping("test").required(key)
    }

    // MARK: Traffic

    /// About a thousand requests a second on one route, until the house closes.
    func sendTraffic(on route: String) {
        let task = Task { [self] in
            var random = SplitMix64(seed: 7)
            var sequence: UInt64 = 0
            while !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(20))
                guard let now = await routes.route(route) else { continue }
                let table = await routes.table().position
                var batch: [Exposure] = []
                for _ in 0..<20 {
                    sequence += 1
                    let variant = now.split.variant(for: UnitID(hash: random.next()))
                    let name = now.variant(variant)?.name ?? ""
                    let rate = errorRates.withLock { $0[name] ?? 0 }
                    let isError = random.unit() < rate
                    batch.append(
                        Exposure(
                            request: RequestID(instance: 1, loop: 0, sequence: sequence, nonce: 0), route: now.id, variant: variant,
                            kind: isError ? .upstreamError : .success, status: isError ? 500 : 200, propensity: 5_000,
                            unit: random.next(), tablePosition: table, at: Timestamp.now(), latencyMicroseconds: 2_000, bytesIn: 1,
                            bytesOut: 1))
                }
                try? await outcomes.record(batch)
            }
        }
        traffic.withLock { $0 = task }
    }

    /// The processes that a release's first attempt has running.
    func processes(of release: String) -> [Int32] {
        ChildEnvironment.strays(marked: Workshop.mark(in: directory + "/releases", release, 1)).map(\.processID)
    }

    // MARK: Waiting

    /// Polls until a release is as wanted; the last status either way.
    @discardableResult
    func wait(for name: String, seconds: Int = 300, until isWanted: (JSONValue) -> Bool) async throws -> JSONValue {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let status = try await releases.status(name)
            if isWanted(status) || ContinuousClock.now > deadline { return status }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    func wait(for name: String, _ state: String) async throws -> JSONValue {
        try await wait(for: name) { $0["state"]?.stringValue == state && $0["baking"] == false }
    }

    /// Whether something becomes true: a generous while, since only a failure waits for its end.
    func isSoon(_ condition: () async -> Bool) async -> Bool {
        let deadline = ContinuousClock.now + .seconds(120)
        while ContinuousClock.now < deadline {
            if await condition() { return true }
            try? await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}

/// Something that answers at a url: a version that is served already.
final class StandIn: Sendable {
    let url: String
    private let server: HTTPServer

    init(_ answer: @escaping @Sendable (HTTPRequest) -> HTTPResponse = { _ in HTTPResponse(status: 200) }) throws {
        server = HTTPServer(address: try SocketAddress(parsing: "127.0.0.1:0")) { request in answer(request) }
        url = "http://" + (try server.start()).text
    }

    func stop() async { await server.drain(limit: .seconds(1)) }
}
