import JSON
import Telemetry
import Testing

@Suite struct TimestampTests {
    @Test(arguments: [
        (0 as Int64, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_795_227_480_123, "2026-11-21T02:18:00.123Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"), (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
    ])
    func `a moment is written as RFC 3339 and read back`(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).rfc3339 == text)
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test func `every day of 400 years has its date`() {
        for day in 0..<146_097 as Range<Int64> {
            let moment = Timestamp(milliseconds: day * 86_400_000 + 43_200_000)
            #expect(Timestamp(rfc3339: moment.rfc3339) == moment)
        }
    }

    @Test(arguments: [
        ("2026-11-21t02:18:00z", "2026-11-21T02:18:00.000Z"), ("2026-11-21 02:18:00.5+02:00", "2026-11-21T00:18:00.500Z"),
        ("2026-11-21T02:18:00.123999-00:30", "2026-11-21T02:48:00.123Z"),
    ])
    func `offsets, fractions and lower case are read`(text: String, utc: String) {
        #expect(Timestamp(rfc3339: text)?.rfc3339 == utc)
    }

    @Test(arguments: [
        "", "2026-11-21", "2026-11-21T02:18:00", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx",
        "2026-1-1T00:00:00Z", "2026-01-01T00:00:00+25:00",
    ])
    func `other texts are not moments`(text: String) { #expect(Timestamp(rfc3339: text) == nil) }

    @Test func `on the wire it is its text`() throws {
        let moment = Timestamp(milliseconds: 1_795_227_480_123)
        #expect(JSONValue(encoding: moment) == "2026-11-21T02:18:00.123Z")
        #expect(try JSONValue(encoding: moment).decoded(as: Timestamp.self) == moment)
    }

    @Test func `durations lead from one moment to another`() {
        let moment = Timestamp(milliseconds: 1_000)
        #expect((moment + .seconds(2)) - moment == .seconds(2))
        #expect(Timestamp.now() > Timestamp(rfc3339: "2024-01-01T00:00:00Z")!)
    }
}
