import HTTP
import Outcomes
import Routing
import Sockets
import Telemetry

/// One client of the gateway. Its requests are served one after the other; while one is with an upstream nothing is read,
/// so that what a client pipelines waits in the kernel.
final class ClientConnection: Connection {
    enum State {
        /// Waiting for a request, or for the rest of one.
        case reading
        /// The request's head is with the upstream, its body follows as it arrives.
        case uploading
        /// The whole request is with the upstream.
        case exchanging
        /// The feedback handler has the request.
        case consulting
    }
    let loop: GatewayLoop
    var state = State.reading
    /// What was read and not used: part of a request, or the next one.
    var held = ByteBuffer()
    /// `held` is not looked at again before it has so many bytes.
    var needed = 0
    /// The chunked body that is gathered while its request is held.
    var gathered = Gathered()
    var upload = Upload()
    private(set) var exchange: Exchange?
    /// The object of the exchange before, for the next one.
    private var spareExchange: Exchange?
    var upstream: UpstreamConnection?
    var keepsAlive = true
    var isHTTP10 = false
    var isHead = false
    /// When the first byte of the present request was read.
    var startedAt: Int64 = 0
    /// The unit of routes that assign by client address: the hash of the address as text.
    let unit: UnitID

    private var isServing = false
    private var isPartial = false
    private var sentContinue = false
    /// Bytes held here, as the loop counts them.
    private(set) var counted = 0
    /// Bytes of a body that the feedback handler has.
    var consulted = 0

    static let headMilliseconds: Int64 = 10_000
    static let bodyMilliseconds: Int64 = 30_000
    static let idleMilliseconds: Int64 = 75_000
    /// How long an answer may lie here because the client does not read.
    static let stalledMilliseconds: Int64 = 60_000
    /// How often the kernel of a client that sends nothing more is asked whether there still is a client.
    static let watchSeconds: Int32 = 10
    /// So many reads before others get their turn.
    static let readsPerTurnMax = 16

    init(loop: GatewayLoop, reactor: Reactor, accepted descriptor: Int32, peer: IPAddress) {
        (self.loop, unit) = (loop, UnitID(peer.text))
        super.init(reactor: reactor, accepted: descriptor)
        setDeadline(milliseconds: Self.idleMilliseconds)
    }

    // MARK: Reading

    override func readable() {
        var reads = 0
        while isOpen, mayRead, !isLingering {
            switch state {
            case .reading: if !pending.isEmpty { return }
            case .uploading: if upstream?.takesMore != true { return }
            case .exchanging, .consulting: return
            }
            if reads == Self.readsPerTurnMax { return reactor.resumeLater(self) }
            reads += 1
            switch unsafe receive(into: loop.scratch) {
            case .bytes(let count):
                unsafe take(UnsafeBufferPointer(rebasing: loop.scratch.assumingMemoryBound(to: UInt8.self)[..<count]))
            case .nothing: return
            case .end: return pending.isEmpty || state != .reading ? abort() : closeAfterLingering()
            case .failed: return abort()
            }
        }
    }

    private func take(_ bytes: UnsafeBufferPointer<UInt8>) {
        if state == .uploading {
            let used = unsafe uploadMore(bytes)
            if isOpen, used < bytes.count { unsafe held.append(UnsafeBufferPointer(rebasing: bytes[used...])) }
            recount()
        } else if held.isEmpty {
            let used = unsafe serve(bytes)
            guard isOpen, used < bytes.count else { return }
            unsafe held.append(UnsafeBufferPointer(rebasing: bytes[used...]))
            _ = mayHold()
        } else {
            unsafe held.append(bytes)
            if mayHold() { serveHeld() }
        }
    }

    /// Tells the loop how much is held here.
    func recount() {
        let now = held.count + gathered.body.count + consulted
        loop.heldBytes += now - counted
        counted = now
    }

    /// False when the loop holds too much with what came here: then it is refused, and let go.
    private func mayHold() -> Bool {
        recount()
        guard loop.heldBytes > loop.settings.heldBytesMax, state == .reading, !isLingering else { return true }
        held.giveBack()
        gathered.reset()
        recount()
        loop.bodiesRefused += 1
        refuse(.memoryTaken)
        return false
    }

    private func serveHeld() {
        guard held.count >= max(1, needed), !isServing else { return waitForMore() }
        let used = unsafe serve(held.bytes)
        guard isOpen else { return }
        held.consume(used)
        recount()
    }

    /// Serves the requests in `bytes`, one after the other. Returns how many bytes were used.
    private func serve(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        isServing = true
        defer { isServing = false }
        var at = 0
        while state == .reading, at < bytes.count, pending.isEmpty, isOpen, !isLingering {
            if !isPartial { startedAt = reactor.now }
            let used = unsafe serveOne(UnsafeBufferPointer(rebasing: bytes[at...]))
            if used == 0 {
                if isOpen, !isLingering { waitForMore() }
                break
            }
            (isPartial, sentContinue, needed) = (false, false, 0)
            at += used
        }
        return at
    }

