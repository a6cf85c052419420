import Faults
import JSON
import Ledger
import Routing
import Statistics
import Testing

/// An experiment on the route of `Bench`.
func trial(
    _ name: String, _ shares: [(String, Int)] = [("control", 5_000), ("better", 5_000)], namespace: Namespace? = nil
) -> RouteExperimentSpec {
    RouteExperimentSpec(
        name: name, unit: .header("X-User-Id"), audience: Audience(namespace: namespace),
        variants: shares.map { .init(name: $0.0, url: "http://127.0.0.1:9100/\($0.0)", basisPoints: $0.1) })
}

struct RouteExperimentTests {
    private let owner = "experiment/checkout"

    @Test func `attaching once or twice is the same, and its variants stand beside the base ones`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        let first = try await bench.routes.attach(trial("checkout"), to: "fraud", owner: owner, fence: Position(10))
        let published = bench.published.count
        #expect(try await bench.routes.attach(trial("checkout"), to: "fraud", owner: owner, fence: Position(11)) == first)
        #expect(bench.published.count == published)
        let route = try #require(await bench.routes.route("fraud"))
        #expect(route.baseVariants.map(\.name) == ["v11", "v12"])
        #expect(route.sharesByName == ["v11": 9_000, "v12": 1_000])
        #expect(first.variants == [VariantID(2), VariantID(3)] && first.number == 1)
        #expect(route.variant(named: "control") == nil)
        #expect(route.variant(named: "control", of: "checkout")?.url == "http://127.0.0.1:9100/control")
        #expect(first.split.shares == [VariantID(2): 5_000, VariantID(3): 5_000])
    }

    @Test func `a variant without an address goes where the route's traffic goes`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        var spec = trial("checkout")
        spec.variants[1].url = nil
        spec.variants[1].rewrite = Rewrite(json: ["/model": "x"])
        _ = try await bench.routes.attach(spec, to: "fraud", owner: owner, fence: Position(1))
        let better = try #require(await bench.routes.route("fraud")?.variant(named: "better", of: "checkout"))
        #expect(better.url == "http://127.0.0.1:9001/v11" && better.rewrite?.json == ["/model": "x"])
    }

    @Test func `a release and an experiment never have one route, whoever was first`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        try await bench.routes.claim("fraud", for: "release/fraud-v12")
        let attached = await refusal {
            _ = try await bench.routes.attach(trial("a"), to: "fraud", owner: owner, fence: Position(1))
        }
        #expect(attached?.kind == .conflict && attached?.what.contains("release/fraud-v12") == true)
        try await bench.routes.giveBack("fraud", by: "release/fraud-v12")
        _ = try await bench.routes.attach(trial("a"), to: "fraud", owner: owner, fence: Position(1))
        let claimed = await refusal { try await bench.routes.claim("fraud", for: "release/fraud-v13") }
        #expect(claimed?.kind == .conflict && claimed?.why.contains("a") == true)
        try await bench.routes.detach(experiment: "a", from: "fraud", owner: owner, fence: Position(2))
        try await bench.routes.claim("fraud", for: "release/fraud-v13")
    }

    @Test func `experiments share a route only where no unit can be in both`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        func attach(_ spec: RouteExperimentSpec) async -> String? {
            await refusal { _ = try await bench.routes.attach(spec, to: "fraud", owner: owner, fence: Position(1)) }?.why
        }
        let left = Namespace(name: "all", lower: 0, upper: 5_000)
        let right = Namespace(name: "all", lower: 5_000, upper: 10_000)
        #expect(await attach(trial("a", namespace: left)) == nil)
        #expect(await attach(trial("b"))?.contains("no namespace") == true)
        #expect(
            await attach(trial("b", namespace: Namespace(name: "all", lower: 4_999, upper: 6_000)))?.contains("overlap") == true)
        #expect(
            await attach(trial("b", namespace: Namespace(name: "other", lower: 5_000, upper: 6_000)))?.contains("independently")
                == true)
        var session = trial("b", namespace: right)
        session.unit = .cookie("sid")
        #expect(await attach(session)?.contains("units differ") == true)
        var hashed = trial("b", namespace: right)
        hashed.hashing = .growthBook(version: 2, seed: "s")
        #expect(await attach(hashed)?.contains("different ways") == true)
        #expect(await attach(trial("b", namespace: right)) == nil)
        #expect(await bench.routes.route("fraud")?.experiments.map(\.number) == [1, 2])
    }

    @Test func `what cannot work is refused before anything changes`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        let before = await bench.routes.table()
        func why(_ change: (inout RouteExperimentSpec) -> Void) async -> String {
            var spec = trial("a")
            change(&spec)
            let fault = await refusal { _ = try await bench.routes.attach(spec, to: "fraud", owner: owner, fence: Position(1)) }
            return fault.map { $0.what + " " + $0.why } ?? "nothing"
        }
        #expect(await why { $0.name = "a b" }.contains("cannot be its name"))
        #expect(await why { $0.variants[0].basisPoints = 1 }.contains("sum to 50.01 %"))
        #expect(await why { $0.variants[1].name = "control" }.contains("two variants"))
        #expect(await why { $0.variants = [] }.contains("0 variants"))
        #expect(await why { $0.overrides = ["u": "other"] }.contains("override of unit 'u'"))
        #expect(await why { $0.audience.coverage = 10_001 }.contains("coverage"))
        #expect(await why { $0.audience.namespace = Namespace(name: "n", lower: 5, upper: 5) }.contains("holds nobody"))
        #expect(await why { $0.audience.condition = Condition(["country": "DE"]) }.contains("header:, cookie:, json: or token:"))
        #expect(await why { $0.audience.condition = Condition(["id": ["$regex": "("]]) }.contains("not a pattern"))
        #expect(await why { $0.hashing = .growthBook(version: 3, seed: "s") }.contains("versions 1 and 2"))
        #expect(
            await why {
                $0.hashing = .growthBook(version: 2, seed: "s")
                $0.unit = .clientAddress
            }.contains("client's address"))
        #expect(await bench.routes.table() == before)
    }

    @Test func `the winner answers everything in one table, and old effects change nothing after it`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        _ = try await bench.routes.attach(trial("checkout"), to: "fraud", owner: owner, fence: Position(1))
        let published = bench.published.count
        try await bench.routes.settle(
            experiment: "checkout", winner: "better", as: "v13", on: "fraud", owner: owner, fence: Position(5))
        #expect(bench.published.count == published + 1)
        let route = try #require(await bench.routes.route("fraud"))
        #expect(route.experiments.isEmpty && route.variants.map(\.name) == ["v11", "v12", "v13"])
        #expect(route.sharesByName == ["v11": 0, "v12": 0, "v13": 10_000])
        #expect(route.variant(named: "v13")?.url == "http://127.0.0.1:9100/better")
        // Performed again after a crash, and what came before it.
        try await bench.routes.settle(
            experiment: "checkout", winner: "better", as: "v13", on: "fraud", owner: owner, fence: Position(5))
        try await bench.routes.detach(experiment: "checkout", from: "fraud", owner: owner, fence: Position(4))
        _ = try await bench.routes.move(
            experiment: "checkout", on: "fraud", shares: ["better": 10_000], owner: owner, fence: Position(3))
        #expect(
            await refusal { _ = try await bench.routes.attach(trial("checkout"), to: "fraud", owner: owner, fence: Position(1)) }
                != nil)
        #expect(await bench.routes.route("fraud") == route)
        #expect(bench.published.count == published + 1)
        // The same experiment again has another number.
        #expect(try await bench.routes.attach(trial("checkout"), to: "fraud", owner: owner, fence: Position(9)).number == 2)
    }

    @Test func `variants come and go while it runs`() async throws {
        let bench = try await Bench()
        _ = try await bench.routes.apply(Bench.fraud(), by: "cli")
        _ = try await bench.routes.attach(trial("checkout"), to: "fraud", owner: owner, fence: Position(1))
        let third = try await bench.routes.putArm(
            .init(name: "third", url: "http://127.0.0.1:9100/3"), to: "checkout", on: "fraud", owner: owner, fence: Position(2))
        #expect(third.id == VariantID(4) && third.experiment == "checkout")
        _ = try await bench.routes.move(
            experiment: "checkout", on: "fraud", shares: ["control": 5_000, "third": 5_000], owner: owner, fence: Position(3))
        let busy = await refusal {
            try await bench.routes.retireArm("control", of: "checkout", on: "fraud", owner: owner, fence: Position(4))
        }
        #expect(busy?.why.contains("50 %") == true)
        try await bench.routes.retireArm("better", of: "checkout", on: "fraud", owner: owner, fence: Position(5))
        #expect(await bench.routes.route("fraud")?.experiment(named: "checkout")?.variants == [VariantID(2), VariantID(4)])
        let stranger = await refusal {
            _ = try await bench.routes.move(
                experiment: "checkout", on: "fraud", shares: ["control": 10_000], owner: "experiment/other", fence: Position(6))
        }
        #expect(stranger?.kind == .conflict)
    }

    @Test(arguments: 0..<6 as Range<UInt64>)
    func `whatever is asked in whatever order, shares sum up, moves are minimal, namespaces stay apart, a restart changes nothing`(
        seed: UInt64
    ) async throws {
        var random = SplitMix64(seed: seed)
        let bench = try await Bench()
        var routes = bench.routes
        _ = try await routes.apply(Bench.fraud(), by: "cli")
        var fence = Int64(0)
        for _ in 0..<40 {
            let before = try #require(await routes.route("fraud"))
            let name = "e\(Int.random(in: 0..<3, using: &random))"
            let owner = "experiment/\(name)"
            fence += Int64.random(in: -1...2, using: &random)
            let lower = Int.random(in: 0..<3, using: &random) * 3_000
            var shares = ["control": 0, "better": 0]
            for _ in 0..<10 { shares[shares.keys.sorted().randomElement(using: &random)!]! += 1_000 }
            do {
                switch Int.random(in: 0..<6, using: &random) {
                case 0:
                    let space = Namespace(name: "n", lower: lower, upper: lower + 3_000)
                    _ = try await routes.attach(trial(name, namespace: space), to: "fraud", owner: owner, fence: Position(fence))
                case 1, 2:
                    _ = try await routes.move(experiment: name, on: "fraud", shares: shares, owner: owner, fence: Position(fence))
                case 3: try await routes.detach(experiment: name, from: "fraud", owner: owner, fence: Position(fence))
                case 4:
                    _ = try await routes.cover(
                        experiment: name, on: "fraud", coverage: Int.random(in: 0...10_000, using: &random), owner: owner,
                        fence: Position(fence))
                default:
                    let table = await routes.table()
                    routes = try await bench.restarted()
                    #expect(await routes.routes() == table.routes)
                }
            } catch let fault as Fault {
                #expect([.conflict, .notFound].contains(fault.kind), "\(fault)")
            }
            let after = try #require(await routes.route("fraud"))
            #expect(after.sharesByName == before.sharesByName)
            #expect(Set(after.variants.map(\.id)).count == after.variants.count)
            for experiment in after.experiments {
                #expect(experiment.split.shares.values.reduce(0, +) == 10_000)
                #expect(Set(experiment.split.shares.keys).isSubset(of: experiment.variants))
                #expect(after.variants.filter { $0.experiment == experiment.name }.map(\.id) == experiment.variants)
                guard let earlier = before.experiment(named: experiment.name), earlier.number == experiment.number else { continue }
                let gained = experiment.split.shares.map { max(0, $0.value - (earlier.split.shares[$0.key] ?? 0)) }.reduce(0, +)
                #expect(moved(earlier.split, experiment.split) == gained)
            }
            let spaces = after.experiments.compactMap(\.audience.namespace)
            for (index, space) in spaces.enumerated() {
                #expect(spaces.dropFirst(index + 1).allSatisfy { !$0.overlaps(space) })
            }
        }
    }

    @Test func `tables and entries from before there were experiments are read`() throws {
        let text = """
            {"position":7,"routes":[{"id":1,"match":{"path":"/fraud"},"name":"fraud","split":{"salt":"00000000000000ff","variants":[0]},
            "timeouts":{"connect":1000,"firstByte":60000,"idle":300000},"unit":"header:X-User-Id",
            "variants":[{"id":0,"name":"v11","url":"http://127.0.0.1:9001/v11"}]}]}
            """
        let table = try JSONValue(parsing: text).decoded(as: RoutingTable.self)
        #expect(table.routes[0].experiments.isEmpty && table.routes[0].variants[0].experiment == nil)
        // And a route without experiments is still written as it was.
        #expect(JSONValue(encoding: table) == (try JSONValue(parsing: text)))
    }
}
