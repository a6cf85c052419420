import RPC
import Testing

private struct Point: ProtoMessage, Equatable {
    static let protoName = "Point"
    var x: Int64 = 0
    var y: Double = 0
    mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "x", &x)
        c.field(2, "y", &y)
    }
}

private struct Everything: ProtoMessage, Equatable {
    static let protoName = "Everything"
    var big: Int64 = 0
    var small: Int32 = 0
    var count: UInt64 = 0
    var isSo = false
    var text = ""
    var texts: [String] = []
    var point: Point?
    var points: [Point] = []
    mutating func fields(_ c: inout ProtoCodec) {
        c.field(1, "big", &big)
        c.field(2, "small", &small)
        c.field(3, "count", &count)
        c.field(4, "is_so", &isSo)
        c.field(5, "text", &text)
        c.field(6, "texts", &texts)
        c.field(7, "point", &point)
        c.field(200, "points", &points)
    }
}

@Suite struct ProtoCodecTests {
    @Test func `what the documentation of protocol buffers shows is what comes out`() {
        // From its page on encoding: `int32 a = 1` with 150, `string b = 2` with "testing".
        struct Test: ProtoMessage {
            static let protoName = "Test"
            var a: Int32 = 0
            var b = ""
            mutating func fields(_ c: inout ProtoCodec) {
                c.field(1, "a", &a)
                c.field(2, "b", &b)
            }
        }
        #expect(Test(bytes: [0x08, 0x96, 0x01])?.a == 150)
        var test = Test()
        (test.a, test.b) = (150, "testing")
        #expect(test.bytes == [0x08, 0x96, 0x01, 0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6E, 0x67])
    }

    @Test func `defaults take no bytes, and negative numbers ten`() {
        #expect(Everything().bytes.isEmpty)
        var message = Everything()
        message.small = -1
        #expect(message.bytes == [0x10] + [UInt8](repeating: 0xFF, count: 9) + [0x01])
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `what goes in comes out`(seed: UInt64) {
        var random = Steps(state: seed)
        var message = Everything()
        message.big = Int64(bitPattern: random.next() >> (random.next() % 64))
        message.small = Int32(truncatingIfNeeded: random.next() >> (random.next() % 64))
        message.count = random.next() >> (random.next() % 64)
        message.isSo = random.next() % 2 == 0
        message.text = String(repeating: "é\(seed)", count: Int(random.next() % 100))
        message.texts = (0..<random.next() % 4).map { "\($0)" } + [""]
        if random.next() % 2 == 0 { message.point = Point(x: -3, y: -0.0) }
        message.points = (0..<random.next() % 4).map { Point(x: Int64($0), y: Double($0) / 3) }
        #expect(Everything(bytes: message.bytes) == message)
    }

    @Test func `unknown fields are passed over, and half messages refused`() {
        var message = Everything()
        (message.text, message.points) = ("some text", [Point(x: 1, y: 2)])
        let bytes = message.bytes
        // Field 9 as each wire type there is.
        let unknown: [UInt8] = [0x48, 0x05] + [0x49, 1, 2, 3, 4, 5, 6, 7, 8] + [0x4A, 0x02, 0xAA, 0xBB] + [0x4D, 1, 2, 3, 4]
        #expect(Everything(bytes: unknown + bytes + unknown) == message)
        for end in 1..<bytes.count where Everything(bytes: Array(bytes[..<end])) == message { Issue.record("\(end) bytes suffice") }
        #expect(Everything(bytes: [0x0A, 0x01, 0x00]) == nil, "a number came as text")
        #expect(Everything(bytes: [0x2A, 0x01, 0xFF]) == nil, "a text is not UTF-8")
        #expect(Everything(bytes: [0x2A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]) == nil, "a length past all")
        #expect(Everything(bytes: [0x00, 0x01]) == nil, "field 0")
    }

    @Test func `a message prints the declaration that it is`() {
        #expect(
            Everything.declaration == """
                message Everything {
                  int64 big = 1;
                  int32 small = 2;
                  uint64 count = 3;
                  bool is_so = 4;
                  string text = 5;
                  repeated string texts = 6;
                  Point point = 7;
                  repeated Point points = 200;
                }
                """)
    }
}

/// SplitMix64, so that a case replays from its seed.
private struct Steps {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