    /// Part of a request is here: its head has one deadline, its body a new one with each piece.
    private func waitForMore() {
        if needed > 0 || gathered.isActive {
            setDeadline(milliseconds: Self.bodyMilliseconds)
        } else if !isPartial {
            setDeadline(milliseconds: Self.headMilliseconds)
        }
        isPartial = true
    }

    /// The client waits for leave to send its body.
    func sendContinueOnce() {
        guard loop.parser.expectsContinue, !sentContinue else { return }
        sentContinue = true
        unsafe send(
            UnsafeBufferPointer(start: ResponseWriter.continueLine.utf8Start, count: ResponseWriter.continueLine.utf8CodeUnitCount))
    }

    /// The upstream takes more of the body.
    func readMore() {
        if isOpen, mayRead, state == .uploading { reactor.resumeLater(self) }
    }

    // MARK: Between requests

    /// The answer has gone, or is on its way out; the next request may be served.
    func finishAnswer() {
        state = .reading
        (needed, upload) = (0, Upload())
        gathered.reset()
        if counted != 0 { recount() }
        guard keepsAlive, !loop.isDraining else { return closeAfterLingering() }
        setDeadline(milliseconds: pending.isEmpty ? Self.idleMilliseconds : Self.stalledMilliseconds)
        if !isServing { goOn() }  // else `serve` goes on by itself
    }

    /// Serves what was pipelined, once the client has taken the answers before.
    private func goOn() {
        guard pending.isEmpty else { return }
        if !held.isEmpty { serveHeld() }
        if isOpen, mayRead, state == .reading { reactor.resumeLater(self) }
    }

    override func drained() {
        guard state == .reading else { return upstream?.clientDrained() ?? () }
        setDeadline(milliseconds: Self.idleMilliseconds)
        goOn()
    }

    // MARK: The exchange

    func beginExchange(_ beginning: Exchange.Beginning, bytesIn: Int, choice: ScoredChoice?) {
        if let spareExchange {
            spareExchange.beginAnew(beginning, bytesIn: bytesIn, choice: choice)
            exchange = spareExchange
        } else {
            exchange = Exchange(beginning, bytesIn: bytesIn, choice: choice)
            spareExchange = exchange
        }
        beginning.variant.counters.counts.inFlight += 1
    }

    /// What the exchange was; it is over. Its fields hold until the next one begins.
    func takeExchange() -> Exchange? {
        guard let ended = exchange else { return nil }
        exchange = nil
        ended.variant.counters.counts.inFlight -= 1
        return ended
    }

    // MARK: Ending

    /// Refuses what was sent, so that the client can read why, and closes.
    func refuse(_ refusal: Refusal) {
        loop.refused += 1
        (keepsAlive, isHTTP10) = (false, false)
        answer(refusal.status, what: refusal.what, why: refusal.why, fix: refusal.fix)
        if isOpen { closeAfterLingering() }
    }

    override func inputEnding() {
        if state != .reading { leave() }
    }

    /// The client has half-closed while its request is served: it gets its answer as any other does. Whether it is gone
    /// altogether looks the same from here, and only its kernel can tell.
    func leave() { watchPeer(everySeconds: Self.watchSeconds) }

    override func broke(_ code: Int32) { abort() }

    /// The client is gone, or is sent away: its request ends at the upstream too.
    func abort() {
        if let asked = exchange?.model { asked.wasHeard = upstream?.isConnected == true }
        if exchange != nil { endExchange(.clientFault, status: exchange?.answerBegan == true ? nil : 499) }
        dropUpstream()
        close()
    }

    override func deadlinePassed() {
        switch state {
        case .reading where isLingering || !pending.isEmpty || (held.isEmpty && !isPartial): close()
        case .reading: refuse(.timedOut)
        case .uploading: stalled()
        case .exchanging, .consulting:
            if let asked = exchange?.model, asked.isPausing { return askNow(asked) }
            if !pending.isEmpty { abort() }
        }
    }

    /// The body does not go on: either the client sends nothing, or the upstream takes nothing.
    private func stalled() {
        guard exchange?.answerBegan == false, upstream?.takesMore == true else {
            upstream?.abandon()
            return fail(.timedOut, 504, why: "It took no more of the request's body.", fix: "Look at the upstream.")
        }
        endExchange(.clientFault, status: 408)
        dropUpstream()
        state = .reading
        refuse(.timedOut)
    }

    func closeIfIdle() {
        if state == .reading, held.isEmpty, pending.isEmpty, !isPartial { close() }
    }

    override func close() {
        guard isOpen else { return }
        super.close()
        loop.heldBytes -= counted
        counted = 0
        loop.closed(self)
    }

    /// The answer lies here because the client does not read it.
    func setStalledDeadline() {
        setDeadline(milliseconds: Self.stalledMilliseconds)
    }
}
