import HTTP
import Statistics
import TestSockets
import Testing

/// What a parser said, in a form that can be compared.
private struct Seen: Equatable {
    var progress: RequestParser.Progress
    var count = 0
    var fields = 0
    var body = BodyFraming.none
}

private func parse(_ bytes: [UInt8]) -> Seen {
    var parser = RequestParser()
    let progress = parser.parse(bytes.span, headerBytesMax: 32 << 10)
    guard progress == .complete else { return Seen(progress: progress) }
    return Seen(progress: progress, count: parser.count, fields: parser.fields.count, body: parser.body)
}

private func text(_ bytes: [UInt8], _ range: ByteRange) -> String { String(decoding: bytes[range.range], as: UTF8.self) }

@Suite struct RequestParserTests {
    @Test func `a request is read into ranges of its bytes`() {
        let bytes = Array(
            "POST /a/b?x=%20 HTTP/1.1\r\nHost: example.com:80\r\nX-A:  1 2\t\r\nContent-Length: 7\r\nConnection: close, x-a\r\n\r\nrest"
                .utf8)
        var parser = RequestParser()
        #expect(parser.parse(bytes.span, headerBytesMax: 1_000) == .complete)
        #expect(parser.method == .post)
        #expect(text(bytes, parser.path) == "/a/b")
        #expect(parser.query.map { text(bytes, $0) } == "x=%20")
        #expect(text(bytes, parser.host) == "example.com:80")
        #expect(parser.body == .length(7))
        #expect(parser.keepsAlive == false)
        #expect(text(bytes, parser.fields[1].value) == "1 2")
        let isHopByHop = parser.fields[1].isHopByHop
        #expect(isHopByHop)
        #expect(text(bytes, parser.fields[1].line) == "X-A:  1 2\t\r\n")
        #expect(Array(bytes[parser.count...]) == Array("rest".utf8))
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true), ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false),
        ("GET / HTTP/1.0\r\n\r\n", false), ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
    ])
    func `a connection lives on as its version and Connection say`(request: String, lives: Bool) {
        var parser = RequestParser()
        #expect(parser.parse(Array(request.utf8).span, headerBytesMax: 1_000) == .complete)
        #expect(parser.keepsAlive == lives)
    }

    @Test(arguments: [
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://A.b:8/x HTTP/1.1\r\nHost: a.B:8\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /.well-known/..x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "PURGE! / HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\nY:\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ])
    func `what is unusual and clear is served`(request: String) {
        #expect(parse(Array(request.utf8)).progress == .complete)
    }

    @Test(arguments: HostileRequests.all)
    func `what two servers could read in two ways is refused, at every split of its bytes`(hostile: HostileRequests.Case) {
        let bytes = Array(hostile.bytes.utf8)
        // The head decides unless it is the body that is malformed.
        if case .refused(let refusal) = parse(bytes).progress {
            #expect(refusal.status == hostile.status)
            var wasRefused = false
            for end in stride(from: 0, through: bytes.count, by: bytes.count > 2_000 ? 997 : 1) {
                let progress = parse(Array(bytes[..<end])).progress
                #expect(progress != .complete)
                if case .refused = progress { wasRefused = true } else { #expect(!wasRefused, "refused, then not, at \(end)") }
            }
        } else {
            var decoder = ChunkedDecoder()
            let seen = parse(bytes)
            #expect(seen.body == .chunked)
            var at = seen.count
            var event = decoder.next(bytes.span, at: &at)
            while case .data = event { event = decoder.next(bytes.span, at: &at) }
            #expect(event == .refused)
        }
    }

    @Test func `every split of a valid request waits for the rest`() {
        let bytes = Array("PUT /a?b HTTP/1.1\r\nHost: a\r\nX-Long-Name: some text\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        for end in 0..<bytes.count { #expect(parse(Array(bytes[..<end])).progress == .needsMore, "at \(end)") }
        #expect(parse(bytes) == Seen(progress: .complete, count: bytes.count, fields: 3, body: .chunked))
    }

    @Test func `only the characters of a token stand in a name`() {
        let tokens = Set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        for byte in UInt8.min...UInt8.max {
            let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX".utf8) + [byte] + Array("Y: b\r\n\r\n".utf8)
            let isServed = parse(bytes).progress == .complete
            // A colon ends the name early, which is another field, not a malformed one.
            #expect(isServed == (tokens.contains(byte) || byte == 0x3A), "byte \(byte)")
        }
    }

    @Test func `every control character in a value is refused, wherever it stands`() {
        for byte in UInt8.min...UInt8.max {
            for offset in 0..<20 {
                var value = [UInt8](repeating: 0x61, count: 20)
                value[offset] = byte
                let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + value + Array("\r\n\r\n".utf8)
                let isText = (byte >= 0x20 && byte != 0x7F) || byte == 0x09
                #expect((parse(bytes).progress == .complete) == isText, "byte \(byte) at \(offset)")
            }
        }
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `random bytes and random changes never crash, and never widen what is accepted`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let valid = Array(
            "POST /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\nConnection: x-y, close\r\nX-Y: z\r\nCookie: a=b\r\n\r\n"
                .utf8)
        for _ in 0..<400 {
            var bytes = valid
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                default: bytes.insert([0x0D, 0x0A, 0x20, 0x3A, 0x00, 0x2C].randomElement(using: &random)!, at: at)
                }
            }
            let seen = parse(bytes)
            guard seen.progress == .complete else { continue }
            let head = bytes[..<seen.count]
            #expect(!head.contains(0), "seed \(seed)")
            #expect(head.suffix(4).elementsEqual("\r\n\r\n".utf8), "seed \(seed)")
            for (index, byte) in head.enumerated() where byte == 0x0A {
                #expect(index > 0 && head[index - 1] == 0x0D, "seed \(seed)")
            }
        }
    }
}
