import Faults
import JSON
import Ledger
import Processes
import Registry
import Routing
import Synchronization
import Testing

@testable import Releases

/// Releases of versions that are served already, on real ledgers and routes, with traffic that follows the split.
struct `A conducted release` {
    static func house(_ errorRates: [String: Double] = [:]) async throws -> (House, StandIn) {
        let house = try await House.open(errorRates: errorRates)
        let standIn = try StandIn()
        try await house.apply(
            model: """
                model:
                  name: fraud-model
                  route: fraud
                  versions:
                    v11: { url: "\(standIn.url)/v11" }
                    v12: { url: "\(standIn.url)/v12" }
                    v13: { url: "\(standIn.url)/v13" }
                """)
        try await house.apply(
            route: """
                route:
                  name: fraud
                  match: { path: "/fraud" }
                  unit: "header:X-User-Id"
                  variants:
                    v11: { url: "\(standIn.url)/v11", share: 100% }
                """)
        house.sendTraffic(on: "fraud")
        return (house, standIn)
    }

    static func pipeline(_ version: String, bake: String = "0s", hold: String = "100ms", gates: String = "max_error_rate: 20%")
        -> String
    {
        """
        release_pipeline:
          name: "fraud-model-\(version)"
          stages:
            - canary_deploy: { steps: [5%, 50%, 100%], min_samples: 5, hold: \(hold) }
            - monitor_metrics: { for: 100ms, deadline: 10m, on_undecided: rollback }
            - promote_or_rollback: { bake: \(bake), scale_down_delay: 100ms }
          gates: { \(gates) }
        """
    }

    @Test func `of a good version ends at all of the traffic, and every decision can be explained`() async throws {
        let (house, standIn) = try await Self.house()
        _ = try await house.release(Self.pipeline("v12"))
        let status = try await house.wait(for: "fraud-model-v12", "promoted")
        #expect(status["state"] == "promoted", "\(status.prettyText)")
        #expect(await house.routes.route("fraud")?.sharesByName["v12"] == 10_000)
        let named = await house.isSoon { await house.registry.alias("stable", of: "fraud-model") == "v12" }
        #expect(named)
        #expect(await house.registry.alias("previous", of: "fraud-model") == "v11")
        let explained = try await house.releases.explain("fraud-model-v12")
        #expect(explained["summary"]?.stringValue?.hasPrefix("promoted") == true)
        let decided: [String] = (explained["decisions"]?.arrayValue ?? []).compactMap { $0["what"]?.stringValue }
        #expect(decided.contains("goes on to 50 %"))
        #expect(explained["seconds_to_decision"]?.numberValue ?? 0 > 0)
        let entry = try #require(explained["entry"]?.integerValue)
        #expect(try await house.ledger.reader.entry(at: Position(entry))?.kind.hasPrefix("release.") == true)

        _ = try await house.releases.perform(.rollback, on: "fraud-model-v12", by: "ann", reason: "just so")
        let back = try await house.wait(for: "fraud-model-v12", "rolled_back")
        #expect(back["because"] == "rolled back by hand: just so")
        #expect(await house.routes.route("fraud")?.sharesByName["v11"] == 10_000)
        let aliases = await house.isSoon { await house.registry.alias("stable", of: "fraud-model") == "v11" }
        #expect(aliases, "the name follows the traffic")
        // Asked again after an answer was lost, it says how things stand.
        let again = try await house.releases.perform(.rollback, on: "fraud-model-v12", by: "ann", reason: nil)
        #expect(again["state"] == "rolled_back")
        await house.close()
        await standIn.stop()
    }

