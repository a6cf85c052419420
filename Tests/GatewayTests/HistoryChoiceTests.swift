import HTTP
import JSON
import Outcomes
import Routing
import Sockets
import Synchronization
import TestFolders
import TestSockets
import Testing

@testable import Gateway

/// Choices that look at what a unit earned earlier.
struct HistoryChoiceTests {
    /// Each arm is worth what the unit's own rewards under it were above everybody's.
    private static func scorer() -> Scorer {
        let arms = [[Float(1), 0, 0, 0, 0], [0, 0, 1, 0, 0]].map {
            Scorer.Arm(mean: $0, factor: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.001])
        }
        return Scorer(
            rule: .linTS(alpha: 1), features: [ScorerFeature(name: "taste", source: nil, kind: .history(arms: 2))], arms: arms,
            floor: 0, seed: 5)
    }

    @Test func `the gateway reads a unit's past, chooses by it, and logs what it saw with its exact chance`() async throws {
        let upstream = try TestUpstream.answering { _, _ in "ok" }
        let folder = TemporaryFolder()
        let sticky = StickyFolder(path: folder.path + "/units")
        var history = UnitHistory(arms: 2)
        for number in 0..<20 {
            for arm in 0..<2 { _ = history.add(unit: UnitID("u\(number)").hash, arm: arm, reward: arm == number % 2 ? 1 : 0) }
        }
        try sticky.history(of: 7).publish(history.allRows, means: history.means)

        let arms = [VariantID(10), VariantID(11)]
        var route = Route.test("all", path: "/", variants: [("a", upstream, 10_000)])
        route.variants += arms.map {
            Variant(id: $0, name: "arm\($0.number)", url: "http://127.0.0.1:\(upstream.port)/", experiment: "companion")
        }
        route.experiments = [
            RouteExperiment(
                number: 7, name: "companion", unit: .header("X-User-Id"), audience: Audience(), variants: arms,
                split: TrafficSplit(route: "companion", shares: [arms[0]: 5_000, arms[1]: 5_000]), scorer: Self.scorer())
        ]
        let delivered = Mutex<[(request: RequestID, features: [Float]?, exposure: Exposure?)]>([])
        var settings = GatewayServer.Settings(address: try SocketAddress(parsing: "127.0.0.1:0"), loops: 1)
        settings.sticky = sticky
        let gateway = GatewayServer(
            settings: settings, table: RoutingTable(position: 1, routes: [route]),
            exposures: { batch in delivered.withLock { $0 += batch.map { ($0.request, nil, $0) } } },
            contexts: { batch in delivered.withLock { $0 += batch.map { ($0.request, $0.features, nil) } } },
            feedback: { _ in HTTPResponse(status: 404) })
        let port = try gateway.start().port
        let decider = RouteDecider(route, sticky: sticky)
        let client = try await onThread { RawClient(port: port) }
        for number in 0..<21 {
            let answer = try await onThread {
                client.write("GET / HTTP/1.1\r\nHost: h\r\nX-User-Id: u\(number)\r\n\r\n")
                return client.readMessage()
            }
            #expect(answer != nil)
        }
        await gateway.drain(limit: .seconds(60))
        let all = delivered.withLock(\.self)
        let exposures = all.compactMap(\.exposure)
        #expect(exposures.count == 21)
        for (number, exposure) in exposures.enumerated() {
            let decision = decider.decide(unit: "u\(number)")
            #expect(exposure.variant == decision.variant && exposure.propensity == decision.propensity)
            #expect(all.first { $0.request == exposure.request && $0.features != nil }?.features == decision.features)
            if number < 20 {
                #expect(exposure.variant == arms[number % 2] && exposure.propensity == 10_000)
                #expect(decision.features.contains { $0 > 0.2 } && decision.features.contains { $0 < -0.2 })
            } else {
                // Nobody knows this one: it is as likely either.
                #expect(decision.features == [0, 0, 0, 0] && (4_000...6_000).contains(exposure.propensity))
            }
        }
    }
}
