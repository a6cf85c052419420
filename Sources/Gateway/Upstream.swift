import Glibc
import HTTP
import JSON
import Outcomes
import Routing
import Sockets
import Telemetry

/// One connection to an upstream: connecting, idle in the pool, or carrying one client's exchange.
final class UpstreamConnection: Connection {
    let loop: GatewayLoop
    let target: UpstreamTarget
    /// Whose exchange this carries; nil while idle.
    private(set) var client: ClientConnection?
    /// Head and body as they are sent; kept until the first byte of the answer, in case it must be sent once more.
    var request = ByteBuffer()
    /// The answer's head, while it is not whole.
    var partialHead = ByteBuffer()
    var answer = AnswerBody.none
    /// Whether the answer lets the connection be used again.
    var keepsAlive = false

    private(set) var isConnected = false
    private var isReused = false
    private var isWhole = true
    /// More of the body was sent than `request` holds: it cannot be sent again.
    private var hasFollowed = false
    private var bytesSent = 0
    /// Bytes of `request`, as the loop counts them.
    private var counted = 0
    /// `bytesSent` when the present request began.
    private var bytesBefore = 0

    static func open(to target: UpstreamTarget, loop: GatewayLoop, reactor: Reactor) -> UpstreamConnection? {
        guard target.hasRoom, let descriptor = startConnecting(to: target.address) else { return nil }
        let connection = UpstreamConnection(target: target, loop: loop, reactor: reactor, connecting: descriptor)
        if let security = target.place.security,
            !connection.secure(by: security.client, host: security.host, session: target.session)
        {
            connection.close()
            return nil
        }
        return connection
    }

    private init(target: UpstreamTarget, loop: GatewayLoop, reactor: Reactor, connecting descriptor: Int32) {
        (self.target, self.loop) = (target, loop)
        super.init(reactor: reactor, accepted: descriptor)
        target.opened()
    }

    // MARK: Sending

    /// Takes over a client's exchange, whose request stands in `request`.
    func carry(_ client: ClientConnection, wholeRequest: Bool) {
        self.client = client
        loop.heldBytes += request.count - counted
        counted = request.count
        (isWhole, hasFollowed, bytesBefore, answer) = (wholeRequest, false, wireBytes ?? bytesSent, .none)
        if isConnected {
            transmit()
        } else {
            setDeadline(milliseconds: client.exchange?.timeouts.connect ?? 1_000)
        }
    }

    /// Whether more of a streamed body may be sent now.
    var takesMore: Bool { isConnected && pending.isEmpty }

    /// More of the body, after what `request` holds.
    func sendMore(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard isOpen, isConnected, bytes.count > 0 else { return }
        hasFollowed = true
        bytesSent += bytes.count
        if unsafe !send(bytes) { failSending() }
    }

    /// The last byte of a streamed body was sent.
    func requestIsWhole() {
        isWhole = true
        awaitAnswer()
    }

    override func writable() {
        guard !isConnected else { return }
        let code = pendingError()
        guard code == 0 else { return broke(code) }
        isConnected = true
        if client != nil { transmit() }
    }

    private func transmit() {
        bytesSent += request.count
        guard unsafe send(request.bytes) else { return failSending() }
        if isWhole { return awaitAnswer() }
        clearDeadline()  // the one for connecting; the client has one for its body
        if pending.isEmpty { client?.readMore() }
    }

    /// Writing failed. What the upstream said before it closed is read first: it may be the answer (413, say).
    private func failSending() {
        readable()
        if isOpen, client != nil { fail("the connection broke while the request was sent") }
    }

    private func awaitAnswer() {
        if isWhole, let client, let timeouts = client.exchange?.timeouts { setDeadline(milliseconds: timeouts.firstByte) }
    }

    override func drained() {
        if !isWhole { client?.readMore() }
    }

    // MARK: Receiving

    override func readable() {
        var reads = 0
        while isOpen, mayRead {
            guard let client else {
                // An idle connection has nothing to say, but for what TLS says for itself.
                return isSecure && !hasLeftovers() ? () : close()
            }
            if !client.pending.isEmpty {
                // The client does not keep up: the upstream waits until it has.
                clearDeadline()
                return client.setStalledDeadline()
            }
            if reads == ClientConnection.readsPerTurnMax { return reactor.resumeLater(self) }
            reads += 1
            switch unsafe receive(into: loop.scratch) {
            case .bytes(let count):
                unsafe take(UnsafeBufferPointer(rebasing: loop.scratch.assumingMemoryBound(to: UInt8.self)[..<count]), for: client)
                if self.client == nil { return }
            case .nothing: return
            case .end: return inputDone()
            case .failed(let code): return broke(code)
            }
        }
    }

