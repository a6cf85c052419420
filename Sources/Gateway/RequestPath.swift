import HTTP
import Outcomes
import Routing
import Sockets

/// The way of a request: parsed, matched, assigned, rewritten, sent. Nothing reaches an upstream before its head is whole and
/// was judged; a body up to `bodyBytesHeldMax` is whole too.
extension ClientConnection {
    /// A chunked body on its way into one piece.
    struct Gathered: ~Copyable {
        var body = ByteBuffer()
        var decoder = ChunkedDecoder()
        /// How far the request was decoded, from its first byte.
        var at = 0
        var isActive = false

        mutating func reset() {
            if isActive { self = Gathered() }
        }
    }

    /// Serves the request at the start of `bytes`. Returns how many bytes it used; 0 when it needs more, or refused it.
    func serveOne(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        switch unsafe loop.parser.parse(bytes.span, headerBytesMax: loop.settings.headerBytesMax) {
        case .needsMore: return 0
        case .refused(let refusal):
            refuse(refusal)
            return 0
        case .complete: break
        }
        (keepsAlive, isHTTP10, isHead) = (loop.parser.keepsAlive, loop.parser.isHTTP10, loop.parser.method == .head)
        if let door = unsafe OwnDoor(loop.parser, in: bytes.span) { return unsafe serveOwn(door, bytes) }
        guard let route = unsafe loop.table.route(for: loop.parser, in: bytes.span) else { return unsafe serveUnmatched(bytes) }
        switch loop.parser.body {
        case .none:
            unsafe send(bytes, body: UnsafeBufferPointer(start: nil, count: 0), wholeBody: true, by: route)
            return loop.parser.count
        case .length(let length): return unsafe serveCounted(bytes, length: length, by: route)
        case .chunked: return unsafe serveChunked(bytes, by: route)
        case .untilClose: preconditionFailure("a request's body never ends with the connection")
        }
    }

    private func serveCounted(_ bytes: UnsafeBufferPointer<UInt8>, length: Int, by route: CompiledRoute) -> Int {
        let head = loop.parser.count
        if length > (route.readsBody ? loop.settings.bodyBytesMax : loop.settings.bodyBytesStreamedMax) {
            refuse(.bodyTooLarge)
            return 0
        }
        if bytes.count - head >= length {
            unsafe send(bytes, body: UnsafeBufferPointer(rebasing: bytes[head..<head + length]), wholeBody: true, by: route)
            return head + length
        }
        sendContinueOnce()
        if route.readsBody || length <= loop.settings.bodyBytesHeldMax {
            needed = head + length
            return 0
        }
        upload = Upload(left: length - (bytes.count - head))
        unsafe send(bytes, body: UnsafeBufferPointer(rebasing: bytes[head...]), wholeBody: false, by: route)
        return bytes.count
    }

    private func serveChunked(_ bytes: UnsafeBufferPointer<UInt8>, by route: CompiledRoute) -> Int {
        let head = loop.parser.count
        let bodyMax = route.readsBody ? loop.settings.bodyBytesMax : loop.settings.bodyBytesHeldMax
        if !gathered.isActive { (gathered.isActive, gathered.at) = (true, head) }
        var at = gathered.at
        while true {
            switch unsafe gathered.decoder.next(bytes.span, at: &at) {
            case .data(let piece):
                unsafe gathered.body.append(bytes.part(piece))
                if gathered.body.count > bodyMax { return unsafe overflowed(bytes, used: at, by: route) }
            case .needsMore:
                gathered.at = at
                // Tiny chunks make the body many times larger on its way than it is.
                if bytes.count > 2 * bodyMax + (64 << 10) {
                    refuse(.bodyTooLarge)
                    return 0
                }
                sendContinueOnce()
                return 0
            case .end:
                unsafe send(bytes, body: gathered.body.bytes, wholeBody: true, by: route)
                gathered.reset()
                return at
            case .refused:
                refuse(.badChunk)
                return 0
            }
        }
    }

    private func overflowed(_ bytes: UnsafeBufferPointer<UInt8>, used: Int, by route: CompiledRoute) -> Int {
        if route.readsBody {
            refuse(.bodyTooLarge)
            return 0
        }
        upload = Upload(decoder: gathered.decoder, passed: gathered.body.count)
        unsafe send(bytes, body: gathered.body.bytes, wholeBody: false, by: route)
        gathered.reset()
        guard isOpen, state == .uploading else { return used }
        return used + (unsafe uploadMore(UnsafeBufferPointer(rebasing: bytes[used...])))
    }

    private func serveUnmatched(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        loop.unmatched += 1
        return unsafe answerInstead(bytes) {
            answer(
                404, what: "No route answers this path.", why: "Routes are matched by host and path prefix.",
                fix: "See `openclaw route list` for the routes there are.")
        }
    }

    /// Answers without an upstream. The connection goes on where the request's body is here or is none, else it closes.
    func answerInstead(_ bytes: UnsafeBufferPointer<UInt8>, _ write: () -> Void) -> Int {
        let head = loop.parser.count
        switch loop.parser.body {
        case .none:
            write()
            if isOpen { finishAnswer() }
            return head
        case .length(let length) where bytes.count - head >= length:
            write()
            if isOpen { finishAnswer() }
            return head + length
        default:
            keepsAlive = false
            write()
            if isOpen { closeAfterLingering() }
            return bytes.count
        }
    }
}
