import Faults
import HTTP
import Outcomes
import Providers
import Routing
import Sockets
import Telemetry

/// The second half of a request's way where its variant is a prompt or a provider: rewritten, paid for, sent to the first
/// provider that can be asked.
extension ClientConnection {
    /// Sends the request whose exchange has begun. Its body is whole.
    func sendToModel(
        _ bytes: UnsafeBufferPointer<UInt8>, body: UnsafeBufferPointer<UInt8>, by route: CompiledRoute, _ model: CompiledModel
    ) {
        guard let variant = exchange?.variant, let name = exchange?.name else { return }
        let rest = unsafe restOfTarget(bytes, of: route)
        let pathEnd = unsafe bytes[rest].firstIndex(of: 0x3F) ?? rest.upperBound
        let call = unsafe ModelCall(loop.parser.method, bytes.span.extracting(rest.lowerBound..<pathEnd))
        if call == .other, loop.parser.method == .post,
            unsafe ModelCall.isDisguised(bytes.span.extracting(rest.lowerBound..<pathEnd))
        {
            return refuseBody(ChatRefusal.disguisedPath.fault)
        }
        let asked = ModelExchange(model, call, host: model.host(from: 0, at: reactor.now))
        exchange?.model = asked
        guard unsafe prepare(asked, body, variant) else { return }
        let isRewritten = asked.facts.isRewritten
        let count = isRewritten ? loop.output.count : body.count
        asked.inputBytes = count
        guard unsafe reserve(for: asked, in: bytes.span) else { return }
        guard let upstream = openUpstream(for: asked) else { return }
        upstream.request.removeAll()
        upstream.request.reserve(loop.parser.count + count + 512)
        unsafe upstream.request.append(bytes.part(loop.parser.methodText))
        upstream.request.append(byte: 0x20)
        unsafe asked.writePrefix(rest: bytes.part(rest), into: &upstream.request)
        let hasBody = loop.parser.body != .none
        unsafe writeCommonHead(
            bytes, asked.asked, rewrite: variant.rewrite, name: name, length: hasBody ? count : nil, into: &upstream.request)
        if hasBody { unsafe upstream.request.append(isRewritten ? loop.output.bytes : body) }
        asked.methodCount = loop.parser.methodText.count
        self.upstream = upstream
        upstream.carry(self, wholeRequest: true)
        if isOpen, inputEnded { leave() }
    }

    /// What follows the API's base in the request's target: both `/support/chat/completions` and `/support/v1/chat/completions`
    /// lead there on a route for `/support`.
    private func restOfTarget(_ bytes: UnsafeBufferPointer<UInt8>, of route: CompiledRoute) -> Range<Int> {
        let (start, end) = (loop.parser.target.start + route.path.count, loop.parser.target.end)
        let version = Self.versionSegment
        guard !route.isVersioned, start + version.count <= end else { return start..<end }
        for index in version.indices where unsafe bytes[start + index] != version[index] { return start..<end }
        let next = start + version.count
        if next == end { return next..<end }
        let byte = unsafe bytes[next]
        return byte == 0x2F || byte == 0x3F ? next..<end : start..<end
    }
    private static let versionSegment = Array("/v1".utf8)

    /// Makes the body that is sent, in the loop's output where it differs. False when the request was answered instead.
    private func prepare(_ asked: ModelExchange, _ body: UnsafeBufferPointer<UInt8>, _ variant: CompiledVariant) -> Bool {
        loop.output.removeAll()
        if asked.call != .other {
            let prompt = asked.call == .chat ? asked.model.prompt : nil
            do throws(ChatRefusal) {
                let rewrite = ChatRewrite(prompt: prompt, asksUsage: asked.call.takesUsageOption)
                asked.facts = try unsafe rewrite.apply(to: body, into: &loop.output)
            } catch {
                refuseBody(error.fault)
                return false
            }
        }
        guard let rewrite = variant.rewrite, !rewrite.fields.isEmpty, loop.parser.body != .none else { return true }
        var changed = ByteBuffer()
        do throws(CompiledRewrite.Refusal) {
            unsafe try rewrite.apply(to: asked.facts.isRewritten ? loop.output.bytes : body, into: &changed)
        } catch {
            refuseBody(error.fault)
            return false
        }
        asked.facts.isRewritten = true
        swap(&loop.output, &changed)
        guard asked.call != .other else { return true }
        do throws(ChatRefusal) {
            try unsafe asked.facts.reread(loop.output.bytes)
        } catch {
            refuseBody(error.fault)
            return false
        }
        return true
    }

