import Faults
import HTTP
import Outcomes
import Routing
import Sockets
import Telemetry

/// The second half of a request's way: who it is assigned to, and how it gets there.
extension ClientConnection {
    /// Assigns the request and sends it. `bytes` begins with its head, which stands in the loop's parser.
    func send(_ bytes: UnsafeBufferPointer<UInt8>, body: UnsafeBufferPointer<UInt8>, wholeBody: Bool, by route: CompiledRoute) {
        guard unsafe mayHold(body, wholeBody: wholeBody) else { return }
        let name = loop.names.next()
        guard let assignment = unsafe assign(bytes, body: body, by: route, name: name) else { return }
        guard let variant = route.variants[Int(assignment.variant.number)] else {
            preconditionFailure("a route's split names a variant it does not have")
        }
        let beginning = Exchange.Beginning(
            name: name, variant: variant, unit: assignment.unit, share: assignment.share, tablePosition: loop.table.position,
            method: loop.parser.method, startedAt: startedAt)
        beginExchange(beginning, bytesIn: loop.parser.count + body.count, choice: assignment.choice)
        state = wholeBody ? .exchanging : .uploading
        if let model = variant.model { return unsafe sendToModel(bytes, body: body, by: route, model) }
        guard let target = variant.target else {
            return fail(.unreachable, 502, why: variant.unreachable, fix: "Correct the variant's url.")
        }
        guard let upstream = target.takeIdle() ?? UpstreamConnection.open(to: target, loop: loop, reactor: reactor) else {
            return fail(
                .unreachable, 503, why: "No further connection to \(target.address.text) can be opened.", fix: "Try again shortly.")
        }
        guard unsafe write(bytes, body: body, wholeBody: wholeBody, route: route, variant: variant, name: name, to: upstream) else {
            upstream.giveBack()
            return
        }
        self.upstream = upstream
        if !wholeBody { setDeadline(milliseconds: Self.bodyMilliseconds) }
        upstream.carry(self, wholeRequest: wholeBody)
        if isOpen, inputEnded { leave() }
    }

    /// False when the bodies that are held leave no room for another, and the client was told.
    private func mayHold(_ body: UnsafeBufferPointer<UInt8>, wholeBody: Bool) -> Bool {
        // What this client holds is let go once it is sent.
        guard body.count > 0, loop.heldBytes - counted + body.count > loop.settings.heldBytesMax else { return true }
        loop.bodiesRefused += 1
        guard wholeBody else {
            refuse(.memoryTaken)
            return false
        }
        let refusal = Refusal.memoryTaken
        answer(refusal.status, what: refusal.what, why: refusal.why, fix: refusal.fix)
        if isOpen { finishAnswer() }
        return false
    }

    /// Whose the request is; nil when it was answered, because its body cannot be read.
    private func assign(
        _ bytes: UnsafeBufferPointer<UInt8>, body: UnsafeBufferPointer<UInt8>, by route: CompiledRoute, name: RequestName
    ) -> Assignment? {
        if !route.layers.isEmpty {
            switch unsafe route.ask(loop.parser, in: bytes.span, body: body, name: name, client: unit) {
            case .takes(let assignment): return assignment
            case .passes: break
            case .repeatedKey(let pointer):
                refuseBody(CompiledRewrite.Refusal.repeatedKey(pointer: pointer).fault)
                return nil
            }
        }
        guard let unit = unsafe unit(of: bytes, body: body, by: route, name: name) else { return nil }
        return route.assign(unit)
    }

    /// The request's unit; nil when the request was answered, because its body cannot be read.
    private func unit(
        of bytes: UnsafeBufferPointer<UInt8>, body: UnsafeBufferPointer<UInt8>, by route: CompiledRoute, name: RequestName
    ) -> UnitID? {
        guard case .json(let pointer) = route.unit else {
            return unsafe route.unit.read(loop.parser, in: bytes.span, client: unit) ?? name.unit
        }
        // A body that is no JSON names nobody; whether it may pass is the rewrite's question.
        let place = unsafe pointer.find(in: body)
        if place == .repeated {
            refuseBody(CompiledRewrite.Refusal.repeatedKey(pointer: pointer.text).fault)
            return nil
        }
        return unsafe place.withText(in: body) { unsafe UnitID($0) } ?? name.unit
    }

