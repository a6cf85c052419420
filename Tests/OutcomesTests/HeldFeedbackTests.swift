import Faults
import JSON
import Outcomes
import Routing
import Telemetry
import TestFolders
import Testing

/// Feedback on answers that are still going out.
struct HeldFeedbackTests {
    @Test func `feedback on an answer that is still going out is held, and joined when the answer has ended`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.patience = .milliseconds(5) })
        let going = exposure(2)
        await store.ask { $0.intersection([going.request]) }
        try await store.record([exposure(1)])
        let events = [about(exposure(1)), about(going), about(exposure(3)), about(going), about(going, "liked")]
        #expect(try await store.feed(events, at: noon) == [.joined, .waiting, .unknownExposure, .waiting, .waiting])
        #expect(await store.counters()["feedback_held"] == 3)
        #expect(try await watch(store, from: start, limit: 10).scores.count == 1)

        try await store.record([going])
        await store.close()
        let again = try await OutcomeStore.open(directory: folder.path, settings: settings())
        let scores = try await watch(again, from: start, limit: 10).scores
        #expect(scores.map(\.metric) == ["correct", "correct", "liked"], "the same twice is one")
        #expect(scores.suffix(2).map(\.request) == [going.request, going.request])
        await again.close()
    }

    @Test func `an answer that ends while the gateway is asked is found`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.patience = .milliseconds(5) })
        await store.ask { ids in
            try? await store.record([exposure(2)])
            return ids
        }
        #expect(try await store.feed([about(exposure(2))], at: noon) == [.joined])
        #expect(await store.counters()["feedback_held"] == 0)
        await store.close()
    }

    @Test func `what is held is bounded in number and in time`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings { $0.heldEventsMax = 100 })
        await store.ask { $0 }
        let results = try await store.feed((1...150).map { about(exposure($0)) }, at: noon)
        #expect(results.prefix(100).allSatisfy { $0 == .waiting } && results.dropFirst(100).allSatisfy { $0 == .unknownExposure })
        #expect(try await store.feed([about(exposure(200))], at: noon + .seconds(3_601)) == [.waiting])
        #expect(await store.counters()["feedback_held"] == 1)
        await store.close()
    }
}
