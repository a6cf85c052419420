import Faults
import Ledger
import Routing
import Statistics
import Testing

struct RouteHistoryTests {
    @Test(arguments: 0..<8 as Range<UInt64>)
    func `whatever is asked in whatever order, shares sum up, moves are minimal, numbers stay, and a restart changes nothing`(
        seed: UInt64
    ) async throws {
        var random = SplitMix64(seed: seed)
        let bench = try await Bench()
        var routes = bench.routes
        _ = try await routes.apply(Bench.fraud([("a", 10_000)]), by: "cli")
        var (fence, numbers, owner) = (Int64(1_000), ["a": VariantID(0)], "release/1")
        for step in 0..<50 {
            let before = try #require(await routes.route("fraud"))
            let names = before.variants.map(\.name)
            var shares = Dictionary(uniqueKeysWithValues: names.map { ($0, 0) })
            for _ in 0..<10 { shares[names.randomElement(using: &random)!]! += 1_000 }
            fence += Int64.random(in: -1...2, using: &random)
            do {
                switch Int.random(in: 0..<8, using: &random) {
                case 0: _ = try await routes.set("fraud", shares: shares, by: "cli")
                case 1: try await routes.claim("fraud", for: owner)
                case 2: try await routes.giveBack("fraud", by: owner)
                case 3:
                    let name = "c\(Int.random(in: 0..<5, using: &random))"
                    _ = try await routes.put(
                        .init(name: name, url: "http://a:1/\(step)"), on: "fraud", owner: owner, fence: Position(fence))
                case 4: _ = try await routes.move("fraud", shares: shares, owner: owner, fence: Position(fence))
                case 5:
                    try await routes.remove(
                        variant: names.randomElement(using: &random)!, from: "fraud", owner: owner, fence: Position(fence))
                case 6: owner = "release/\(Int.random(in: 1...3, using: &random))"
                default:
                    let table = await routes.table()
                    routes = try await bench.restarted()
                    #expect(await routes.routes() == table.routes)
                }
            } catch let fault as Fault {
                #expect([.conflict, .notFound].contains(fault.kind), "\(fault)")
            }
            let after = try #require(await routes.route("fraud"))
            #expect(after.sharesByName.values.reduce(0, +) == 10_000)
            #expect(Set(after.split.shares.keys).isSubset(of: after.variants.map(\.id)))
            #expect(Set(after.variants.map(\.id)).count == after.variants.count)
            let gained = after.sharesByName.map { max(0, $0.value - (before.sharesByName[$0.key] ?? 0)) }.reduce(0, +)
            #expect(moved(before.split, after.split) == gained)
            for variant in after.variants {
                #expect(numbers[variant.name] ?? variant.id == variant.id)
                numbers[variant.name] = variant.id
            }
            #expect(bench.published.last?.routes == [after])
        }
    }
}