    @Test func `of a bad version goes back, and the same version can be released again`() async throws {
        let (house, standIn) = try await Self.house(["v13": 0.9])
        _ = try await house.release(Self.pipeline("v13"))
        let status = try await house.wait(for: "fraud-model-v13", "rolled_back")
        #expect(status["cause"] == "gate_failed", "\(status.prettyText)")
        #expect(await house.routes.route("fraud")?.sharesByName["v11"] == 10_000)
        let explained = try await house.releases.explain("fraud-model-v13")
        #expect(explained["users"]?["wrong"]?.integerValue ?? 0 > 0)
        #expect(explained["would_have"]?.stringValue?.contains("nothing else stood in its way") == true, "\(explained.prettyText)")

        house.errorRates.withLock { $0 = [:] }
        _ = try await house.release(Self.pipeline("v13"))
        let second = try await house.wait(for: "fraud-model-v13", "promoted")
        #expect(second["attempt"] == 2)
        #expect(second["state"] == "promoted", "\(second.prettyText)")
        let states: [String] = try await house.releases.history("fraud-model-v13").compactMap { $0["state"]?.stringValue }
        #expect(states == ["promoted", "rolled_back"])
        await house.close()
        await standIn.stop()
    }

    @Test func `that degrades in its bake goes back`() async throws {
        let (house, standIn) = try await Self.house()
        _ = try await house.release(Self.pipeline("v12", bake: "10m"))
        let baking = try await house.wait(for: "fraud-model-v12") { $0["baking"] == true }
        #expect(baking["state"] == "promoted")
        house.errorRates.withLock { $0 = ["v12": 0.9] }
        let status = try await house.wait(for: "fraud-model-v12", "rolled_back")
        #expect(status["cause"] == "gate_failed", "\(status.prettyText)")
        #expect(await house.routes.route("fraud")?.sharesByName["v11"] == 10_000)
        await house.close()
        await standIn.stop()
    }

    @Test func `waits for its turn, is refused, or takes the place of the running one, as asked`() async throws {
        let (house, standIn) = try await Self.house()
        _ = try await house.release(Self.pipeline("v12", hold: "1h"))
        _ = try await house.wait(for: "fraud-model-v12") { $0["share"]?.numberValue ?? 0 > 0 }
        await #expect(throws: Fault.self) { _ = try await house.release(Self.pipeline("v13"), whenBusy: .refuse) }
        _ = try await house.release(Self.pipeline("v13"), whenBusy: .queue)
        let queued = try await house.wait(for: "fraud-model-v13") { $0["queued_behind"] != .null }
        #expect(queued["state"] == "waiting")
        #expect(queued["queued_behind"] == "release/fraud-model-v12")
        _ = try await house.releases.perform(.abort, on: "fraud-model-v12", by: "ann", reason: nil)
        let next = try await house.wait(for: "fraud-model-v13", "promoted")
        #expect(next["state"] == "promoted", "\(next.prettyText)")
        #expect(try await house.releases.status("fraud-model-v12")["cause"] == "aborted")
        await house.close()
        await standIn.stop()
    }

    @Test func `makes way for a newer one that replaces it`() async throws {
        let (house, standIn) = try await Self.house()
        _ = try await house.release(Self.pipeline("v12", hold: "1h"))
        _ = try await house.wait(for: "fraud-model-v12") { $0["share"]?.numberValue ?? 0 > 0 }
        _ = try await house.release(Self.pipeline("v13"), whenBusy: .replace)
        let next = try await house.wait(for: "fraud-model-v13", "promoted")
        #expect(next["state"] == "promoted", "\(next.prettyText)")
        #expect(try await house.releases.status("fraud-model-v12")["cause"] == "replaced")
        await house.close()
        await standIn.stop()
    }

    @Test func `goes on in the daemon's next life`() async throws {
        let (house, standIn) = try await Self.house()
        _ = try await house.release(Self.pipeline("v12", hold: "300ms"))
        _ = try await house.wait(for: "fraud-model-v12") { $0["share"]?.numberValue ?? 0 > 0 }
        await house.close()
        let next = try await House.open(after: house)
        next.sendTraffic(on: "fraud")
        let status = try await next.wait(for: "fraud-model-v12", "promoted")
        #expect(status["state"] == "promoted", "\(status.prettyText)")
        #expect(status["attempt"] == 1)
        await next.close()
        await standIn.stop()
    }

