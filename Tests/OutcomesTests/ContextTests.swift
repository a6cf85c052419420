import JSON
import Outcomes
import Routing
import Statistics
import Telemetry
import TestFolders
import Testing

struct ContextTests {
    private func context(of exposure: Exposure, _ features: [Float]) -> Context {
        Context(request: exposure.request, route: exposure.route, variant: exposure.variant, at: exposure.at, features: features)
    }

    private func all(_ store: OutcomeStore, limit: Int) async throws -> [Observation] {
        var (cursor, found) = (start, [Observation]())
        while true {
            let (some, next) = try await store.observations(of: RouteID(1), after: cursor, limit: limit)
            found += some
            if next == cursor { return found }
            cursor = next
        }
    }

    @Test(arguments: [1, 2, 5, 100])
    func `what a choice looked at is seen whole before its exposure, however long it is, and again after a restart`(limit: Int)
        async throws
    {
        let folder = Folder()
        var random = SplitMix64(seed: UInt64(limit))
        var store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        var expected: [Observation] = []
        for (number, length) in [0, 1, 5, 6, 7, 12, 255, 1_024].enumerated() {
            let exposure = exposure(UInt64(number + 1), variant: 7, unit: 99)
            let context = context(of: exposure, (0..<length).map { _ in Float.random(in: -2...2, using: &random) })
            try await store.record(contexts: [context])
            try await store.record([exposure])
            expected += [.context(context), .answered(exposure)]
        }
        #expect(try await all(store, limit: limit) == expected)
        await store.close()
        store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        #expect(try await all(store, limit: limit) == expected)
        #expect(try await store.feed([about(exposure(3, variant: 7, unit: 99))], at: noon) == [.joined])
        await store.close()
    }
}