    /// The client has read what lay there for it.
    func clientDrained() {
        guard isOpen, let client else { return }
        setDeadline(milliseconds: client.exchange?.timeouts.idle ?? ClientConnection.stalledMilliseconds)
        if mayRead { reactor.resumeLater(self) }
    }

    // MARK: Ending

    private func inputDone() {
        guard client != nil else { return close() }
        if case .untilClose = answer { return finishUntilClose() }
        fail("it closed the connection before its answer was whole")
    }

    override func inputEnding() {
        if client == nil { close() }
    }

    override func broke(_ code: Int32) {
        guard isConnected, client != nil else { return fail(unsafe String(cString: strerror(code == 0 ? ECONNREFUSED : code))) }
        fail("the connection broke (\(unsafe String(cString: strerror(code == 0 ? ECONNRESET : code))))")
    }

    override func couldNotSecure(_ why: String) {
        target.session = nil
        if reactor.now - target.complainedAt >= UpstreamTarget.complaintNanoseconds {
            target.complainedAt = reactor.now
            Log("gateway").error("TLS to an upstream failed", ["upstream": .string(target.address.text), "why": .string(why)])
        }
        fail(why)
    }

    override func deadlinePassed() {
        guard let client else { return close() }
        if let asked = client.exchange?.model, resend(asked, for: client) { return }
        let what = isConnected ? client.exchange?.answerBegan == true ? "went on" : "came" : "connected"
        detach()
        close()
        client.fail(
            .timedOut, 504, why: "Nothing \(what) from \(target.address.text) in the time this route allows.",
            fix: "Look at the upstream, or raise the route's timeouts.")
    }

    /// The upstream failed its client: once more on a fresh connection where that is safe, else the client is told.
    func fail(_ why: String) {
        guard let client else { return close() }
        if mayRetry(for: client), retry(for: client) { return }
        if let asked = client.exchange?.model, resend(asked, for: client) { return }
        let wasConnected = isConnected
        detach()
        close()
        client.fail(
            wasConnected ? .brokenAnswer : .unreachable, 502,
            why: "\(target.address.text): \(why).", fix: "Look at the upstream's log and whether it runs.")
    }

    /// A pooled connection may have been closed by the other side just as it was used. Sending once more is safe when nothing of
    /// an answer came, and the request may be repeated or no byte of it was accepted there.
    private func mayRetry(for client: ClientConnection) -> Bool {
        guard isReused, isWhole, !hasFollowed, partialHead.isEmpty, let exchange = client.exchange, !exchange.answerBegan,
            !exchange.wasRetried
        else { return false }
        if exchange.method.isIdempotent { return true }
        guard let acknowledged = bytesAcknowledged else { return false }
        return acknowledged <= bytesBefore + 1  // the opening handshake counts as one
    }

    private func retry(for client: ClientConnection) -> Bool {
        guard let fresh = UpstreamConnection.open(to: target, loop: loop, reactor: reactor) else { return false }
        loop.retries += 1
        client.exchange?.wasRetried = true
        unsafe fresh.request.append(request.bytes)
        detach()
        close()
        client.upstream = fresh
        fresh.carry(client, wholeRequest: true)
        return true
    }

    func detach() {
        client?.upstream = nil
        client = nil
    }

    /// The client is gone.
    func abandon() {
        client = nil
        close()
    }

    /// The answer is complete: the connection serves the next request, where both sides allow it.
    func release(keepsAlive: Bool) {
        detach()
        partialHead.removeAll()
        request.removeAll()
        forget()
        if isSecure, !isReused { target.session = session ?? target.session }
        guard keepsAlive, isWhole, isOpen, pending.isEmpty, !inputEnded, !hasLeftovers(), target.keep(self) else {
            return close()
        }
        isReused = true
        setDeadline(milliseconds: UpstreamTarget.idleMilliseconds)
    }

    /// Taken from the pool, but not needed.
    func giveBack() {
        if isConnected, target.keep(self) { return }
        close()
    }

    override func close() {
        guard isOpen else { return }
        super.close()
        forget()
        target.closed(self)
    }

    private func forget() {
        loop.heldBytes -= counted
        counted = 0
    }
}
