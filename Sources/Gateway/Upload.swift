import HTTP
import Outcomes
import Sockets

/// A request body that follows its head to the upstream as it arrives.
struct Upload {
    /// Bytes still to come, where the client said how many.
    var left = 0
    /// Set for a chunked body, which is decoded and chunked anew: no framing of the client's reaches an upstream.
    var decoder: ChunkedDecoder?
    /// Bytes of a chunked body that went to the upstream.
    var passed = 0

    init() {}
    init(left: Int) { self.left = left }
    init(decoder: ChunkedDecoder, passed: Int) { (self.decoder, self.passed) = (decoder, passed) }
}

extension ClientConnection {
    /// Passes on what belongs to the body. Returns how many bytes did.
    func uploadMore(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        setDeadline(milliseconds: Self.bodyMilliseconds)
        return if upload.decoder == nil { unsafe uploadCounted(bytes) } else { unsafe uploadChunked(bytes) }
    }

    private func uploadCounted(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        let count = min(upload.left, bytes.count)
        upload.left -= count
        exchange?.bytesIn += count
        unsafe upstream?.sendMore(UnsafeBufferPointer(rebasing: bytes[..<count]))
        if upload.left == 0 { finishUpload() }
        return count
    }

    private func uploadChunked(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        guard var decoder = upload.decoder else { return 0 }
        exchange?.bytesIn += bytes.count
        loop.output.removeAll()
        var at = 0
        decoding: while true {
            switch unsafe decoder.next(bytes.span, at: &at) {
            case .data(let piece):
                upload.passed += piece.count
                if upload.passed > loop.settings.bodyBytesStreamedMax {
                    refuseUpload(.bodyTooLarge)
                    return bytes.count
                }
                unsafe ResponseWriter.chunk(bytes.part(piece).span, into: &loop.output)
            case .needsMore:
                unsafe upstream?.sendMore(loop.output.bytes)
                break decoding
            case .end:
                loop.output.append(ResponseWriter.lastChunk)
                unsafe upstream?.sendMore(loop.output.bytes)
                finishUpload()
                break decoding
            case .refused:
                refuseUpload(.badChunk)
                return bytes.count
            }
        }
        upload.decoder = decoder
        return at
    }

    private func finishUpload() {
        guard isOpen, state == .uploading else { return }
        state = .exchanging
        upstream?.requestIsWhole()
    }

    /// The upstream never gets the end of this body: its connection is closed.
    private func refuseUpload(_ refusal: Refusal) {
        let began = exchange?.answerBegan == true
        endExchange(.clientFault, status: began ? nil : refusal.status)
        dropUpstream()
        state = .reading
        if began { close() } else { refuse(refusal) }
    }
}
