import Faults
import Synchronization

/// One call on its way: written by the outbound thread, read by the task that made it.
final class Transfer: Sendable {
    private struct State {
        var status = 0
        var headers = HTTPHeaders()
        var body: [UInt8] = []
        var chunks: [[UInt8]] = []
        var chunkBytes = 0
        var isPaused = false
        var finished: Result<Outbound.Answer, Fault>?
        var onFinish: (@Sendable (Result<Outbound.Answer, Fault>) -> Void)?
        var onHead: (@Sendable (Result<Int, Fault>) -> Void)?
        var reader: CheckedContinuation<[UInt8]?, Never>?
        var exceeded = false
    }
    /// What a slow reader may leave unread before the sender is held back.
    private static let chunkBytesMax = 256 << 10
    private static let headerFieldsMax = 200

    let request: Outbound.Request
    let streams: Bool
    private let state = Mutex(State())

    init(_ request: Outbound.Request, streams: Bool) throws(Fault) {
        let text = [request.method, request.url] + request.headers.flatMap { [$0.0, $0.1] }
        guard text.allSatisfy({ $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }), !request.method.isEmpty else {
            throw Fault(
                .usage, what: "The call to '\(request.url)' cannot be made.",
                why: "Its method, URL or a header has a control character.", fix: "Remove it.")
        }
        let scheme = request.url.prefix(8).lowercased()
        guard scheme.hasPrefix("http://") || scheme.hasPrefix("https://") else {
            throw Fault(
                .usage, what: "'\(request.url)' cannot be called.", why: "Only http:// and https:// are spoken.",
                fix: "Write the whole URL, for example http://127.0.0.1:7701/healthz.")
        }
        (self.request, self.streams) = (request, streams)
    }

    func onFinish(_ body: @escaping @Sendable (Result<Outbound.Answer, Fault>) -> Void) { state.withLock { $0.onFinish = body } }
    func onHead(_ body: @escaping @Sendable (Result<Int, Fault>) -> Void) { state.withLock { $0.onHead = body } }

    // MARK: The outbound thread writes

    var hasHead: Bool { state.withLock { $0.status > 0 } }

    /// A line of the head. A status line starts it anew (an interim 100 came before).
    func receiveHeader(_ line: String) {
        state.withLock { state in
            if line.hasPrefix("HTTP/") {
                state.headers = HTTPHeaders()
            } else if let colon = line.firstIndex(of: ":"), state.headers.fields.count < Self.headerFieldsMax {
                let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
                state.headers.append(String(line[..<colon]), String(value.reversed().drop { $0.isWhitespace }.reversed()))
            }
        }
    }

    /// The head is complete.
    func receiveHead(status: Int) {
        let onHead = state.withLock { state in
            state.status = status
            defer { state.onHead = nil }
            return state.onHead
        }
        onHead?(.success(status))
    }

    enum Taken { case all, pause, abort }

    func receiveBody(_ bytes: [UInt8]) -> Taken {
        state.withLock { state in
            if !streams {
                guard state.body.count + bytes.count <= request.responseBytesMax else {
                    state.exceeded = true
                    return .abort
                }
                state.body += bytes
                return .all
            }
            if let reader = state.reader {
                state.reader = nil
                reader.resume(returning: bytes)
                return .all
            }
            if state.chunkBytes > Self.chunkBytesMax {
                state.isPaused = true
                return .pause
            }
            state.chunks.append(bytes)
            state.chunkBytes += bytes.count
            return .all
        }
    }

    /// Ends the transfer once; `failure` says what curl said.
    func finish(elapsed: Duration, failure: String?) {
        let callbacks = state.withLock { state -> (() -> Void)? in
            guard state.finished == nil else { return nil }
            let result: Result<Outbound.Answer, Fault>
            if state.exceeded {
                result = .failure(
                    Fault(
                        .limitReached, what: "The answer of \(request.url) is too large.",
                        why: "It is over \(request.responseBytesMax) bytes.", fix: "Ask for less, or raise the limit."))
            } else if let failure {
                result = .failure(
                    Fault(
                        .unavailable, what: "\(request.url) did not answer.", why: failure + ".",
                        fix: "Check that it runs and that the address is right."))
            } else {
                result = .success(
                    Outbound.Answer(status: state.status, headers: state.headers, body: state.body, elapsed: elapsed))
            }
            state.finished = result
            let (onFinish, onHead, reader) = (state.onFinish, state.onHead, state.reader)
            (state.onFinish, state.onHead, state.reader) = (nil, nil, nil)
            return {
                onFinish?(result)
                onHead?(result.map(\.status))
                reader?.resume(returning: nil)
            }
        }
        callbacks?()
    }

    // MARK: The stream's reader

    /// The next chunk, nil at the end; `resumes` asks for the sender to be let on again.
    func nextChunk() async -> (chunk: [UInt8]?, resumes: Bool) {
        var resumes = false
        let chunk: [UInt8]? = await withCheckedContinuation { continuation in
            state.withLock { state in
                if !state.chunks.isEmpty {
                    let chunk = state.chunks.removeFirst()
                    state.chunkBytes -= chunk.count
                    if state.isPaused && state.chunkBytes <= Self.chunkBytesMax / 2 {
                        state.isPaused = false
                        resumes = true
                    }
                    continuation.resume(returning: chunk)
                } else if state.finished != nil {
                    continuation.resume(returning: nil)
                } else {
                    // Paused with nothing left cannot be: resuming was asked for on the way down.
                    state.reader = continuation
                }
            }
        }
        return (chunk, resumes)
    }
}
