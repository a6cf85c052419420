import HTTP
import Outcomes
import Providers
import Routing
import Sockets

/// The way back from a provider: passed on as it arrives, counted on the way.
extension UpstreamConnection {
    /// Looks at a provider's head before the client hears of it. True when the request was sent again instead.
    func beginModelAnswer(_ bytes: UnsafeBufferPointer<UInt8>, _ asked: ModelExchange, for client: ClientConnection) -> Bool {
        let status = loop.response.status
        if ModelExchange.isFailure(status: status) {
            if resend(asked, for: client, status: status) { return true }
        } else {
            target.health.answered()
        }
        asked.kind = unsafe ModelExchange.kind(of: loop.response, in: bytes.span)
        guard asked.kind == .events else { return false }
        let strips = asked.call.takesUsageOption && !asked.facts.wantsUsage
        asked.filter = EventFilter(strips: strips)
        if case .none = answer { return false }
        asked.isReframed = strips
        return false
    }

    /// Whether the client is told another framing than the provider's.
    func framing(for client: ClientConnection, _ asked: ModelExchange) -> AnswerBody {
        asked.isReframed ? .untilClose(chunked: !client.isHTTP10) : answer
    }

    /// Passes on what belongs to the body, after a head that has not gone yet.
    func takeModelBody(
        _ bytes: UnsafeBufferPointer<UInt8>, head: UnsafeBufferPointer<UInt8>, _ asked: ModelExchange, for client: ClientConnection
    ) {
        guard asked.isReframed else { return unsafe takeObserved(bytes, head: head, asked, for: client) }
        asked.out.removeAll()
        var used = bytes.count
        var isComplete = false
        switch answer {
        case .none: (used, isComplete) = (0, true)
        case .length(let left):
            used = min(left, bytes.count)
            answer = .length(left - used)
            isComplete = used == left
            unsafe asked.take(UnsafeBufferPointer(rebasing: bytes[..<used]), at: reactor.now)
        case .chunked(var decoder, let decoded):
            var at = 0
            decoding: while true {
                switch unsafe decoder.next(bytes.span, at: &at) {
                case .data(let piece): unsafe asked.take(bytes.part(piece), at: reactor.now)
                case .needsMore: break decoding
                case .end:
                    (used, isComplete) = (at, true)
                    break decoding
                case .refused: return fail("its chunked body is malformed")
                }
            }
            answer = .chunked(decoder, decoded: decoded)
        case .untilClose: unsafe asked.take(bytes, at: reactor.now)
        }
        if isComplete { asked.finishEvents() }
        unsafe passEvents(head: head, asked, ends: isComplete, for: client)
        guard self.client != nil else { return }
        goOn(isComplete: isComplete, hasMore: used < bytes.count, for: client)
    }

    /// What is left of the events, framed for the client.
    func passEvents(head: UnsafeBufferPointer<UInt8>, _ asked: ModelExchange, ends: Bool, for client: ClientConnection) {
        var framed = ByteBuffer()
        if client.isHTTP10 {
            unsafe framed.append(asked.out.bytes)
        } else {
            if !asked.out.isEmpty { unsafe ResponseWriter.chunk(asked.out.bytes.span, into: &framed) }
            if ends { framed.append(ResponseWriter.lastChunk) }
        }
        asked.out.removeAll()
        guard !head.isEmpty || !framed.isEmpty else { return }
        _ = unsafe pass(head, framed.bytes, to: client)
    }

    /// A body that passes as it is: only looked at.
    private func takeObserved(
        _ bytes: UnsafeBufferPointer<UInt8>, head: UnsafeBufferPointer<UInt8>, _ asked: ModelExchange, for client: ClientConnection
    ) {
        switch answer {
        case .length(let left):
            unsafe asked.observe(UnsafeBufferPointer(rebasing: bytes[..<min(left, bytes.count)]), at: reactor.now)
        case .chunked(var decoder, _):
            var at = 0
            while case .data(let piece) = unsafe decoder.next(bytes.span, at: &at) {
                unsafe asked.observe(bytes.part(piece), at: reactor.now)
            }
        case .untilClose: unsafe asked.observe(bytes, at: reactor.now)
        case .none: break
        }
        unsafe takePlainBody(bytes, head: head, for: client)
    }

