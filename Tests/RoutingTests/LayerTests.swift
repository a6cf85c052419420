import Glibc
import JSON
import Statistics
import TestFolders
import Testing

@testable import Routing

struct LayerTests {
    private func layered(
        _ name: String = "trial", number: UInt16 = 1, shares: [Int] = [5_000, 5_000], audience: Audience = Audience(),
        _ change: (inout RouteExperiment) -> Void = { _ in }
    ) -> RouteExperiment {
        let arms = shares.indices.map { VariantID(UInt8(10 * Int(number) + $0)) }
        var experiment = RouteExperiment(
            number: number, name: name, unit: .header("X-User-Id"), audience: audience, variants: arms,
            split: TrafficSplit(route: "experiment/" + name, shares: Dictionary(uniqueKeysWithValues: zip(arms, shares))))
        change(&experiment)
        return experiment
    }

    private func decider(_ experiments: [RouteExperiment], sticky: StickyFolder? = nil) -> RouteDecider {
        var variants = [Variant(id: VariantID(0), name: "base", url: "http://127.0.0.1:1/")]
        for experiment in experiments {
            for arm in experiment.variants {
                variants.append(
                    Variant(id: arm, name: "v\(arm.number)", url: "http://127.0.0.1:1/", experiment: experiment.name))
            }
        }
        return RouteDecider(
            Route(
                id: RouteID(1), name: "r", match: RouteMatch(path: "/"), unit: .header("X-User-Id"), variants: variants,
                timeouts: RouteTimeouts(), split: TrafficSplit(route: "r", shares: [VariantID(0): 10_000]), experiments: experiments
            ),
            sticky: sticky)
    }

    private let units = (0..<4_000).map { "user-\($0)" }

    @Test func `disjoint namespaces never share a unit, and together they have everybody`() {
        let halves = [
            layered("a", number: 1, audience: Audience(namespace: Namespace(name: "n", lower: 0, upper: 3_000))),
            layered("b", number: 2, audience: Audience(namespace: Namespace(name: "n", lower: 3_000, upper: 10_000))),
        ]
        let (both, first, second) = (decider(halves), decider([halves[0]]), decider([halves[1]]))
        var inFirst = 0
        for unit in units {
            let names = [first, second].compactMap { $0.decide(unit: unit).experiment?.name }
            #expect(names.count == 1 && both.decide(unit: unit).experiment?.name == names[0])
            inFirst += names == ["a"] ? 1 : 0
        }
        #expect(abs(Double(inFirst) / 4_000 - 0.3) < 0.04)
    }

