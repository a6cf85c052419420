import HTTP
import Outcomes
import Routing
import Sockets

/// What is left of an answer's body, and how it goes to the client.
enum AnswerBody {
    case none
    case length(Int)
    /// Checked on its way and passed on as it is; `decoded` for HTTP/1.0 clients, which know no chunks.
    case chunked(ChunkedDecoder, decoded: Bool)
    /// Ends with the connection; chunked for the client, so that its connection lives on.
    case untilClose(chunked: Bool)
}

/// The way back: the upstream's answer to the client, as it arrives.
extension UpstreamConnection {
    func take(_ bytes: UnsafeBufferPointer<UInt8>, for client: ClientConnection) {
        if client.exchange?.answerBegan == true {
            return unsafe takeBody(bytes, head: UnsafeBufferPointer(start: nil, count: 0), for: client)
        }
        guard partialHead.isEmpty else {
            unsafe partialHead.append(bytes)
            // Moved out while it is read: what is done with it may end this exchange and begin the next.
            var whole = ByteBuffer()
            swap(&whole, &partialHead)
            if unsafe !takeHead(whole.bytes, for: client) { swap(&whole, &partialHead) }
            return
        }
        if unsafe !takeHead(bytes, for: client) { unsafe partialHead.append(bytes) }
    }

    /// False when the head is not whole.
    private func takeHead(_ bytes: UnsafeBufferPointer<UInt8>, for client: ClientConnection) -> Bool {
        var at = 0
        while true {
            let rest = unsafe UnsafeBufferPointer(rebasing: bytes[at...])
            switch unsafe loop.response.parse(rest.span, toHead: client.isHead, headerBytesMax: 64 << 10) {
            case .needsMore:
                if at > 0 {
                    unsafe partialHead.append(rest)
                    return true
                }
                return false
            case .broken(let why):
                fail("its answer is broken: " + why)
                return true
            case .complete where loop.response.status == 101:
                fail("it switched protocols, which nobody asked for")
                return true
            case .complete where loop.response.status < 200:
                at += loop.response.count  // interim answers end here: the gateway itself has answered Expect
                if at == bytes.count { return true }
            case .complete:
                if unsafe waitsForToken(rest, for: client) {
                    if at == 0 { return false }
                    unsafe partialHead.append(rest)
                    return true
                }
                unsafe beginAnswer(rest, for: client)
                return true
            }
        }
    }

    private func beginAnswer(_ bytes: UnsafeBufferPointer<UInt8>, for client: ClientConnection) {
        let head = loop.response.count
        answer =
            switch loop.response.body {
            case .none: .none
            case .length(let length): .length(length)
            case .chunked: .chunked(ChunkedDecoder(), decoded: client.isHTTP10)
            case .untilClose: .untilClose(chunked: !client.isHTTP10)
            }
        keepsAlive = loop.response.keepsAlive
        let asked = client.exchange?.model
        if let asked, unsafe beginModelAnswer(bytes, asked, for: client) { return }
        unsafe client.writeAnswerHead(loop.response, in: bytes, body: asked.map { framing(for: client, $0) } ?? answer)
        client.exchange?.answerBegan = true
        client.exchange?.status = loop.response.status
        unsafe takeBody(UnsafeBufferPointer(rebasing: bytes[head...]), head: loop.output.bytes, for: client)
    }

    /// Passes on what belongs to the body, after a head that has not gone yet.
    private func takeBody(_ bytes: UnsafeBufferPointer<UInt8>, head: UnsafeBufferPointer<UInt8>, for client: ClientConnection) {
        if let asked = client.exchange?.model { return unsafe takeModelBody(bytes, head: head, asked, for: client) }
        unsafe takePlainBody(bytes, head: head, for: client)
    }

    func takePlainBody(_ bytes: UnsafeBufferPointer<UInt8>, head: UnsafeBufferPointer<UInt8>, for client: ClientConnection) {
        var used = bytes.count
        var isComplete = false
        switch answer {
        case .none: (used, isComplete) = (0, true)
        case .length(let left):
            used = min(left, bytes.count)
            answer = .length(left - used)
            isComplete = used == left
        case .chunked(var decoder, let decoded):
            guard let end = unsafe check(bytes, with: &decoder) else { return fail("its chunked body is malformed") }
            (used, isComplete) = end
            if decoded { return unsafe takeDecoded(bytes, head: head, isComplete: isComplete, for: client) }
            answer = .chunked(decoder, decoded: false)
        case .untilClose(chunked: true): return unsafe takeEnclosed(bytes, head: head, for: client)
        case .untilClose(chunked: false): break
        }
        guard unsafe pass(head, UnsafeBufferPointer(rebasing: bytes[..<used]), to: client) else { return }
        goOn(isComplete: isComplete, hasMore: used < bytes.count, for: client)
    }

    /// How much of `bytes` belongs to the chunked body, and whether it ends there; nil when it is malformed.
    private func check(_ bytes: UnsafeBufferPointer<UInt8>, with decoder: inout ChunkedDecoder) -> (used: Int, ends: Bool)? {
        var at = 0
        while true {
            switch unsafe decoder.next(bytes.span, at: &at) {
            case .data: continue
            case .needsMore: return (at, false)
            case .end: return (at, true)
            case .refused: return nil
            }
        }
    }

