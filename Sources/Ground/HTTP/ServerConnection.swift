import JSON
import Sockets
import Telemetry

/// One client of the control API. Requests are answered one after the other; what a client pipelines waits in the kernel.
/// Touched on its loop's thread only, which is why handlers' tasks may carry it there and back.
final class ServerConnection: Connection, @unchecked Sendable {
    private enum State {
        /// Waiting for a request, or for the rest of one.
        case reading
        case readingBody(Incoming)
        case handling
        case streaming
    }
    /// A request whose body is still arriving.
    private struct Incoming {
        var request: HTTPRequest
        var framing: BodyFraming
        var decoder = ChunkedDecoder()
    }
    private let loop: ServerLoop
    private let remote: String
    private var state = State.reading
    private var input = ByteBuffer()
    private var keepsAlive = true
    private var isHead = false
    private var isHTTP10 = false
    private var task: Task<Void, Never>?
    private var roomAwaited: CheckedContinuation<Bool, Never>?

    /// A stream's writer waits while more than this is pending.
    private static let pendingBytesMax = 64 << 10

    init(loop: ServerLoop, reactor: Reactor, accepted descriptor: Int32, peer: IPAddress) {
        (self.loop, remote) = (loop, peer.text)
        super.init(reactor: reactor, accepted: descriptor)
    }

    func setIdleDeadline() { setDeadline(milliseconds: loop.limits.idleDeadline.milliseconds) }

    // MARK: Reading

    override func readable() {
        while isOpen, mayRead, !isLingering {
            switch state {
            case .handling, .streaming: return
            // A client that does not take its answers asks for no more.
            case .reading, .readingBody: if !pending.isEmpty { return }
            }
            switch unsafe receive(into: loop.scratch) {
            case .bytes(let count):
                if input.isEmpty, case .reading = state { setDeadline(milliseconds: loop.limits.headerDeadline.milliseconds) }
                unsafe input.append(UnsafeBufferPointer(rebasing: loop.scratch.assumingMemoryBound(to: UInt8.self)[..<count]))
                process()
            case .nothing: return
            case .end, .failed: return close()
            }
        }
    }

    private func process() {
        while isOpen, !isLingering, !input.isEmpty, pending.isEmpty {
            switch state {
            case .reading: if !readHead() { return }
            case .readingBody: if !readBody() { return }
            case .handling, .streaming: return
            }
        }
    }

    /// False when it needs more input, or has refused it.
    private func readHead() -> Bool {
        let progress = unsafe loop.parser.parse(input.bytes.span, headerBytesMax: loop.limits.headerBytesMax)
        switch progress {
        case .needsMore: return false
        case .refused(let refusal):
            refuse(refusal)
            return false
        case .complete: break
        }
        keepsAlive = loop.parser.keepsAlive && !loop.isDraining
        isHead = loop.parser.method == .head
        isHTTP10 = loop.parser.isHTTP10
        let framing = loop.parser.body
        if case .length(let length) = framing, length > loop.limits.bodyBytesMax {
            refuse(.bodyTooLarge)
            return false
        }
        guard let request = unsafe HTTPRequest(loop.parser, in: input.bytes.span, remote: remote) else {
            refuse(.badTarget)
            return false
        }
        input.consume(loop.parser.count)
        if framing == .none {
            handle(request)
            return true
        }
        setDeadline(milliseconds: loop.limits.bodyDeadline.milliseconds)
        state = .readingBody(Incoming(request: request, framing: framing))
        if loop.parser.expectsContinue && input.isEmpty {
            unsafe send(
                UnsafeBufferPointer(
                    start: ResponseWriter.continueLine.utf8Start, count: ResponseWriter.continueLine.utf8CodeUnitCount))
        }
        return true
    }

    private func readBody() -> Bool {
        guard case .readingBody(var incoming) = state else { return false }
        state = .handling  // so that the body's array is not shared while it grows
        switch incoming.framing {
        case .length(let length):
            let count = min(length - incoming.request.body.count, input.count)
            unsafe incoming.request.body.append(contentsOf: UnsafeBufferPointer(rebasing: input.bytes[..<count]))
            input.consume(count)
            if incoming.request.body.count == length {
                handle(incoming.request)
                return true
            }
        case .chunked:
            var at = 0
            decoding: while true {
                switch unsafe incoming.decoder.next(input.bytes.span, at: &at) {
                case .data(let piece):
                    guard incoming.request.body.count + piece.count <= loop.limits.bodyBytesMax else {
                        refuse(.bodyTooLarge)
                        return false
                    }
                    unsafe incoming.request.body.append(contentsOf: UnsafeBufferPointer(rebasing: input.bytes[piece.range]))
                case .needsMore: break decoding
                case .end:
                    input.consume(at)
                    handle(incoming.request)
                    return true
                case .refused:
                    refuse(.badChunk)
                    return false
                }
            }
            input.consume(at)
        case .none, .untilClose: preconditionFailure("a request without a body is handled at once")
        }
        state = .readingBody(incoming)
        return false
    }

    // MARK: Answering