    @Test func `a ramp only adds units, and moves none of those it had`() {
        var seen: [String: VariantID] = [:]
        for coverage in [0, 100, 1_000, 2_500, 7_000, 10_000] {
            let ramp = decider([layered(audience: Audience(coverage: coverage))])
            var count = 0
            for unit in units {
                let decision = ramp.decide(unit: unit)
                if decision.experiment == nil { #expect(seen[unit] == nil) }
                guard decision.experiment != nil else { continue }
                count += 1
                #expect(seen[unit] ?? decision.variant == decision.variant)
                seen[unit] = decision.variant
            }
            #expect(abs(Double(count) / 4_000 - Double(coverage) / 10_000) < 0.04)
        }
        #expect(seen.count == units.count)
    }

    @Test func `moving shares moves as many units as shares, and no others`() {
        var experiment = layered()
        let before = decider([experiment])
        experiment.split.move(to: [experiment.variants[0]: 4_000, experiment.variants[1]: 6_000])
        let after = decider([experiment])
        var moved = 0
        for unit in units {
            let (was, now) = (before.decide(unit: unit).variant, after.decide(unit: unit).variant)
            if was != now {
                moved += 1
                #expect(now == experiment.variants[1])
            }
        }
        #expect(abs(Double(moved) / 4_000 - 0.1) < 0.03)
    }

    @Test func `overrides win over namespace, condition and ramp, and count for nothing`() {
        let audience = Audience(
            namespace: Namespace(name: "n", lower: 0, upper: 1), condition: Condition(["country": "XX"]),
            attributes: ["country": .header("X-Country")], coverage: 0)
        let forced = decider([layered(audience: audience) { $0.overrides = ["tester": $0.variants[1]] }])
        let decision = forced.decide(unit: "tester")
        #expect(decision.variant == VariantID(11) && decision.propensity == 0 && decision.because == .overridden)
        #expect(forced.decide(unit: "user-1").experiment == nil)
        #expect(forced.explain(unit: "tester").reason.contains("override"))
    }

    @Test func `a condition sees what is declared, and the unit as id`() {
        let audience = Audience(
            condition: Condition(["country": "DE", "id": ["$regex": "^user-"]]), attributes: ["country": .header("X-Country")])
        let aimed = decider([layered(audience: audience)])
        #expect(aimed.decide(unit: "user-1", attributes: ["country": "DE"]).experiment != nil)
        #expect(aimed.decide(unit: "other-1", attributes: ["country": "DE", "id": "user-1"]).experiment == nil)
        #expect(aimed.decide(unit: "user-1").experiment == nil)
        #expect(aimed.explain(unit: "user-1").reason.contains("condition does not hold"))
    }

    @Test func `the chance that is recorded is the share at that moment`() {
        let uneven = decider([layered(shares: [1_000, 2_500, 6_500])])
        for unit in units.prefix(200) {
            let decision = uneven.decide(unit: unit)
            #expect(decision.propensity == [1_000, 2_500, 6_500][Int(decision.variant.number) - 10])
        }
    }

    @Test func `what a life left behind of an experiment that is off is removed at the next start, and nothing else`() throws {
        let folder = Folder()
        let path = folder.path + "/units"
        let sticky = StickyFolder(path: path)
        for number in [3, 7, 11] as [UInt16] { _ = try sticky.table(of: number) }
        #expect(unsafe access(path + "/7.units", F_OK) == 0)
        StickyFolder(path: path).removeAll(but: [3])
        #expect(unsafe access(path + "/3.units", F_OK) == 0)
        #expect(unsafe access(path + "/7.units", F_OK) != 0 && access(path + "/11.units", F_OK) != 0)
    }

    @Test func `a kept unit keeps its variant and its chance while shares move, restarts and all`() throws {
        let folder = Folder()
        var experiment = layered { $0.stickiness = .user }
        let early = units.prefix(500)
        var first: [String: RouteDecision] = [:]
        let before = decider([experiment], sticky: StickyFolder(path: folder.path + "/units"))
        for unit in early { first[unit] = before.decide(unit: unit, remembers: true) }
        // A look keeps nobody.
        for unit in units.suffix(100) { _ = before.decide(unit: unit) }
        experiment.split.move(to: [experiment.variants[0]: 0, experiment.variants[1]: 10_000])
        // Another life: the tables are read from disk.
        let after = decider([experiment], sticky: StickyFolder(path: folder.path + "/units"))
        for unit in early {
            let (was, now) = (try #require(first[unit]), after.decide(unit: unit, remembers: true))
            #expect(was.variant == now.variant && now.propensity == 5_000 || now.because == .split && now.variant == VariantID(11))
        }
        #expect(early.contains { after.decide(unit: $0).because == .kept })
        for unit in units.suffix(100) { #expect(after.decide(unit: unit).variant == VariantID(11)) }
        // A variant that is gone lets its units go.
        experiment.variants = [VariantID(11)]
        let retired = decider([experiment], sticky: StickyFolder(path: folder.path + "/units"))
        for unit in early { #expect(retired.decide(unit: unit, remembers: true).variant == VariantID(11)) }
    }

    @Test func `a table that is full turns units away and counts them`() throws {
        let folder = Folder()
        let table = try StickyTable(path: folder.path + "/1.units")
        let arm = VariantID(3)
        // Units that all belong at one place: their hashes differ in what the place does not tell.
        var placed = 0
        var number: UInt64 = 0
        while table.turnedAway == 0, number < 200 {
            number += 1
            if table.insert(LayerTests.unit(at: 77, number: number), .init(variant: arm, propensity: 5_000), among: [arm]) != nil {
                placed += 1
            }
        }
        #expect(placed == 64 && table.turnedAway == 1)
        #expect(table.entry(of: LayerTests.unit(at: 77, number: 1))?.variant == arm)
        #expect(table.entry(of: LayerTests.unit(at: 77, number: 999)) == nil)
    }

    @Test func `loops that meet at one unit agree on its variant`() async throws {
        let folder = Folder()
        let table = try StickyTable(path: folder.path + "/1.units")
        let arms = [VariantID(1), VariantID(2), VariantID(3), VariantID(4)]
        let answers = await withTaskGroup(of: [StickyTable.Entry?].self) { group in
            for arm in arms {
                group.addTask {
                    (0..<2_000).map { table.insert(UnitID("u\($0)"), .init(variant: arm, propensity: 1), among: arms) }
                }
            }
            return await group.reduce(into: [[StickyTable.Entry?]]()) { $0.append($1) }
        }
        for unit in 0..<2_000 { #expect(Set(answers.map { $0[unit]?.variant }).count == 1) }
    }

    @Test func `another file is not taken for a table`() {
        let folder = Folder()
        write(Array("something else entirely".utf8), to: folder.path + "/1.units")
        #expect(throws: (any Error).self) { try StickyTable(path: folder.path + "/1.units") }
    }

    /// A unit whose place in the table is `place`: the finaliser of the hash, turned round.
    private static func unit(at place: UInt64, number: UInt64) -> UnitID {
        var x = number << 22 | place
        x ^= x >> 33
        x = x &* 0x9cb4_b2f8_1293_37db
        x ^= x >> 33
        x = x &* 0x4f74_430c_22a5_4005
        x ^= x >> 33
        return UnitID(hash: x ^ 0x4f43_5354_4943_4b31)
    }
}
