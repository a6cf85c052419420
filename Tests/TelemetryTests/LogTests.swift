import Glibc
import JSON
import Testing

@testable import Telemetry

@Suite struct LogTests {
    let moment = Timestamp(milliseconds: 1_795_227_480_123)

    @Test func `a line says when, how bad, who, what and the fields by name`() {
        let line = Log("gateway").line(
            .info, at: moment, "split changed", ["route": "fraud", "by": "two words", "share": 0.25, "x": ""])
        #expect(line == "2026-11-21T02:18:00.123Z info gateway: split changed by=\"two words\" route=fraud share=0.25 x=\"\"\n")
    }

    @Test func `input cannot forge a line`() {
        let line = Log("gateway").line(.warning, at: moment, "bad\nline", ["a\nb": "c\nd"])
        #expect(line.filter { $0 == "\n" }.count == 1)
        #expect(line.contains("bad\\u{a}line a\\u{a}b=\"c\\nd\""))
    }

    @Test func `a line is at most 8 KiB, and says what was cut`() {
        let long = String(repeating: "é", count: 5_000)
        let fields = Dictionary(uniqueKeysWithValues: (0..<20).map { ("field\($0)", JSONValue.string(long)) })
        let line = Log("gateway").line(.error, at: moment, long, fields)
        #expect(line.utf8.count <= 8_192)
        #expect(line.contains("bytes cut)"))
        #expect(line.hasSuffix("fields cut)\n"))
    }

    @Test func `levels are read from their names`() {
        #expect(Log.Level(named: "DEBUG") == .debug && Log.Level(named: "warn") == .warning && Log.Level(named: "loud") == nil)
        #expect(Log.Level.debug < .info && .warning < Log.Level.error)
    }

    @Test func `lines that a full pipe refuses are counted and owned up to`() throws {
        var ends: [Int32] = [0, 0]
        #expect(unsafe pipe(&ends) == 0)
        let (reading, writing) = (ends[0], ends[1])
        defer { close(reading) }
        #expect(fcntl(writing, F_SETFL, O_NONBLOCK) == 0)
        var sink = LineSink(descriptor: writing)
        let line = String(repeating: "x", count: 4_095) + "\n"
        for _ in 0..<40 { sink.write(line) }
        var room = [UInt8](repeating: 0, count: 1 << 20)
        let drained = unsafe room.withUnsafeMutableBytes { unsafe read(reading, $0.baseAddress, $0.count) }
        #expect(drained == 65_536)
        sink.write("after\n")
        close(writing)
        let count = unsafe room.withUnsafeMutableBytes { unsafe read(reading, $0.baseAddress, $0.count) }
        let text = String(decoding: room[..<count], as: UTF8.self)
        #expect(text.contains("lines were dropped, stderr was full count=24"))
        #expect(text.hasSuffix("after\n"))
    }
}
