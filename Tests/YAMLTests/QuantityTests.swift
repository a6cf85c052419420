import Testing
import YAML

@Suite struct QuantityTests {
    @Test(
        arguments: [
            ("250ms", .milliseconds(250)), ("20s", .seconds(20)), ("5m", .seconds(300)), ("2h", .seconds(7_200)),
            ("1d", .seconds(86_400)),
            ("1h30m", .seconds(5_400)), ("3m 12s", .seconds(192)), ("0.5s", .milliseconds(500)), ("1.5h", .seconds(5_400)),
            ("0s", .zero),
            ("1m250ms", .milliseconds(60_250)),
        ] as [(String, Duration)])
    func `durations carry their unit`(text: String, duration: Duration) { #expect(Quantity.duration(text) == duration) }

    @Test(arguments: [
        "", "5", "s", "5 s", "-5s", "5x", "30m1h", "1h1h", "1e3s", ".5s", "5.s", "0.0001s", "1h ", " 1h", "1h  5m", "99999999d",
        "٥s",
    ])
    func `other texts are not durations`(text: String) { #expect(Quantity.duration(text) == nil) }

    @Test(arguments: [("5%", 0.05), ("0.5 %", 0.005), ("100%", 1), ("0%", 0), ("250%", 2.5)])
    func `percentages become fractions`(text: String, fraction: Double) { #expect(Quantity.percentage(text) == fraction) }

    @Test(arguments: ["", "%", "5", "-5%", "1e1%", "nan%", "5  %", ".5%", "inf%"])
    func `other texts are not percentages`(text: String) { #expect(Quantity.percentage(text) == nil) }

    @Test(
        arguments: [
            (.zero, "0s"), (.milliseconds(250), "250ms"), (.seconds(20), "20s"), (.milliseconds(9_400), "9.4s"),
            (.seconds(192), "3m 12s"),
            (.seconds(3_900), "1h 5m"), (.seconds(3_600), "1h"), (.seconds(90_000), "1d 1h"), (.seconds(-20), "-20s"),
        ] as [(Duration, String)])
    func `a duration is written as people say it`(duration: Duration, text: String) { #expect(Quantity.text(duration) == text) }
}
