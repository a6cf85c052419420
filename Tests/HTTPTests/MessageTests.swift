import HTTP
import Sockets
import Statistics
import Testing

@Suite struct ChunkedDecoderTests {
    /// The data of a chunked body that arrives in pieces which end at `cuts`; nil when it is refused or does not end.
    private func decode(_ bytes: [UInt8], cuts: [Int]) -> (data: [UInt8], rest: [UInt8])? {
        var decoder = ChunkedDecoder()
        var data: [UInt8] = []
        var start = 0
        for cut in cuts + [bytes.count] where cut > start {
            let piece = Array(bytes[start..<cut])
            var at = 0
            reading: while true {
                switch decoder.next(piece.span, at: &at) {
                case .data(let range): data += piece[range.range]
                case .needsMore: break reading
                case .end: return (data, Array(bytes[(start + at)...]))
                case .refused: return nil
                }
            }
            start = cut
        }
        return nil
    }

    @Test func `a body is the same however it is cut`() throws {
        let bytes = Array("3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\nnext".utf8)
        for cut in 0...bytes.count {
            for second in stride(from: cut, through: bytes.count, by: 7) {
                let decoded = try #require(decode(bytes, cuts: [cut, second]), "cut at \(cut) and \(second)")
                #expect(decoded.data == Array("abc0123456789".utf8))
                #expect(decoded.rest == Array("next".utf8))
            }
        }
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func `what was encoded is decoded`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var encoded = ByteBuffer()
        var data: [UInt8] = []
        for _ in 0..<Int.random(in: 0..<8, using: &random) {
            let chunk = (0..<Int.random(in: 0..<5_000, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            ResponseWriter.chunk(chunk.span, into: &encoded)
            data += chunk
        }
        encoded.append(ResponseWriter.lastChunk)
        let bytes = unsafe Array(encoded.bytes)
        let cuts = (0..<5).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted()
        #expect(try #require(decode(bytes, cuts: cuts)).data == data, "seed \(seed)")
    }

    @Test func `extensions and trailers are bounded`() {
        let long = String(repeating: "x", count: 9_000)
        #expect(decode(Array("1;\(long)\r\na\r\n0\r\n\r\n".utf8), cuts: []) == nil)
        #expect(decode(Array("0\r\nX: \(long)\r\n\r\n".utf8), cuts: []) == nil)
    }
}

@Suite struct ResponseParserTests {
    private func parse(_ text: String, toHead: Bool = false) -> (
        progress: ResponseParser.Progress, body: BodyFraming, keepsAlive: Bool
    ) {
        var parser = ResponseParser()
        let progress = parser.parse(Array(text.utf8).span, toHead: toHead, headerBytesMax: 1_000)
        return (progress, parser.body, parser.keepsAlive)
    }

    @Test func `the body ends where RFC 9112 says`() {
        #expect(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").body == .length(5))
        #expect(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").body == .chunked)
        #expect(parse("HTTP/1.1 200\r\n\r\n").body == .untilClose)
        #expect(parse("HTTP/1.1 200 OK\r\n\r\n").keepsAlive == false)
        #expect(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", toHead: true).body == .none)
        for status in [100, 204, 304] { #expect(parse("HTTP/1.1 \(status) X\r\nContent-Length: 5\r\n\r\n").body == .none) }
        #expect(parse("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n").keepsAlive == false)
    }

    @Test(arguments: [
        "HTTP/2 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\nxxxxx", "HTTP/1.1 20 OK\r\n\r\nxxx", "HTTP/1.1 200 OK\nX: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
    ])
    func `a broken answer is not guessed at`(text: String) {
        guard case .broken = parse(text).progress else {
            Issue.record("\(text) was taken")
            return
        }
    }
}

@Suite struct ServerSentEventTests {
    @Test func `an event survives the wire, however it is cut`() {
        let event = ServerSentEvent(id: "7", name: "stage", data: "one\ntwo: é")
        let bytes = ServerSentEvent.keepAlive + event.bytes
        for cut in 0...bytes.count {
            var parser = ServerSentEventParser()
            #expect(parser.receive(Array(bytes[..<cut])) + parser.receive(Array(bytes[cut...])) == [event])
        }
    }

    @Test func `a line end in an id or a name starts no field`() {
        #expect(String(decoding: ServerSentEvent(id: "1\ndata: x", data: "y").bytes, as: UTF8.self) == "id: 1data: x\ndata: y\n\n")
    }
}
