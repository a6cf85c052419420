import JSON
import Outcomes
import Routing
import Statistics
import Telemetry
import TestFolders
import Testing

struct CorrectionTests {
    private func event(_ target: OutcomeStore.Feedback.Target, _ value: Double, per: OutcomeStore.Feedback.Grain = .event)
        -> OutcomeStore.Feedback
    {
        .init(target: target, metric: "solved", value: value, idempotencyKey: nil, per: per)
    }

    private func corrected(_ event: OutcomeStore.Feedback, to value: Double) -> OutcomeStore.Feedback {
        var event = event
        (event.value, event.replaces) = (value, true)
        return event
    }

    @Test func `a correction takes the place of the event before it, and watchers are told what it replaced`() async throws {
        let folder = Folder()
        var store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        try await store.record([exposure(1, variant: 2, unit: 9)])
        let first = event(.request(exposure(1).request), 1)
        #expect(try await store.feed([first], at: noon) == [.joined])
        #expect(try await store.feed([first], at: noon) == [.duplicate])
        #expect(try await store.feed([corrected(first, to: 0)], at: noon + .seconds(1)) == [.replaced])
        #expect(try await store.feed([corrected(first, to: 0)], at: noon + .seconds(2)) == [.duplicate], "sent again")
        #expect(try await store.feed([first], at: noon + .seconds(3)) == [.duplicate], "an old delivery is no correction")
        for _ in 0..<2 {  // from memory, then from the file
            let scores = try await watch(store, from: start, limit: 10).scores
            #expect(scores.map(\.value) == [1, 0] && scores.map(\.previous) == [nil, 1])
            #expect(scores[1].variant == VariantID(2) && scores[1].unit == 9 && scores[1].exposedAt == noon)
            await store.close()
            store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        }
        await store.close()
    }

    @Test func `a correction stays with the exposure of the first event, whatever the unit saw since`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        try await store.record([exposure(1, variant: 1, unit: 9)])
        let once = event(.unit(RouteID(1), 9), 1, per: .unit)
        #expect(try await store.feed([once], at: noon) == [.joined])
        try await store.record([exposure(2, variant: 2, unit: 9)])
        #expect(try await store.feed([corrected(once, to: 0)], at: noon) == [.replaced])
        #expect(try await watch(store, from: start, limit: 10).scores.map(\.variant) == [VariantID(1), VariantID(1)])
        await store.close()
    }

    @Test func `a unit has one value of a metric, a session has one, and events of a unit each count`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        try await store.record([exposure(1, unit: 9)])
        let unit = OutcomeStore.Feedback.Target.unit(RouteID(1), 9)
        let events = [
            event(unit, 1, per: .unit), event(unit, 0, per: .unit), event(unit, 1, per: .session("a")),
            event(unit, 1, per: .session("b")), event(unit, 1, per: .session("a")), event(unit, 1), event(unit, 1),
        ]
        let results = try await store.feed(events, at: noon)
        #expect(results == [.joined, .duplicate, .joined, .joined, .duplicate, .joined, .joined])
        await store.close()
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `what a watcher adds up is what was said last of each`(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        let folder = Folder()
        var store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        try await store.record((1...20).map { exposure($0) })
        var last: [UInt64: Double] = [:]
        for _ in 0..<30 {
            var events: [OutcomeStore.Feedback] = []
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                let one = UInt64.random(in: 1...20, using: &random)
                let value = Double(Int.random(in: 0...3, using: &random))
                let first = event(.request(exposure(one).request), value)
                if Bool.random(using: &random) {
                    events.append(corrected(first, to: value))
                    last[one] = value
                } else {
                    events.append(first)
                    last[one] = last[one] ?? value
                }
            }
            _ = try await store.feed(events, at: noon)
            if Int.random(in: 0..<6, using: &random) == 0 {
                await store.close()
                store = try await OutcomeStore.open(directory: folder.path, settings: settings())
            }
        }
        var sums: [UInt64: Double] = [:]
        for score in try await watch(store, from: start, limit: 7).scores {
            sums[score.unit, default: 0] += score.value - (score.previous ?? 0)
        }
        #expect(sums == last, "seed \(seed)")
        await store.close()
    }

    @Test func `events say per what they count, and which they replace`() throws {
        let session = try FeedbackDocumentTests.read([
            "route": "fraud", "unit": "u", "session": "s", "metric": "m", "value": 1, "replace": true,
        ]).events
        #expect(session.map(\.per) == [.session("s")] && session.map(\.replaces) == [true])
        let unit = try FeedbackDocumentTests.read(["route": "fraud", "unit": "u", "per": "unit", "metric": "m", "value": 1]).events
        #expect(unit.map(\.per) == [.unit] && unit.map(\.replaces) == [false])
        let wrong: [JSONValue] = [
            ["request_id": .string(FeedbackDocumentTests.id), "session": "s", "metric": "m", "value": 1],
            ["route": "fraud", "unit": "u", "per": "week", "metric": "m", "value": 1],
            ["route": "fraud", "unit": "u", "per": "unit", "session": "s", "metric": "m", "value": 1],
            ["route": "fraud", "unit": "u", "replace": 1, "metric": "m", "value": 1],
        ]
        for event in wrong { #expect(try FeedbackDocumentTests.read(event).refusal != nil, "\(event.canonicalText)") }
    }
}

struct RecentTrafficTests {
    @Test func `a plan counts with the requests, units and feedback of the time it looks back`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        let later = noon + .seconds(3_600)
        try await store.record((1...300).map { exposure($0, unit: $0 % 100, at: noon) })
        try await store.record([exposure(301, route: 2), exposure(302, unit: 7, at: later, kind: .upstreamError)])
        _ = try await store.feed((1...40).map { about(exposure($0), "solved", $0 % 4 == 0 ? 1 : 0) }, at: later)
        let all = try await store.traffic(of: RouteID(1), span: .seconds(24 * 3_600), now: later)
        #expect(all.requests == 301 && abs(all.units - 100) < 2 && all.milliseconds == 3_600_000)
        #expect(all.newest.count == 301 && all.newest.count { $0.kind == .upstreamError } == 1 && all.newestUsages.isEmpty)
        let solved = try await store.spread(of: RouteID(1), metric: "solved", span: .seconds(24 * 3_600), now: later)
        #expect(solved.units == 40 && solved.figure == 0.25)
        let recent = try await store.traffic(of: RouteID(1), span: .seconds(60), now: later)
        #expect(recent.requests == 1 && recent.milliseconds == 0)
        await store.close()
    }
}