    /// The first provider from the exchange's on that a connection can be had to. Nil when the client was told that there is none.
    private func openUpstream(for asked: ModelExchange) -> UpstreamConnection? {
        var why = ""
        while true {
            if let upstream = asked.open(loop, reactor) { return upstream }
            if why.isEmpty { why = asked.asked.whyUnreachable }
            guard asked.host + 1 < asked.model.hosts.count else { break }
            asked.moveOn(to: asked.host + 1)
        }
        fail(.unreachable, 502, why: why, fix: "See `openclaw provider show`, and that its address and key are right.")
        return nil
    }

    /// The head after what is the provider's own: the client's fields, ours, and the length of the body.
    private func writeCommonHead(
        _ bytes: UnsafeBufferPointer<UInt8>, _ host: ModelHost, rewrite: CompiledRewrite?, name: RequestName, length: Int?,
        into buffer: inout ByteBuffer
    ) {
        var hasTrace = false
        for index in 0..<loop.parser.fields.count {
            let field = loop.parser.fields[index]
            switch field.kind {
            case .host, .expect, .openclaw, .transferEncoding, .contentLength: continue
            case .cookie where host.isProvider: continue
            case .traceparent where !field.isHopByHop: hasTrace = true
            default: break
            }
            if field.isHopByHop { continue }
            if unsafe rewrite?.replaces(field.name, in: bytes) == true { continue }
            if unsafe isKept(field.name, in: bytes.span, of: host) { unsafe buffer.append(bytes.part(field.line)) }
        }
        for header in rewrite?.headers ?? [] { buffer.append(header.line) }
        buffer.append("X-OpenClaw-Request-Id: ")
        name.write(into: &buffer)
        if !hasTrace {
            buffer.append("\r\ntraceparent: 00-")
            name.write(into: &buffer)
            buffer.append("-")
            buffer.append(hexadecimal: name.low | 1)
            buffer.append("-01")
        }
        if let length {
            buffer.append("\r\nContent-Length: ")
            buffer.append(decimal: length)
        }
        buffer.append("\r\n\r\n")
    }

    /// Credentials of the client are for us, not for a provider; and a compressed answer could not be counted.
    private func isKept(_ name: ByteRange, in bytes: Span<UInt8>, of host: ModelHost) -> Bool {
        if name.count == Self.acceptEncoding.count, bytes.matchesWithoutCase(Self.acceptEncoding, at: name.start) { return false }
        guard host.isProvider else { return true }
        for secret in Self.credentials where secret.count == name.count {
            if bytes.matchesWithoutCase(secret, at: name.start) { return false }
        }
        return true
    }
    private static let acceptEncoding = Array("accept-encoding".utf8)
    private static let credentials = ["authorization", "api-key", "x-api-key", "openai-organization", "openai-project"].map {
        Array($0.utf8)
    }
}

extension ModelHost {
    /// Why no request can be sent there now.
    var whyUnreachable: String {
        if let keyAbsence { return "The key of provider \(name) is missing: \(keyAbsence)." }
        guard let place else { return "Provider \(name) cannot be reached: \(unreachable)." }
        return "No further connection to \(place.address.text) can be opened."
    }
}

extension ModelExchange {
    /// A connection to the provider that is asked; nil when there can be none.
    func open(_ loop: GatewayLoop, _ reactor: Reactor) -> UpstreamConnection? {
        guard asked.keyAbsence == nil, let target = asked.target else { return nil }
        guard let upstream = target.takeIdle() ?? UpstreamConnection.open(to: target, loop: loop, reactor: reactor) else {
            return nil
        }
        target.health.sent(earning: asked.retryShare)
        return upstream
    }

    func moveOn(to next: Int) {
        (host, retriesHere) = (next, 0)
        retries = retries == .max ? .max : retries + 1
    }

    /// The target, of which `rest` follows the API's base, and what belongs to the provider alone.
    func writePrefix(rest: UnsafeBufferPointer<UInt8>, into buffer: inout ByteBuffer) {
        buffer.append(asked.path)
        restFrom = buffer.count
        restCount = rest.count
        unsafe buffer.append(rest)
        if asked.path.isEmpty, rest.isEmpty { buffer.append(byte: 0x2F) }
        buffer.append(asked.afterTarget)
        commonFrom = buffer.count
    }
}