    @Test func `pauses, resumes and is promoted by hand`() async throws {
        let (house, standIn) = try await Self.house()
        _ = try await house.release(Self.pipeline("v12", hold: "1h"))
        _ = try await house.wait(for: "fraud-model-v12") { $0["share"]?.numberValue ?? 0 > 0 }
        #expect(try await house.releases.perform(.pause, on: "fraud-model-v12", by: "ann", reason: nil)["state"] == "paused")
        #expect(try await house.releases.perform(.resume, on: "fraud-model-v12", by: "ann", reason: nil)["state"] == "running")
        _ = try await house.releases.perform(.promote, on: "fraud-model-v12", by: "ann", reason: "we are sure")
        let status = try await house.wait(for: "fraud-model-v12", "promoted")
        #expect(status["because"] == "promoted by hand: we are sure")
        #expect(status["by"] == "ann")
        await house.close()
        await standIn.stop()
    }

    @Test func `goes back although the route's file has dropped the version before it`() async throws {
        let (house, standIn) = try await Self.house()
        _ = try await house.release(Self.pipeline("v12"))
        _ = try await house.wait(for: "fraud-model-v12", "promoted")
        let isFree = await house.isSoon { await house.routes.owner(of: "fraud") == nil }
        #expect(isFree)
        try await house.apply(
            route: """
                route:
                  name: fraud
                  match: { path: "/fraud" }
                  unit: "header:X-User-Id"
                  variants:
                    v12: { url: "\(standIn.url)/v12", share: 100% }
                """)
        #expect(await house.routes.route("fraud")?.variant(named: "v11") == nil)
        let status = try await house.releases.perform(.rollback, on: "fraud-model-v12", by: "ann", reason: nil)
        #expect(status["state"] == "rolled_back", "\(status.prettyText)")
        #expect(await house.routes.route("fraud")?.sharesByName["v11"] == 10_000)
        #expect(await house.routes.route("fraud")?.variant(named: "v11")?.url == "\(standIn.url)/v11")
        await house.close()
        await standIn.stop()
    }

    @Test func `gives its name back to a version that only the route knows`() async throws {
        let (house, standIn) = try await Self.house()
        try await house.apply(
            route: """
                route:
                  name: fraud
                  match: { path: "/fraud" }
                  unit: "header:X-User-Id"
                  variants:
                    old: { url: "\(standIn.url)/old", share: 100% }
                """)
        _ = try await house.release(Self.pipeline("v12"))
        _ = try await house.wait(for: "fraud-model-v12", "promoted")
        let named = await house.isSoon { await house.registry.alias("stable", of: "fraud-model") == "v12" }
        #expect(named)
        _ = try await house.releases.perform(.rollback, on: "fraud-model-v12", by: "ann", reason: nil)
        let isBack = await house.isSoon { await house.registry.alias("stable", of: "fraud-model") == "old" }
        #expect(isBack)
        await house.close()
        await standIn.stop()
    }

    @Test func `whose candidate finds no room on its route fails, and the route is free again`() async throws {
        let (house, standIn) = try await Self.house()
        let variants = (11...74).map { "v\($0 == 12 ? 75 : $0): { url: \"\(standIn.url)/x\", share: \($0 == 11 ? 100 : 0)% }" }
        try await house.apply(
            route:
                "route: { name: fraud, match: { path: /fraud }, unit: client, variants: { \(variants.joined(separator: ", ")) } }")
        _ = try await house.release(Self.pipeline("v12"))
        let status = try await house.wait(for: "fraud-model-v12", "failed")
        #expect(status["state"] == "failed", "\(status.prettyText)")
        #expect(status["trouble"]?["what"]?.stringValue?.contains("another variant") == true)
        let isFree = await house.isSoon { await house.routes.owner(of: "fraud") == nil }
        #expect(isFree)
        #expect(await house.routes.route("fraud")?.sharesByName["v11"] == 10_000)
        await house.close()
        await standIn.stop()
    }

    @Test func `that nobody knows has a fault with the nearest name`() async throws {
        let (house, standIn) = try await Self.house()
        _ = try await house.release(Self.pipeline("v12", hold: "1h"))
        let fault = await #expect(throws: Fault.self) { _ = try await house.releases.status("fraud-model-v21") }
        #expect(fault?.kind == .notFound)
        #expect(fault?.fix.contains("fraud-model-v12") == true)
        await house.close()
        await standIn.stop()
    }
}
