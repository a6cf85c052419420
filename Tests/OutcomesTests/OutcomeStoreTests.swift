import Faults
import JSON
import Outcomes
import Routing
import Statistics
import Telemetry
import TestFolders
import Testing

struct OutcomeStoreTests {
    @Test func `feedback joins the exposure that caused it, once`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        let seen = exposure(5, variant: 3, unit: 99)
        try await store.record([exposure(4), seen, exposure(6)])
        #expect(try await store.feed([about(seen, "correct", 0.5)], at: noon + .seconds(5)) == [.joined])
        #expect(try await store.feed([about(seen, "correct", 1)], at: noon + .seconds(6)) == [.duplicate])
        #expect(try await store.feed([about(seen, "paid", 1), about(seen, "paid", 1)], at: noon) == [.joined, .duplicate])
        let watched = try await watch(store, from: start, limit: 10)
        #expect(watched.exposures == [exposure(4), seen, exposure(6)])
        #expect(
            watched.scores.first
                == Score(
                    request: seen.request, route: RouteID(1), variant: VariantID(3), unit: 99, propensity: seen.propensity,
                    metric: "correct", value: 0.5, exposedAt: noon, at: noon + .seconds(5)))
        #expect(watched.scores.map(\.metric) == ["correct", "paid"])
        await store.close()
    }

    @Test func `an idempotency key counts once, whatever it came with`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        try await store.record([exposure(1), exposure(2)])
        let events = [about(exposure(1), key: "a"), about(exposure(2), key: "a"), about(exposure(1), key: "b")]
        #expect(try await store.feed(events, at: noon) == [.joined, .duplicate, .joined])
        await store.close()
        let again = try await OutcomeStore.open(directory: folder.path, settings: settings())
        #expect(try await again.feed(events, at: noon) == [.duplicate, .duplicate, .duplicate])
        await again.close()
    }

    @Test func `a guessed, unknown or late request id joins nothing and says which`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.window = .seconds(60) })
        try await store.record([exposure(1)])
        let real = exposure(1).request
        let guessed = RequestID(instance: real.instance, loop: real.loop, sequence: real.sequence, nonce: real.nonce ^ 1)
        let results = try await store.feed(
            [
                .init(target: .request(guessed), metric: "m", value: 1, idempotencyKey: nil), about(exposure(2)),
                about(exposure(1, loop: 3)), about(exposure(1, instance: 9)),
            ], at: noon)
        #expect(results == [.unknownExposure, .unknownExposure, .unknownExposure, .unknownExposure])
        #expect(try await store.feed([about(exposure(1))], at: noon + .seconds(60) + .milliseconds(1)) == [.tooLate])
        #expect(try await store.feed([about(exposure(1))], at: noon + .seconds(60)) == [.joined])
        let counters = await store.counters()
        #expect(counters["feedback_unknown_exposure"]?.integerValue == 4 && counters["feedback_too_late"]?.integerValue == 1)
        await store.close()
    }

    @Test func `feedback by unit joins the unit's latest exposure on that route, each time`() async throws {
        let folder = Folder()
        var store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        try await store.record([exposure(1, route: 1, variant: 0, unit: 7), exposure(2, route: 2, variant: 1, unit: 7)])
        let event = OutcomeStore.Feedback(target: .unit(RouteID(1), 7), metric: "paid", value: 2, idempotencyKey: nil)
        #expect(try await store.feed([event, event], at: noon) == [.joined, .joined])
        try await store.record([exposure(3, route: 1, variant: 5, unit: 7)])
        for _ in 0..<2 {  // from the index as it grew, and from one made after a restart
            #expect(try await store.feed([event], at: noon) == [.joined])
            #expect(try await watch(store, 1, from: start, limit: 10).scores.last?.variant == VariantID(5))
            await store.close()
            store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        }
        let other = OutcomeStore.Feedback(target: .unit(RouteID(2), 8), metric: "paid", value: 2, idempotencyKey: nil)
        #expect(try await store.feed([other], at: noon) == [.unknownExposure])
        await store.close()
    }

    @Test func `of more units than there is room for, the ones seen longest ago are forgotten`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.unitsMax = 64 })
        for number in 0..<1_000 { try await store.record([exposure(UInt64(number), unit: UnitID("u\(number)").hash)]) }
        func fed(_ number: Int) async throws -> OutcomeStore.FeedbackResult {
            try await store.feed(
                [.init(target: .unit(RouteID(1), UnitID("u\(number)").hash), metric: "m", value: 1, idempotencyKey: nil)], at: noon)[
                    0]
        }
        #expect(try await fed(999) == .joined)
        #expect(try await fed(1) == .unknownExposure)
        await store.close()
    }

    @Test func `feedback that comes before its exposure waits for it`() async throws {
        let folder = Folder()
        // A patience that no test run reaches: only the exposure can end the wait.
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.patience = .seconds(3_600) })
        try await store.record([exposure(1)])
        let unit = OutcomeStore.Feedback(target: .unit(RouteID(1), 42), metric: "m", value: 1, idempotencyKey: nil)
        async let results = store.feed([about(exposure(1)), about(exposure(2)), unit, about(exposure(3))], at: noon)
        while await store.counters()["feedback_waiting"] != 3 { await Task.yield() }
        try await store.record([exposure(2), exposure(9, unit: 42)])
        #expect(await store.counters()["feedback_waiting"] == 1)
        try await store.record([exposure(3)])
        let joined = try await results
        #expect(joined == [.joined, .joined, .joined, .joined])
        await store.close()
    }

    @Test func `feedback whose exposure never comes is answered after its patience, and at close`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.patience = .milliseconds(5) })
        #expect(try await store.feed([about(exposure(2))], at: noon) == [.unknownExposure])
        await store.close()
        let patient = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.patience = .seconds(3_600) })
        let result = Task { try await patient.feed([about(exposure(2))], at: noon) }
        while await patient.counters()["feedback_waiting"] != 1 { await Task.yield() }
        await patient.close()
        await #expect(throws: Fault.self) { try await result.value }
    }

    @Test func `many at once are written together, and none is lost`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        try await store.record((0..<400).map { exposure($0) })
        let results = await withTaskGroup(of: [OutcomeStore.FeedbackResult].self) { group in
            for caller in 0..<40 as Range<UInt64> {
                // Every event is sent by two callers.
                group.addTask { (try? await store.feed((0..<20).map { about(exposure(caller / 2 * 20 + $0)) }, at: noon)) ?? [] }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(results.filter { $0 == .joined }.count == 400 && results.filter { $0 == .duplicate }.count == 400)
        let scores = try await watch(store, from: start, limit: 33).scores
        #expect(Set(scores.map(\.unit)).count == 400 && scores.count == 400)
        await store.close()
    }

    @Test func `a watcher is woken by news, by its deadline and by being cancelled`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        let cursor = await store.cursor()
        async let woken: Void = store.waitForNews(after: cursor, deadline: .seconds(3_600))
        while await store.counters()["watchers_waiting"] != 1 { await Task.yield() }
        try await store.record([exposure(1)])
        await woken
        await store.waitForNews(after: cursor, deadline: .seconds(3_600))  // it is there already
        await store.waitForNews(after: await store.cursor(), deadline: .milliseconds(2))
        let waiting = Task { await store.waitForNews(after: await store.cursor(), deadline: .seconds(3_600)) }
        while await store.counters()["watchers_waiting"] != 1 { await Task.yield() }
        waiting.cancel()
        await waiting.value
        async let fed: Void = store.waitForNews(after: await store.cursor(), deadline: .seconds(3_600))
        while await store.counters()["watchers_waiting"] != 1 { await Task.yield() }
        _ = try await store.feed([about(exposure(1))], at: noon)
        await fed
        await store.close()
    }

    @Test func `beyond the limit of bytes the oldest segments go, and a watcher that was there goes on behind them`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.segmentBytesMax = 4 * 64 * 64 })
        for number in 0..<100 as Range<UInt64> { try await store.record((0..<10).map { exposure(number * 10 + $0) }) }
        let counters = await store.counters()
        #expect((counters["segments"]?.integerValue ?? 0) <= 5)
        #expect((counters["exposure_bytes_on_disk"]?.integerValue ?? 0) <= 5 * 64 * 64)
        let watched = try await watch(store, from: start, limit: 7).exposures.map(\.request.sequence)
        #expect(watched.last == 999 && watched == Array((watched.first ?? 0)...999) && watched.count > 100)
        #expect(try await store.feed([about(exposure(1)), about(exposure(999))], at: noon) == [.unknownExposure, .joined])
        await store.close()
    }

    @Test func `what is older than the retention goes, exposures and feedback, also where traffic is slow`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(
            directory: folder.path,
            settings: settings {
                $0.segmentSlots = 1 << 20
                $0.retention = .seconds(800)
            })
        let begin = Timestamp(milliseconds: Timestamp.now().milliseconds - 3_600_000)
        for step in 0..<20 as Range<UInt64> {
            let one = exposure(step, at: begin + .seconds(Int64(step) * 100))
            try await store.record([one])
            #expect(try await store.feed([about(one)], at: one.at) == [.joined])
        }
        let left = try await watch(store, from: start, limit: 10)
        // 19 is at 1 900 s: what is older than 1 100 s may go, by segments of 100 s and more.
        #expect(left.exposures.count < 14 && left.exposures.last?.request.sequence == 19)
        await store.close()
        let again = try await OutcomeStore.open(directory: folder.path, settings: settings())
        let scores = try await watch(again, from: start, limit: 10).scores
        #expect((8...11).contains(scores.count) && scores.last?.exposedAt == begin + .seconds(1_900))
        await again.close()
    }

    @Test func `a closed store takes nothing and says so`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        await store.close()
        await #expect(throws: Fault.self) { try await store.record([exposure(1)]) }
        await #expect(throws: Fault.self) { try await store.feed([about(exposure(1))], at: noon) }
        await #expect(throws: Fault.self) { try await store.observations(of: RouteID(1), after: start, limit: 1) }
        await store.close()
    }
}
