import HTTP
import JSON
import Sockets

/// The paths of the gateway's address that are not routes.
enum OwnDoor {
    case feedback, health, evaluation

    init?(_ request: borrowing RequestParser, in bytes: Span<UInt8>) {
        switch (request.method, request.path.count) {
        case (.post, 12) where bytes.holds(Self.feedbackPath, at: request.path.start): self = .feedback
        case (.get, 8) where bytes.holds(Self.healthPath, at: request.path.start): self = .health
        // What a browser asks before it sends what another page made.
        case (.options, 12) where bytes.holds(Self.feedbackPath, at: request.path.start): self = .feedback
        case (.options, 24...) where Self.isEvaluation(request.path, in: bytes): self = .evaluation
        case (.post, 24...) where Self.isEvaluation(request.path, in: bytes): self = .evaluation
        default: return nil
        }
    }
    private static let feedbackPath = Array("/v1/feedback".utf8)
    private static let healthPath = Array("/healthz".utf8)
    private static let evaluationPath = Array(RemoteEvaluation.path.utf8)

    private static func isEvaluation(_ path: ByteRange, in bytes: Span<UInt8>) -> Bool {
        guard bytes.holds(evaluationPath, at: path.start) else { return false }
        return path.count == evaluationPath.count || bytes[path.start + evaluationPath.count] == UInt8(ascii: "/")
    }
}

/// What the gateway itself says.
extension ClientConnection {
    static let feedbackBytesMax = 1 << 20

    func serveOwn(_ door: OwnDoor, _ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        switch door {
        case .health:
            return unsafe answerInstead(bytes) {
                write(
                    HTTPResponse(
                        status: 200, headers: HTTPHeaders([("Content-Type", "text/plain")]), body: .bytes(Array("ok\n".utf8))))
            }
        case .feedback, .evaluation: return unsafe serveConsulted(bytes)
        }
    }

    private func serveConsulted(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let head = loop.parser.count
        var body: [UInt8] = []
        var used = head
        switch loop.parser.body {
        case .none, .untilClose: break
        case .length(let length):
            guard length <= Self.feedbackBytesMax else {
                refuse(.bodyTooLarge)
                return 0
            }
            guard bytes.count - head >= length else {
                sendContinueOnce()
                needed = head + length
                return 0
            }
            used = head + length
            body = unsafe Array(bytes[head..<used])
        case .chunked:
            var decoder = ChunkedDecoder()
            decoding: while true {
                switch unsafe decoder.next(bytes.span, at: &used) {
                case .data(let piece): unsafe body.append(contentsOf: bytes.part(piece))
                case .end: break decoding
                case .refused:
                    refuse(.badChunk)
                    return 0
                case .needsMore:
                    guard bytes.count <= Self.feedbackBytesMax + head else {
                        refuse(.bodyTooLarge)
                        return 0
                    }
                    sendContinueOnce()
                    // Decoded from the start each time: not before there is a good piece more.
                    return 0
                }
            }
        }
        let request = unsafe HTTPRequest(loop.parser, in: bytes.span, remote: "", body: body)
        consult(request)
        return used
    }

    /// Asks the feedback handler, off the loop.
    private func consult(_ request: HTTPRequest?) {
        guard let request else { return refuse(.badTarget) }
        state = .consulting
        consulted = request.body.count
        recount()
        let mailbox = reactor.mailbox
        let handler = loop.feedback
        // The client is touched on its loop only: it travels through the task and back.
        nonisolated(unsafe) let client = self
        Task {
            let response = await handler(request)
            mailbox.post { _ in unsafe client.answerConsulted(response) }
        }
    }

    private func answerConsulted(_ response: HTTPResponse) {
        guard isOpen, state == .consulting else { return }
        consulted = 0
        recount()
        write(response)
        if isOpen { finishAnswer() }
    }

    /// A fault as JSON, with the names of the exchange it belongs to.
    func answer(_ status: Int, what: String, why: String, fix: String) {
        let fault = fault(status, what: what, why: why, fix: fix)
        var headers = HTTPHeaders([("Content-Type", "application/json")])
        if status == 503 { headers.append("Retry-After", "1") }
        write(HTTPResponse(status: status, headers: headers, body: .bytes(Array(fault.canonicalText.utf8))))
    }

    private func fault(_ status: Int, what: String, why: String, fix: String) -> JSONValue {
        var members: [String: JSONValue] = ["what": .string(what), "why": .string(why), "fix": .string(fix)]
        if exchange?.variant.model != nil {
            // As clients of OpenAI's API read it.
            members["message"] = .string("\(what) \(why) \(fix)")
            members["type"] = .string(status == 429 ? "insufficient_quota" : status < 500 ? "invalid_request_error" : "api_error")
            members["code"] = .string(status == 429 ? "budget_reached" : status < 500 ? "refused" : "provider_failed")
            members["param"] = .null
        }
        return ["error": .object(members)]
    }

    private func write(_ response: HTTPResponse) {
        var body: [UInt8] = []
        if case .bytes(let bytes) = response.body { body = bytes }
        loop.output.removeAll()
        ResponseWriter.statusLine(response.status, into: &loop.output)
        ResponseWriter.fields(response.headers, into: &loop.output)
        writeOwnLines()
        loop.output.append("Content-Length: ")
        loop.output.append(decimal: body.count)
        loop.output.append("\r\n")
        writeEndOfHead()
        if !isHead { loop.output.append(body) }
        exchange?.bytesOut += loop.output.count
        if unsafe !send(loop.output.bytes) { close() }
    }
}
