import Faults
import Ledger
import RPC
import Synchronization
import Telemetry
import Worker

/// One process of one slot of one run of one submission: what a Worker's token is good for.
struct RankKey: Hashable, Sendable {
    var job: String
    var attempt: Int
    var run: Int
    var slot: Int
    var life: Int
}

/// Where Workers come in: a gRPC server that is opened with the first job, and the lines to those that are connected.
actor WorkerDesk {
    /// What is made of a report; returns when it is recorded, where it must be.
    typealias Hear = @Sendable (RankKey, Report) async -> Void

    private struct Expected {
        /// SHA-256 of its token.
        let digest: [UInt8]
        let world: Int
    }
    private struct Line {
        let number: Int
        let orders: AsyncStream<Order>.Continuation
        let call: RPCServerCall
    }
    /// Orders that wait for a Worker that does not read: past it the line is cut, and it comes again.
    static let ordersMax = 1_024

    /// Where Workers come in.
    struct Door: Sendable {
        /// `unix:/path`, or `host:port` where port 0 stands for any.
        var address: String
        /// Over a network: what the daemon shows, and whose certificates it wants to see. Nil on a unix socket.
        var identity: RPCIdentity?
        /// Keeps the port that was taken for port 0, so that Workers find the next life of the daemon there.
        var portFile: String?
    }

    private let door: Door
    /// What Workers call.
    private(set) var address: String
    private let hear: Hear
    private var server: RPCServer?
    private var expected: [RankKey: Expected] = [:]
    private var lines: [RankKey: Line] = [:]
    private var acknowledged: [RankKey: UInt64] = [:]
    /// What a Worker that connects later has to hear first.
    private var memberships: [RankKey: Membership] = [:]
    private var lineNumber = 0
    /// When each was last heard of, or waited for since.
    private var heardAt: [RankKey: (at: ContinuousClock.Instant, hasCome: Bool)] = [:]

    init(door: Door, hear: @escaping Hear) { (self.door, address, self.hear) = (door, door.address, hear) }

    // MARK: Who may come

    /// Opens the door, if it is not open, and lets one more in.
    func expect(_ key: RankKey, token: String, world: Int) throws(Fault) {
        try open()
        heardAt[key] = (.now, false)
        expected[key] = Expected(digest: SHA256.digest(of: token).bytes, world: world)
    }

    /// Opens the door. Faults: nothing can be listened on there, or gRPC's library is missing.
    func open() throws(Fault) {
        if server != nil { return }
        let handlers: [String: RPCServer.Handler] = [
            Order.method: { [weak self] call in await self?.attend(call) ?? RPCStatus(.unavailable, "the daemon is stopping") }
        ]
        let opened = try RPCServer(on: door.usual, as: door.identity, handlers: handlers)
        address = try door.calledAt(opened.address)
        server = opened
    }

    /// Its engine has started it: from now on it should come.
    func begin(_ key: RankKey) {
        if let heard = heardAt[key], !heard.hasCome { heardAt[key] = (.now, false) }
    }

    /// How long nothing has been heard of one that is waited for, and whether anything ever was.
    func silence(of key: RankKey) -> (Duration, hasCome: Bool)? {
        heardAt[key].map { ($0.at.duration(to: .now), $0.hasCome) }
    }

    /// Nobody waits for these ranks any more. Workers of them that are connected are sent away.
    func forget(job: String, attempt: Int, run: Int, slot: Int? = nil, life: Int? = nil) {
        for key in expected.keys
        where key.job == job && key.attempt == attempt && key.run == run && slot ?? key.slot == key.slot
            && life ?? key.life == key.life
        {
            var order = Order()
            order.leave = Nudge()
            tell(key, order)
            (expected[key], acknowledged[key], memberships[key], heardAt[key]) = (nil, nil, nil, nil)
        }
    }

    func stop() async {
        for line in lines.values { line.call.cancel() }
        await server?.stop()
        server = nil
    }

    // MARK: Telling

    func isConnected(_ key: RankKey) -> Bool { lines[key] != nil }

    /// False when it is not connected.
    @discardableResult
    func tell(_ key: RankKey, _ order: Order) -> Bool {
        guard let line = lines[key] else { return false }
        if case .dropped = line.orders.yield(order) { line.call.cancel() }
        return true
    }

    /// The deaths first, then who is left: to everybody of the run.
    func publish(_ membership: Membership, dead: [Int], to keys: [RankKey]) {
        for slot in dead {
            var order = Order()
            order.dead = Dead(slot: Int32(slot))
            for key in keys { tell(key, order) }
        }
        var order = Order()
        order.membership = membership
        for key in keys {
            memberships[key] = membership
            tell(key, order)
        }
    }

    // MARK: Attending

    private func key(presenting authorization: String?) -> RankKey? {
        guard let authorization, authorization.hasPrefix("Bearer ") else { return nil }
        let digest = SHA256.digest(of: String(authorization.dropFirst("Bearer ".count))).bytes
        var found: RankKey?
        for (key, expected) in expected where ConstantTime.equal(digest, expected.digest) { found = key }
        return found
    }

    private nonisolated func attend(_ call: RPCServerCall) async -> RPCStatus {
        guard let key = await key(presenting: call.metadata("authorization")) else {
            return RPCStatus(.unauthenticated, "no rank is expected with this token")
        }
        guard let bytes = await call.receive(), let register = Report(bytes: bytes)?.register else {
            return RPCStatus(.invalidArgument, "the first report registers")
        }
        guard register.job == key.job, register.slot == key.slot, register.life == key.life, register.attempt == key.run else {
            return RPCStatus(.permissionDenied, "this token is another rank's")
        }
        let (orders, continuation) = AsyncStream.makeStream(of: Order.self, bufferingPolicy: .bufferingOldest(Self.ordersMax))
        let number = await connect(key, call, continuation)
        let sending = Task {
            for await order in orders { if await !call.send(order.bytes) { break } }
        }
        while let bytes = await call.receive() {
            guard let report = Report(bytes: bytes) else { break }
            await receive(report, from: key)
        }
        continuation.finish()
        sending.cancel()
        await sending.value
        await disconnect(key, number)
        return .ok
    }

    private func connect(_ key: RankKey, _ call: RPCServerCall, _ orders: AsyncStream<Order>.Continuation) -> Int {
        lineNumber += 1
        heardAt[key] = (.now, true)
        // One that comes again is the same Worker: its old line is dead, known or not.
        lines[key]?.call.cancel()
        lines[key] = Line(number: lineNumber, orders: orders, call: call)
        var order = Order()
        var welcome = Welcome()
        (welcome.world, welcome.acknowledged) = (Int32(expected[key]?.world ?? 0), acknowledged[key] ?? 0)
        order.welcome = welcome
        tell(key, order)
        if let membership = memberships[key] {
            var order = Order()
            order.membership = membership
            tell(key, order)
        }
        return lineNumber
    }

    private func disconnect(_ key: RankKey, _ number: Int) {
        if lines[key]?.number == number { lines[key] = nil }
    }

    private func receive(_ report: Report, from key: RankKey) async {
        if heardAt[key] != nil { heardAt[key] = (.now, true) }
        if report.sequence > 0, report.sequence <= acknowledged[key] ?? 0 { return }  // sent again, and known
        await hear(key, report)
        guard report.sequence > 0 else { return }
        acknowledged[key] = report.sequence
        var order = Order()
        order.ack = report.sequence
        tell(key, order)
    }
}