    /// Writes the request into the upstream's buffer. False when it was answered instead.
    private func write(
        _ bytes: UnsafeBufferPointer<UInt8>, body: UnsafeBufferPointer<UInt8>, wholeBody: Bool, route: CompiledRoute,
        variant: CompiledVariant, name: RequestName, to upstream: UpstreamConnection
    ) -> Bool {
        var framing = Framing.none
        if loop.parser.body != .none {
            framing = wholeBody ? .length(body.count) : loop.parser.body == .chunked ? .chunked : .length(0)
        }
        upstream.request.removeAll()
        guard let rewrite = variant.rewrite, !rewrite.fields.isEmpty, loop.parser.body != .none else {
            unsafe writeHead(
                loop.parser, in: bytes, route: route, variant: variant, name: name, framing: framing,
                changesLength: loop.parser.body == .chunked, into: &upstream.request)
            if case .chunked = framing {
                unsafe ResponseWriter.chunk(body.span, into: &upstream.request)
            } else {
                unsafe upstream.request.append(body)
            }
            return true
        }
        loop.output.removeAll()
        do throws(CompiledRewrite.Refusal) {
            if rewrite.fields.count == 1 {
                // The usual case is copied once only, from where it was read to where it is sent from.
                let edit = unsafe try rewrite.edit(rewrite.fields[0], in: body)
                unsafe writeHead(
                    loop.parser, in: bytes, route: route, variant: variant, name: name, framing: .length(body.count + edit.growth),
                    changesLength: true, into: &upstream.request)
                unsafe edit.write(body, into: &upstream.request)
                return true
            }
            unsafe try rewrite.apply(to: body, into: &loop.output)
        } catch {
            refuseBody(error.fault)
            return false
        }
        unsafe writeHead(
            loop.parser, in: bytes, route: route, variant: variant, name: name, framing: .length(loop.output.count),
            changesLength: true, into: &upstream.request)
        unsafe upstream.request.append(loop.output.bytes)
        return true
    }

    /// 400: the body is whole, so the connection goes on. Not the variant's fault, and no upstream saw it.
    func refuseBody(_ fault: Fault) {
        loop.refused += 1
        answer(400, what: fault.what, why: fault.why, fix: fault.fix)
        _ = takeExchange()
        if isOpen { finishAnswer() }
    }

    // MARK: Ending an exchange

    /// Counts the exchange and hands its exposure to the ring.
    func endExchange(_ kind: AnswerKind, status: Int? = nil) {
        guard let ended = takeExchange() else { return }
        if let status { ended.status = status }
        let exposure = ended.exposure(kind, now: Reactor.monotonicNanoseconds())
        ended.variant.counters.counts.record(exposure)
        if let choice = ended.choice { loop.choices.push(choice, of: exposure) }
        loop.ring.push(exposure)
        if let model = ended.model { recordUsage(of: model, ended, exposure) }
        (ended.choice, ended.model) = (nil, nil)
    }

    private func recordUsage(of model: ModelExchange, _ ended: Exchange, _ exposure: Exposure) {
        let usage = model.usage(of: ended, exposed: exposure)
        model.settle(usage.costNanoUSD, at: exposure.at.milliseconds)
        ended.variant.counters.counts.record(usage)
        loop.usages.push(usage)
    }

    /// The upstream's answer is complete.
    func completeExchange(_ kind: AnswerKind) {
        if state == .uploading { keepsAlive = false }  // the rest of the body would be read as the next request
        endExchange(kind)
        upstream = nil
        finishAnswer()
    }

    /// Answers in the variant's stead.
    func fail(_ kind: AnswerKind, _ status: Int, why: String, fix: String) {
        guard let exchange else { return }
        if exchange.answerBegan { return breakOff(kind) }
        if state == .uploading { keepsAlive = false }
        let what = "Variant \(exchange.variant.name) of route \(exchange.variant.routeName) did not answer."
        answer(status, what: what, why: why, fix: fix)
        endExchange(kind, status: status)
        upstream = nil
        if isOpen { finishAnswer() }
    }

    /// The answer ended too early, and all that can still be said is that it did: the connection closes without its end.
    private func breakOff(_ kind: AnswerKind) {
        endExchange(kind)
        upstream = nil
        close()
    }

    func dropUpstream() {
        let dropped = upstream
        upstream = nil
        dropped?.abandon()
    }
}