    private func handle(_ request: HTTPRequest) {
        state = .handling
        clearDeadline()
        let mailbox = reactor.mailbox
        task = Task { [handler = loop.handler] in
            let response = await handler(request)
            switch response.body {
            case .bytes: mailbox.post { _ in self.answer(response) }
            case .stream(let chunks): await self.stream(response, chunks, by: mailbox)
            }
        }
    }

    private func answer(_ response: HTTPResponse) {
        guard isOpen, case .bytes(let body) = response.body else { return }
        var output = ByteBuffer()
        ResponseWriter.head(
            response.status, response.headers, length: body.count, keepsAlive: keepsAlive && !loop.isDraining, into: &output)
        if !isHead && response.status != 204 && response.status != 304 { output.append(body) }
        guard unsafe send(output.bytes) else { return close() }
        finish()
    }

    /// Runs in the request's task: each chunk waits until the one before found room.
    private nonisolated func stream(_ response: HTTPResponse, _ chunks: AsyncStream<[UInt8]>, by mailbox: Mailbox) async {
        let isOpen = await mailbox.call { _ in self.beginStream(response) }
        guard isOpen == true else { return }
        for await chunk in chunks {
            let goesOn = await withCheckedContinuation { continuation in
                let posted = mailbox.post { _ in self.writeChunk(chunk, continuation) }
                if !posted { continuation.resume(returning: false) }
            }
            if !goesOn { return }
        }
        mailbox.post { _ in self.endStream() }
    }

    private func beginStream(_ response: HTTPResponse) -> Bool {
        guard isOpen else { return false }
        if inputEnded {
            close()
            return false
        }
        if isHTTP10 { keepsAlive = false }
        var output = ByteBuffer()
        ResponseWriter.head(
            response.status, response.headers, length: nil, keepsAlive: keepsAlive && !loop.isDraining, into: &output)
        guard unsafe send(output.bytes) else {
            close()
            return false
        }
        if isHead {
            finish()
            return false
        }
        state = .streaming
        if loop.isDraining { endStream() }
        return true
    }

    private func writeChunk(_ chunk: [UInt8], _ continuation: CheckedContinuation<Bool, Never>) {
        guard isOpen, case .streaming = state else { return continuation.resume(returning: false) }
        var output = ByteBuffer()
        ResponseWriter.chunk(chunk.span, into: &output)
        guard output.isEmpty || (unsafe send(output.bytes)) else {
            continuation.resume(returning: false)
            return close()
        }
        if pending.count <= Self.pendingBytesMax {
            continuation.resume(returning: true)
        } else {
            roomAwaited = continuation
            setIdleDeadline()
        }
    }

    private func endStream() {
        guard isOpen, case .streaming = state else { return }
        unsafe send(
            UnsafeBufferPointer(start: ResponseWriter.lastChunk.utf8Start, count: ResponseWriter.lastChunk.utf8CodeUnitCount))
        finish()
    }

    private func finish() {
        task?.cancel()  // ends a stream that nobody reads to its end; a finished task does not notice
        task = nil
        roomAwaited?.resume(returning: false)
        roomAwaited = nil
        if inputEnded && !mayRead && input.isEmpty { keepsAlive = false }
        guard keepsAlive, !loop.isDraining else { return closeAfterLingering() }
        state = .reading
        setIdleDeadline()
        goOn()
    }

    private func goOn() {
        process()
        if isOpen && mayRead { reactor.resumeLater(self) }
    }

    override func drained() {
        if let continuation = roomAwaited {
            roomAwaited = nil
            clearDeadline()
            continuation.resume(returning: true)
        } else if case .reading = state {
            setIdleDeadline()
            goOn()
        }
    }

    /// Answers with the refusal and closes, so that the client can read why.
    func refuse(_ refusal: Refusal) {
        let fault: JSONValue = [
            "error": ["what": .string(refusal.what), "why": .string(refusal.why), "fix": .string(refusal.fix)]
        ]
        let body = Array(fault.canonicalText.utf8)
        var output = ByteBuffer()
        ResponseWriter.head(
            refusal.status, HTTPHeaders([("Content-Type", "application/json")]), length: body.count, keepsAlive: false,
            into: &output)
        output.append(body)
        guard unsafe send(output.bytes) else { return close() }
        closeAfterLingering()
    }

    // MARK: Ending

    /// An idle connection closes; a stream ends; a request in flight is answered first.
    func drain() {
        switch state {
        case .reading where input.isEmpty: close()
        case .streaming: endStream()
        case .reading, .readingBody, .handling: break
        }
    }

    override func inputEnding() {
        // A client that has half-closed still reads an answer, but nobody can say that of an endless stream.
        if case .streaming = state { close() }
    }

    override func deadlinePassed() {
        if isLingering { return close() }
        switch state {
        case .reading where input.isEmpty: close()
        case .reading, .readingBody: refuse(.timedOut)
        case .handling, .streaming: close()
        }
    }

    override func close() {
        guard isOpen else { return }
        task?.cancel()
        roomAwaited?.resume(returning: false)
        (task, roomAwaited) = (nil, nil)
        super.close()
        loop.closed(self)
    }
}
