import Outcomes
import Routing
import TestFolders
import Testing

/// What feedback says of units: corrections count once, and what follows an experiment's variants is not a past.
struct PastFeedbackTests {
    @Test func `sums over units are those of each unit's last word`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        let answers = (1...6).map { exposure($0, unit: $0 <= 3 ? 1 : $0) }
        try await store.record(answers)
        // Unit 1 says 2, 4 and (after thinking again) 6; units 4 and 5 say 8 and 10; unit 6 nothing.
        var events = answers[0..<5].enumerated().map { about($1, "worth", Double(2 * $0 + 2)) }
        events += answers[0..<5].map { about($0, "size", 2) }
        _ = try await store.feed(events, at: noon)
        var correction = about(answers[2], "worth", 9)
        correction.replaces = true
        _ = try await store.feed([correction], at: noon)

        let mean = try await store.spread(of: RouteID(1), metric: "worth", span: .seconds(60), now: noon)
        #expect(mean.units == 3 && mean.values == 33 && mean.sizes == 5 && mean.figure == 6.6)
        #expect(mean.valueSquares == 15 * 15 + 64 + 100 && mean.products == 45 + 8 + 10 && mean.sizeSquares == 11)
        let ratio = try await store.spread(of: RouteID(1), metric: "worth", over: "size", span: .seconds(60), now: noon)
        #expect(ratio.sizes == 10 && ratio.figure == 3.3 && ratio.sizeSquares == 36 + 4 + 4)
        // (15 - 3 * 6.6)^2 + (8 - 6.6)^2 + (10 - 6.6)^2, times 3 units, over 5^2.
        #expect(abs(try #require(mean.variancePerUnit) - 36.56 * 3 / 25) < 1e-9)
        let none = try await store.spread(of: RouteID(2), metric: "worth", span: .seconds(60), now: noon)
        #expect(none.units == 0 && none.figure == nil && none.variancePerUnit == nil)
        let values = try await store.values(of: RouteID(1), metric: "worth", span: .seconds(60), now: noon, limit: 2)
        #expect(values.count == 2)
        await store.close()
    }

    @Test func `a past is a unit's mean under the route's own variants, up to a moment`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        let base = [exposure(1, unit: 1), exposure(2, unit: 1), exposure(3, unit: 2)]
        let tried = [exposure(4, variant: 7, unit: 2), exposure(5, variant: 7, unit: 3)]
        try await store.record(base + tried)
        _ = try await store.feed(
            [about(base[0], "worth", 2), about(base[1], "worth", 4), about(base[2], "worth", 5), about(tried[0], "worth", 100)],
            at: noon)
        let cursor = await store.cursor()
        try await store.record([exposure(6, unit: 4)])
        _ = try await store.feed([about(exposure(6, unit: 4), "worth", 1)], at: noon)

        let pasts = try await store.pasts(of: RouteID(1), metric: "worth", among: [VariantID(0)], upTo: cursor)
        #expect(pasts.count == 2 && pasts[1] == 3 && pasts[2] == 5 && pasts[3] == nil && pasts[4] == nil)
        #expect(try await store.pasts(of: RouteID(1), metric: "worth", among: [], upTo: cursor).count == 0)
        let measured = try await store.pasts(of: RouteID(1), upTo: cursor) { exposure in
            exposure.variant == VariantID(0) ? Double(exposure.latencyMicroseconds) : nil
        }
        #expect(measured.count == 2 && measured[2] == 1_234 && measured[4] == nil)
        await store.close()
    }
}
