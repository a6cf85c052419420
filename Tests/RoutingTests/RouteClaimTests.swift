import Faults
import Ledger
import Routing
import Synchronization
import Testing

struct RouteClaimTests {
    @Test func `one owner at a time, the refusal names it and the way out`() async throws {
        let bench = try await Bench()
        let routes = bench.routes
        _ = try await routes.apply(Bench.fraud(), by: "cli")
        try await routes.claim("fraud", for: "release/m-v12")
        try await routes.claim("fraud", for: "release/m-v12")
        #expect(await routes.owner(of: "fraud") == "release/m-v12")
        let refusals = [
            await refusal { try await routes.claim("fraud", for: "release/m-v13") },
            await refusal { _ = try await routes.set("fraud", shares: ["v11": 10_000], by: "token:admin") },
            await refusal { _ = try await routes.apply(Bench.fraud([("v11", 10_000)]), by: "cli") },
            await refusal {
                _ = try await routes.move("fraud", shares: ["v11": 10_000], owner: "release/m-v13", fence: Position(9))
            },
        ]
        for fault in refusals {
            #expect(fault?.kind == .conflict && fault?.what.contains("release/m-v12") == true, "\(fault as Any)")
            #expect(fault?.fix.contains("openclaw release rollback m-v12") == true)
        }
        #expect(try await routes.apply(Bench.fraud(), by: "cli") == .unchanged)
        let again = try await bench.restarted()
        #expect(await again.owner(of: "fraud") == "release/m-v12")
        try await again.giveBack("fraud", by: "release/m-v12")
        try await again.giveBack("fraud", by: "release/m-v12")
        #expect(await again.owner(of: "fraud") == nil)
        _ = try await again.set("fraud", shares: ["v11": 10_000], by: "cli")
    }

    @Test func `an effect performed again after a crash is ignored when a newer one was seen`() async throws {
        let bench = try await Bench()
        let (routes, owner) = (bench.routes, "release/m-v13")
        _ = try await routes.apply(Bench.fraud([("v11", 10_000)]), by: "cli")
        try await routes.claim("fraud", for: owner)
        let candidate = RouteSpec.VariantSpec(name: "v13", url: "http://127.0.0.1:9003/x", version: "m@v13")
        let put = try await routes.put(candidate, on: "fraud", owner: owner, fence: Position(100))
        #expect(put.id == VariantID(1) && put.version == "m@v13")
        _ = try await routes.move("fraud", shares: ["v11": 9_500, "v13": 500], owner: owner, fence: Position(101))
        let count = try await bench.ledger.reader.count()
        _ = try await routes.move("fraud", shares: ["v11": 9_500, "v13": 500], owner: owner, fence: Position(101))
        #expect(try await bench.ledger.reader.count() == count)  // again is not a new change
        _ = try await routes.move("fraud", shares: ["v11": 10_000], owner: owner, fence: Position(102))
        let table = try await routes.move("fraud", shares: ["v11": 9_500, "v13": 500], owner: owner, fence: Position(101))
        #expect(table.routes[0].sharesByName == ["v11": 10_000, "v13": 0])
        // Given back, taken by another: the replay of the first neither moves nor fails, and gives nothing back.
        try await routes.giveBack("fraud", by: owner)
        try await routes.claim("fraud", for: "release/m-v14")
        _ = try await routes.move("fraud", shares: ["v13": 10_000], owner: owner, fence: Position(102))
        try await routes.giveBack("fraud", by: owner)
        #expect(await routes.owner(of: "fraud") == "release/m-v14")
        #expect(await routes.route("fraud")?.sharesByName == ["v11": 10_000, "v13": 0])
    }

    @Test func `nobody moves a route without claiming it`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        let fault = await refusal {
            _ = try await bench.routes.move("fraud", shares: ["v11": 10_000], owner: "release/x", fence: Position(1))
        }
        #expect(fault?.kind == .conflict && fault?.fix.contains("Claim") == true)
    }

    @Test func `a variant that answers something cannot be removed`() async throws {
        let bench = try await Bench()
        let (routes, owner) = (bench.routes, "release/x")
        _ = try await routes.apply(Bench.fraud(), by: "cli")
        try await routes.claim("fraud", for: owner)
        let fault = await refusal { try await routes.remove(variant: "v12", from: "fraud", owner: owner, fence: Position(5)) }
        #expect(fault?.kind == .conflict && fault?.why.contains("10 %") == true)
        _ = try await routes.move("fraud", shares: ["v11": 10_000], owner: owner, fence: Position(6))
        try await routes.remove(variant: "v12", from: "fraud", owner: owner, fence: Position(7))
        try await routes.remove(variant: "v12", from: "fraud", owner: owner, fence: Position(7))
        #expect(await routes.route("fraud")?.variants.map(\.name) == ["v11"])
    }

    @Test func `a variant by version is sent to where the version is served, now and after a restart`() async throws {
        let bench = try await Bench()
        var spec = Bench.fraud([("v11", 10_000)])
        spec.variants[0] = .init(name: "v11", version: "m@v11", basisPoints: 10_000)
        let fault = await refusal { _ = try await bench.routes.apply(spec, by: "cli") }
        #expect(fault?.kind == .conflict && fault?.why.contains("m@v11") == true)
        bench.published.served.withLock { $0["m@v11"] = "http://127.0.0.1:1/a" }
        _ = try await bench.routes.apply(spec, by: "cli")
        #expect(bench.published.last?.routes[0].variants[0].url == "http://127.0.0.1:1/a")
        bench.published.served.withLock { $0["m@v11"] = "http://127.0.0.1:2/a" }
        let again = try await bench.restarted()
        #expect(bench.published.last?.routes[0].variants[0].url == "http://127.0.0.1:2/a")
        try await again.refresh(version: "m@v11", servedAt: "http://127.0.0.1:3/a")
        #expect(bench.published.last?.routes[0].variants[0].url == "http://127.0.0.1:3/a")
        #expect(try await again.apply(spec, by: "cli") == .unchanged)
    }

    @Test func `after 256 names a number that is long out of use is given again`() async throws {
        let bench = try await Bench()
        let (routes, owner) = (bench.routes, "release/x")
        _ = try await routes.apply(Bench.fraud([("v0", 10_000)]), by: "cli")
        try await routes.claim("fraud", for: owner)
        var numbers: [UInt8] = []
        for number in 1...257 {
            let put = try await routes.put(
                .init(name: "c\(number)", url: "http://a:1/"), on: "fraud", owner: owner, fence: Position(Int64(number)))
            try await routes.remove(variant: "c\(number)", from: "fraud", owner: owner, fence: Position(Int64(number)))
            numbers.append(put.id.number)
        }
        #expect(numbers == Array(1...255) + [1, 2])
    }
}
