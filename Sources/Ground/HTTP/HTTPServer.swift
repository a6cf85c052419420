public import Faults
public import Sockets
import Synchronization
import Telemetry

/// The server of the control API: the strict parser and reactor on a loop of its own, async handlers.
/// Live traffic does not pass here (that is Gateway).
public final class HTTPServer: Sendable {
    public struct Limits: Sendable {
        public var headerBytesMax = 32 << 10
        public var bodyBytesMax = 8 << 20
        public var connectionsMax = 1_024
        public var headerDeadline: Duration = .seconds(10)
        public var bodyDeadline: Duration = .seconds(30)
        public var idleDeadline: Duration = .seconds(60)
        public init() {}
    }
    public typealias Handler = @Sendable (HTTPRequest) async -> HTTPResponse

    private enum State {
        case idle
        case serving(Mailbox, ServerLoop)
        case drained
    }
    private let address: SocketAddress
    private let limits: Limits
    private let handler: Handler
    private let state = Mutex(State.idle)

    public init(address: SocketAddress, limits: Limits = Limits(), handler: @escaping Handler) {
        (self.address, self.limits, self.handler) = (address, limits, handler)
    }

    /// Binds and serves. The address says the real port when 0 was asked for.
    public func start() throws(Fault) -> SocketAddress {
        let bound = try BoundSocket.bind(address, shared: false)
        let loop = ServerLoop(limits: limits, handler: handler)
        let mailbox: Mailbox
        do throws(Fault) {
            mailbox = try Reactor.start("http") { reactor in loop.serve(bound, on: reactor) }
        } catch {
            bound.close()
            throw error
        }
        state.withLock { $0 = .serving(mailbox, loop) }
        return bound.address
    }

    /// Stops accepting, lets requests in flight finish (at most `limit`), closes. Streams end at once.
    public func drain(limit: Duration) async {
        let served = state.withLock { state -> (Mailbox, ServerLoop)? in
            defer { state = .drained }
            if case .serving(let mailbox, let loop) = state { return (mailbox, loop) }
            return nil
        }
        guard let (mailbox, loop) = served else { return }
        await withCheckedContinuation { (finished: CheckedContinuation<Void, Never>) in
            let posted = mailbox.post { _ in loop.drain(limit: limit) { finished.resume() } }
            if !posted { finished.resume() }
        }
    }
}

/// What the connections of one server share. Touched on its loop's thread only, which is why it may be handed to it.
@safe final class ServerLoop: @unchecked Sendable {
    let limits: HTTPServer.Limits
    let handler: HTTPServer.Handler
    var parser = RequestParser()
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)

    private(set) var isDraining = false
    private var listener: Listener?
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private var drained: (() -> Void)?
    private var drainAlarm: Reactor.Alarm?

    init(limits: HTTPServer.Limits, handler: @escaping HTTPServer.Handler) { (self.limits, self.handler) = (limits, handler) }
    deinit { unsafe scratch.deallocate() }

    func serve(_ bound: BoundSocket, on reactor: Reactor) {
        listener = Listener(reactor: reactor, bound: bound) { [self] descriptor, peer in
            let connection = ServerConnection(loop: self, reactor: reactor, accepted: descriptor, peer: peer)
            if connections.count >= limits.connectionsMax { return connection.refuse(.overloaded) }
            connections[ObjectIdentifier(connection)] = connection
            connection.setIdleDeadline()
        }
    }

    func closed(_ connection: ServerConnection) {
        connections[ObjectIdentifier(connection)] = nil
        finishDrainIfEmpty()
    }

    func drain(limit: Duration, finished: @escaping () -> Void) {
        guard let listener else { return finished() }
        (isDraining, drained) = (true, finished)
        drainAlarm = listener.reactor.setAlarm(milliseconds: limit.milliseconds) { [self] in
            for connection in connections.values { connection.close() }
        }
        listener.close()
        for connection in connections.values { connection.drain() }
        finishDrainIfEmpty()
    }

    private func finishDrainIfEmpty() {
        guard isDraining, connections.isEmpty, let finished = drained else { return }
        drained = nil
        if let drainAlarm { listener?.reactor.cancel(drainAlarm) }
        drainAlarm = nil
        listener?.reactor.stop()
        listener = nil
        finished()
    }
}