    /// A chunked body for a client that knows no chunks.
    private func takeDecoded(
        _ bytes: UnsafeBufferPointer<UInt8>, head: UnsafeBufferPointer<UInt8>, isComplete: Bool, for client: ClientConnection
    ) {
        guard case .chunked(var decoder, _) = answer else { return }
        var plain = ByteBuffer()
        var at = 0
        while case .data(let piece) = unsafe decoder.next(bytes.span, at: &at) { unsafe plain.append(bytes.part(piece)) }
        answer = .chunked(decoder, decoded: true)
        guard unsafe pass(head, plain.bytes, to: client) else { return }
        goOn(isComplete: isComplete, hasMore: false, for: client)
    }

    /// A body that ends with the connection, chunked for the client.
    private func takeEnclosed(_ bytes: UnsafeBufferPointer<UInt8>, head: UnsafeBufferPointer<UInt8>, for client: ClientConnection) {
        var chunk = ByteBuffer()
        unsafe ResponseWriter.chunk(bytes.span, into: &chunk)
        guard unsafe pass(head, chunk.bytes, to: client) else { return }
        goOn(isComplete: false, hasMore: false, for: client)
    }

    func finishUntilClose() {
        guard let client, case .untilClose(let chunked) = answer else { return }
        if let asked = client.exchange?.model, asked.isReframed {
            asked.finishEvents()
            unsafe passEvents(head: UnsafeBufferPointer(start: nil, count: 0), asked, ends: true, for: client)
            if client.isHTTP10 { client.keepsAlive = false }
            guard self.client != nil else { return }
            return goOn(isComplete: true, hasMore: true, for: client)
        }
        if chunked {
            let last = ResponseWriter.lastChunk
            client.exchange?.bytesOut += last.utf8CodeUnitCount
            unsafe client.send(UnsafeBufferPointer(start: last.utf8Start, count: last.utf8CodeUnitCount))
        } else {
            client.keepsAlive = false
        }
        goOn(isComplete: true, hasMore: true, for: client)
    }

    private static var joinedBytesMax: Int { 8 << 10 }

    /// False when the client is gone; its exchange has ended then.
    func pass(_ head: UnsafeBufferPointer<UInt8>, _ body: UnsafeBufferPointer<UInt8>, to client: ClientConnection) -> Bool {
        client.exchange?.bytesOut += head.count + body.count
        // Copying a small body behind its head costs less than a call with two parts. A head always stands in the loop's output.
        let isJoined = !head.isEmpty && body.count <= Self.joinedBytesMax
        if isJoined { unsafe loop.output.append(body) }
        if isJoined ? unsafe client.send(loop.output.bytes) : unsafe client.send(head, body) { return true }
        client.abort()
        return false
    }

    func goOn(isComplete: Bool, hasMore: Bool, for client: ClientConnection) {
        guard isComplete else {
            if client.exchange?.model?.standsStill() == true { return }
            return setDeadline(milliseconds: client.exchange?.timeouts.idle ?? ClientConnection.stalledMilliseconds)
        }
        let kind = AnswerKind(status: client.exchange?.status ?? 0)
        // Bytes after the answer were not asked for: nothing further is believed on this connection.
        release(keepsAlive: keepsAlive && !hasMore)
        client.completeExchange(kind)
    }
}

extension ClientConnection {
    /// Writes the answer's head into the loop's output: the upstream's fields, ours, and this connection's own framing.
    func writeAnswerHead(_ response: borrowing ResponseParser, in bytes: UnsafeBufferPointer<UInt8>, body: AnswerBody) {
        loop.output.removeAll()
        loop.output.reserve(response.count + 512)
        loop.output.append("HTTP/1.1 ")
        loop.output.append(decimal: response.status)
        loop.output.append(byte: 0x20)
        unsafe loop.output.append(bytes.part(response.reason))
        loop.output.append("\r\n")
        var run = 0..<0
        for index in 0..<response.fields.count {
            let field = response.fields[index]
            // A variant does not name itself, and one Content-Length is enough where an upstream repeats it.
            if field.isHopByHop || field.kind == .openclaw { continue }
            if field.kind == .contentLength, exchange?.model?.isReframed == true { continue }
            if run.upperBound != field.line.start {
                unsafe loop.output.append(UnsafeBufferPointer(rebasing: bytes[run]))
                run = field.line.start..<field.line.start
            }
            run = run.lowerBound..<field.line.end
        }
        unsafe loop.output.append(UnsafeBufferPointer(rebasing: bytes[run]))
        writeOwnLines()
        switch body {
        case .chunked(_, decoded: false), .untilClose(chunked: true): loop.output.append("Transfer-Encoding: chunked\r\n")
        case .chunked(_, decoded: true), .untilClose(chunked: false): keepsAlive = false
        case .none, .length: break
        }
        writeEndOfHead()
    }

    /// The lines that name request, route and variant.
    func writeOwnLines() {
        guard let exchange else { return }
        loop.output.append(exchange.variant.responseLines)
        loop.output.append("X-OpenClaw-Request-Id: ")
        exchange.name.write(into: &loop.output)
        loop.output.append("\r\n")
    }

    func writeEndOfHead() {
        if !keepsAlive || loop.isDraining || state == .uploading {
            loop.output.append("Connection: close\r\n")
        } else if isHTTP10 {
            loop.output.append("Connection: keep-alive\r\n")
        }
        loop.output.append("\r\n")
    }
}
