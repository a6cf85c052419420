import JSON
import Outcomes
import Routing
import Telemetry
import TestFolders
import Testing

@testable import ControlPlane

struct ExposureDeliveryTests {
    private static func batch(_ number: UInt64) -> [Exposure] {
        (0..<10).map { place in
            Exposure(
                request: RequestID(instance: 1, loop: 0, sequence: 10 * number + place, nonce: 0), route: RouteID(1),
                variant: VariantID(0), kind: .success, status: 200, propensity: 10_000, unit: number, tablePosition: 1, at: .now(),
                latencyMicroseconds: 1, bytesIn: 1, bytesOut: 1)
        }
    }

    @Test func `what comes while the store is being opened is recorded, in its order, and nothing is lost`() async throws {
        let folder = TemporaryFolder()
        let store = try await OutcomeStore.open(directory: folder.path + "/outcomes", settings: .init())
        let delivery = ExposureDelivery()
        for number in 0..<50 as Range<UInt64> { await delivery.deliver(Self.batch(number)) }
        await withTaskGroup { group in
            group.addTask { await delivery.connect(store) }
            for number in 50..<400 as Range<UInt64> { group.addTask { await delivery.deliver(Self.batch(number)) } }
        }
        #expect(await store.counters()["exposures"] == 4_000)
        #expect(await delivery.lost == 0)
        await store.close()
    }
}