    // MARK: The next try

    /// The provider failed before its answer began: the next one is asked, or once more the same, where that may still help.
    /// False when the client is to be told.
    func resend(_ asked: ModelExchange, for client: ClientConnection, status: Int? = nil) -> Bool {
        guard client.exchange?.answerBegan == false else { return false }
        if status != 401, status != 403 { target.health.failed(at: reactor.now) }
        while let next = asked.next(status: status, at: reactor.now) {
            asked.moveOn(next)
            guard let fresh = asked.open(loop, reactor) else { continue }
            fresh.request.removeAll()
            let common = asked.commonFrom
            unsafe fresh.request.append(UnsafeBufferPointer(rebasing: request.bytes[..<(asked.methodCount + 1)]))
            asked.writePrefix(into: &fresh.request)
            unsafe fresh.request.append(UnsafeBufferPointer(rebasing: request.bytes[common...]))
            loop.retries += 1
            detach()
            close()
            client.upstream = fresh
            fresh.carry(client, wholeRequest: true)
            return true
        }
        return false
    }
}

extension ModelExchange {
    enum Next: Equatable {
        case same
        case host(Int)
    }

    /// What another try may mend: the provider is overloaded, broken, or does not know our key.
    static func isFailure(status: Int) -> Bool {
        switch status {
        case 401, 403, 408, 429, 500, 502, 503, 504, 529: true
        default: false
        }
    }

    func next(status: Int?, at now: Int64) -> Next? {
        if host + 1 < model.hosts.count { return .host(model.host(from: host + 1, at: now)) }
        // The same one again: not when it said that we are the trouble.
        if let status, status == 429 || status == 401 || status == 403 { return nil }
        guard retriesHere < asked.retriesMax, asked.target?.health.takeRetry() == true else { return nil }
        return .same
    }

    func moveOn(_ next: Next) {
        switch next {
        case .host(let index): moveOn(to: index)
        case .same:
            retriesHere += 1
            retries = retries == .max ? .max : retries + 1
        }
    }

    static func kind(of response: borrowing ResponseParser, in bytes: Span<UInt8>) -> Kind {
        let name = contentType
        for index in 0..<response.fields.count where response.fields[index].name.count == name.count {
            let field = response.fields[index]
            guard bytes.matchesWithoutCase(name, at: field.name.start) else { continue }
            if bytes.matchesWithoutCase(eventStream, at: field.value.start), field.value.count >= eventStream.count {
                return .events
            }
            if bytes.matchesWithoutCase(json, at: field.value.start), field.value.count >= json.count { return .json }
        }
        return .other
    }
    private static let contentType = Array("content-type".utf8)
    private static let eventStream = Array("text/event-stream".utf8)
    private static let json = Array("application/json".utf8)

    /// Takes a piece of a stream of which an event is left out.
    func take(_ bytes: UnsafeBufferPointer<UInt8>, at now: Int64) {
        guard !bytes.isEmpty else { return }
        if firstAt == 0 { firstAt = now }
        outputBytes += bytes.count
        unsafe filter.take(bytes, into: &out)
    }

    /// The stream has ended.
    func finishEvents() { filter.finish(into: &out) }

    /// Looks at a piece of an answer that passes as it is.
    func observe(_ bytes: UnsafeBufferPointer<UInt8>, at now: Int64) {
        guard !bytes.isEmpty else { return }
        if firstAt == 0 { firstAt = now }
        outputBytes += bytes.count
        switch kind {
        case .events:
            unsafe filter.take(bytes, into: &out)
            out.removeAll()
        case .json: unsafe observeJSON(bytes)
        case .other: break
        }
    }

    /// The usage of a JSON answer stands at its end, or near it.
    private func observeJSON(_ bytes: UnsafeBufferPointer<UInt8>) {
        if tail.isEmpty {
            figures = unsafe TokenFigures(lastIn: bytes) ?? figures
            unsafe tail.append(UnsafeBufferPointer(rebasing: bytes.suffix(Self.tailBytes)))
            return
        }
        unsafe tail.append(bytes)
        figures = unsafe TokenFigures(lastIn: tail.bytes) ?? figures
        if tail.count > Self.tailBytes { tail.consume(tail.count - Self.tailBytes) }
    }
}
