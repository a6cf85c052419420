import JSON
import Outcomes
import Routing
import Telemetry
import TestFolders
import Testing

struct UsageTests {
    private func usage(of exposure: Exposure) -> Usage {
        Usage(
            request: exposure.request, route: exposure.route, variant: exposure.variant, propensity: exposure.propensity,
            unit: exposure.unit, at: exposure.at, inputTokens: 812, outputTokens: .max, cachedTokens: 40,
            costNanoUSD: 4_200_000_123, firstTokenMicroseconds: 312_004, retries: 2, flags: [.estimated, .fallback])
    }

    private func all(_ store: OutcomeStore) async throws -> [Observation] {
        var (cursor, found) = (start, [Observation]())
        while true {
            let (some, next) = try await store.observations(of: RouteID(1), after: cursor, limit: 3)
            found += some
            if next == cursor { return found }
            cursor = next
        }
    }

    @Test func `what a request used is seen after its exposure, whole, and again after a restart`() async throws {
        let folder = Folder()
        var store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        let seen = (1...4).map { exposure(UInt64($0), variant: 7, unit: 99) }
        for exposure in seen {
            try await store.record([exposure])
            try await store.record(usage: [usage(of: exposure)])
        }
        let expected = seen.flatMap { [Observation.answered($0), .used(usage(of: $0))] }
        #expect(try await all(store) == expected)
        await store.close()
        store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        #expect(try await all(store) == expected)
        #expect(try await store.feed([about(seen[2])], at: noon) == [.joined])
        await store.close()
    }

    @Test func `usage of another route is not seen, and joins no feedback`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        var other = usage(of: exposure(5))
        other.route = RouteID(2)
        try await store.record(usage: [other])
        #expect(try await all(store).isEmpty)
        #expect(try await store.feed([about(exposure(5))], at: noon) == [.unknownExposure])
        #expect(await store.counters()["usages"]?.integerValue == 1)
        await store.close()
    }

    @Test func `what routes did cost is added up from a moment on`() async throws {
        let folder = Folder()
        let store = try await OutcomeStore.open(directory: folder.path, settings: settings())
        for (minute, route) in [(0, 1), (1, 1), (2, 2), (3, 1)] {
            var spent = usage(of: exposure(UInt64(minute), at: noon + .seconds(60 * minute)))
            (spent.route, spent.costNanoUSD) = (RouteID(UInt16(route)), 10 + Int64(minute))
            try await store.record(usage: [spent])
        }
        #expect(try await store.spending(on: [.init(route: RouteID(1), since: noon + .seconds(60))]) == [11 + 13])
        #expect(
            try await store.spending(on: [.init(route: RouteID(1), since: noon), .init(route: RouteID(2), since: noon)]) == [
                34, 12,
            ])
        await store.close()
    }
}
