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
            let pause = unsafe ModelExchange.retryAfter(loop.response, in: bytes.span)
            if resend(asked, for: client, status: status, retryAfter: pause) { return true }
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

    /// Whether the answer whose head is in the loop's parser has not said anything yet, and is not passed on before it has.
    func waitsForToken(_ bytes: UnsafeBufferPointer<UInt8>, for client: ClientConnection) -> Bool {
        guard let asked = client.exchange?.model, asked.call != .other, (200..<300).contains(loop.response.status),
            loop.response.body != .none
        else { return false }
        return unsafe !FirstToken.isThere(loop.response, in: bytes, kind: ModelExchange.kind(of: loop.response, in: bytes.span))
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
            let used = min(left, bytes.count)
            unsafe asked.observe(UnsafeBufferPointer(rebasing: bytes[..<used]), at: reactor.now, isLast: used == left)
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

    /// The provider failed before its answer began: the next one is asked, or after a pause the same, where that may still help.
    /// `retryAfter` is the pause that it asked for, in milliseconds. False when the client is to be told.
    func resend(_ asked: ModelExchange, for client: ClientConnection, status: Int? = nil, retryAfter: Int64? = nil) -> Bool {
        guard let exchange = client.exchange, !exchange.answerBegan else { return false }
        if status != 401, status != 403 { target.health.failed(at: reactor.now) }
        while let next = asked.next(status: status, retryAfter: retryAfter, for: exchange, at: reactor.now) {
            asked.moveOn(next)
            if case .same(let pause) = next {
                unsafe client.askAgain(asked, request.bytes, in: pause)
                detach()
                close()
                return true
            }
            guard let fresh = asked.open(loop, reactor) else { continue }
            fresh.request.removeAll()
            let common = asked.commonFrom
            unsafe fresh.request.append(UnsafeBufferPointer(rebasing: request.bytes[..<(asked.methodCount + 1)]))
            let rest = unsafe request.bytes.part(asked.restFrom..<asked.restFrom + asked.restCount)
            unsafe asked.writePrefix(rest: rest, into: &fresh.request)
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

extension ClientConnection {
    /// Waits before the same provider is asked again, with the request as it was.
    func askAgain(_ asked: ModelExchange, _ request: UnsafeBufferPointer<UInt8>, in milliseconds: Int64) {
        asked.again.removeAll()
        unsafe asked.again.append(request)
        asked.isPausing = true
        loop.retries += 1
        consulted = asked.again.count
        recount()
        setDeadline(milliseconds: milliseconds)
    }

    /// The pause is over.
    func askNow(_ asked: ModelExchange) {
        asked.isPausing = false
        consulted = 0
        recount()
        guard let fresh = asked.open(loop, reactor) else {
            return fail(
                .unreachable, 502, why: asked.asked.whyUnreachable,
                fix: "See `openclaw provider show`, and that its address and key are right.")
        }
        fresh.request.removeAll()
        swap(&fresh.request, &asked.again)
        upstream = fresh
        fresh.carry(self, wholeRequest: true)
    }
}

extension ModelExchange {
    enum Next: Equatable {
        /// In so many milliseconds.
        case same(Int64)
        case host(Int)
    }

    /// The longest pause that a provider's own wish is followed for; a longer one is for the client to keep.
    static let retryAfterMax: Int64 = 10_000
    private static let pauses: [Int64] = [100, 200, 400, 800, 1_600]

    /// What another try may mend: the provider is overloaded, broken, or does not know our key.
    static func isFailure(status: Int) -> Bool {
        switch status {
        case 401, 403, 408, 429, 500, 502, 503, 504, 529: true
        default: false
        }
    }

    func next(status: Int?, retryAfter: Int64?, for exchange: Exchange, at now: Int64) -> Next? {
        if host + 1 < model.hosts.count { return .host(model.host(from: host + 1, at: now)) }
        // The same one again: not when it said that we are the trouble, unless it also said when we no longer are.
        if status == 401 || status == 403 || status == 429 && retryAfter == nil { return nil }
        if let retryAfter, retryAfter > ModelExchange.retryAfterMax { return nil }
        let pause = max(self.pause(of: exchange.name), retryAfter ?? 0)
        // All tries together may take no longer than one may take to its first token.
        guard now + pause * 1_000_000 < exchange.startedAt + asked.timeouts.firstByte * 1_000_000,
            retriesHere < asked.retriesMax, asked.target?.health.takeRetry() == true
        else { return nil }
        return .same(pause)
    }

    /// Twice as long each time, and between half and all of that as the request's own name has it: requests that failed together
    /// do not come back together.
    private func pause(of name: RequestName) -> Int64 {
        let longest = ModelExchange.pauses[min(retriesHere, ModelExchange.pauses.count - 1)]
        let mixed = (name.low ^ UInt64(retriesHere)) &* 0x9E37_79B9_7F4A_7C15
        return longest / 2 + (Int64(mixed >> 40) * (longest / 2)) >> 24
    }

    /// The pause that a provider asks for, in milliseconds; nil where it names none, or a date.
    static func retryAfter(_ response: borrowing ResponseParser, in bytes: Span<UInt8>) -> Int64? {
        for index in 0..<response.fields.count where response.fields[index].name.count == retryAfterName.count {
            let field = response.fields[index]
            guard bytes.matchesWithoutCase(retryAfterName, at: field.name.start) else { continue }
            return seconds(bytes, field.value).map { $0 * 1_000 }
        }
        return nil
    }
    private static func seconds(_ bytes: Span<UInt8>, _ value: ByteRange) -> Int64? {
        guard (1...9).contains(value.count) else { return nil }
        var number: Int64 = 0
        for index in value.range {
            guard bytes[index] &- 0x30 < 10 else { return nil }
            number = number * 10 + Int64(bytes[index] - 0x30)
        }
        return number
    }
    private static let retryAfterName = Array("retry-after".utf8)

    /// True where nothing that counts came since the last time: comments keep a connection alive, not an answer.
    func standsStill() -> Bool {
        guard kind == .events else { return false }
        defer { eventsBefore = filter.events }
        return filter.events == eventsBefore
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
    func observe(_ bytes: UnsafeBufferPointer<UInt8>, at now: Int64, isLast: Bool = false) {
        guard !bytes.isEmpty else { return }
        if firstAt == 0 { firstAt = now }
        outputBytes += bytes.count
        switch kind {
        case .events:
            unsafe filter.take(bytes, into: &out)
            out.removeAll()
        case .json: unsafe observeJSON(bytes, isLast: isLast)
        case .other: break
        }
    }

    /// The usage of a JSON answer stands at its end, or near it.
    private func observeJSON(_ bytes: UnsafeBufferPointer<UInt8>, isLast: Bool) {
        if tail.isEmpty {
            figures = unsafe TokenFigures(lastIn: bytes) ?? figures
            if isLast { return }
            unsafe tail.append(UnsafeBufferPointer(rebasing: bytes.suffix(Self.tailBytes)))
            return
        }
        unsafe tail.append(bytes)
        figures = unsafe TokenFigures(lastIn: tail.bytes) ?? figures
        if tail.count > Self.tailBytes { tail.consume(tail.count - Self.tailBytes) }
    }
}
