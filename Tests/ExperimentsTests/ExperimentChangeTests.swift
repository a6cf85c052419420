import Conducting
import Faults
import JSON
import Routing
import Statistics
import Telemetry
import Testing

@testable import Experiments

/// A file that is applied again while its experiment runs.
struct ExperimentChangeTests {
    private func variant(_ name: String, _ basisPoints: Int) -> ExperimentSpec.VariantSpec {
        .init(name: name, serving: .prompt(version: "support@\(name)"), basisPoints: basisPoints)
    }

    /// With a third variant at 20 %.
    private func withWarmer(_ spec: ExperimentSpec) -> ExperimentSpec {
        var next = spec
        (next.variants[0].basisPoints, next.variants[1].basisPoints) = (4_000, 4_000)
        next.variants.append(variant("warmer", 2_000))
        return next
    }

    private func bench(_ change: (inout ExperimentSpec) -> Void = { _ in }) throws -> MachineBench {
        var bench = try MachineBench(change)
        bench.begin()
        return bench
    }

    @Test func `a variant that joins is there before it has a share, and then shares move in one table`() throws {
        var bench = try bench()
        #expect(bench.tell(.changed(spec: withWarmer(bench.machine.plan.spec))) == [.put(arm: 2)])
        #expect(bench.machine.shares == [5_000, 5_000, 0] && !bench.machine.takesShares)
        bench.perform()
        #expect(bench.machine.intents.map(\.effect) == [.move(shares: [4_000, 4_000, 2_000])])
        bench.perform()
        #expect(bench.machine.shares == [4_000, 4_000, 2_000] && bench.machine.intents.isEmpty)
        #expect(bench.machine.arms.count == 3 && bench.machine.arms.begun == 2)
        #expect(bench.machine.arms.all[2].id != nil)
    }

    @Test func `a variant that is retired loses its share first, then leaves, and keeps its number`() throws {
        var bench = try bench()
        bench.tell(.changed(spec: withWarmer(bench.machine.plan.spec)))
        bench.perform()
        bench.perform()
        var next = bench.machine.plan.spec
        next.variants.remove(at: 1)
        (next.variants[0].basisPoints, next.variants[1].basisPoints) = (5_000, 5_000)
        #expect(bench.tell(.changed(spec: next)) == [.move(shares: [5_000, 0, 5_000])])
        bench.perform()
        #expect(bench.machine.intents.map(\.effect) == [.retire(arm: 1)])
        bench.perform()
        #expect(bench.machine.arms.live == [0, 2] && bench.machine.arms.all[1].goneAt != nil)
        // Nothing of it wins or is promoted any more.
        #expect(bench.tell(.looked(look: MachineBench.look(.better, winner: "friendlier"))) == [])
        #expect(
            bench.machine.refusal(of: .commanded(command: .promote(variant: "friendlier"), by: "a", reason: nil), beginning: nil)
                != nil)
        #expect(
            bench.tell(.looked(look: MachineBench.look(.better, winner: "warmer"))) == [.settle(variant: "warmer")])
    }

    @Test func `a bandit keeps its shares beside those of a variant that joins, and none is below the floor`() throws {
        var bench = try bench { $0.allocation.strategy = .thompson }
        bench.tell(.reweighted(shares: [600, 9_400], scorer: nil))
        bench.perform()
        bench.tell(.changed(spec: withWarmer(bench.machine.plan.spec)))
        bench.perform()
        bench.perform()
        #expect(bench.machine.shares.reduce(0, +) == 10_000)
        #expect(bench.machine.shares[0] == 500 && bench.machine.shares[1] > 7_000 && abs(bench.machine.shares[2] - 2_000) < 30)
        // What was weighed before the variant joined is not heard.
        #expect(bench.machine.isStale(.reweighted(shares: [500, 9_500], scorer: nil), at: bench.at))
        #expect(bench.tell(.reweighted(shares: [500, 9_500], scorer: nil)) == [])
        #expect(bench.tell(.reweighted(shares: [500, 500, 9_000], scorer: nil)) == [.move(shares: [500, 500, 9_000])])
    }

    @Test func `a variant that a scorer still chooses does not leave before a scorer without it is served`() throws {
        var bench = try bench {
            $0.allocation.strategy = .linTS
            $0.variants.append(self.variant("third", 0))
            ($0.variants[1].basisPoints, $0.variants[2].basisPoints) = (2_500, 2_500)
        }
        var next = bench.machine.plan.spec
        next.variants.remove(at: 2)
        next.variants[1].basisPoints = 5_000
        bench.tell(.changed(spec: next))
        bench.perform()
        #expect(bench.machine.shares[2] == 0 && bench.machine.intents.isEmpty, "\(bench.machine.intents)")
        bench.tell(.reweighted(shares: bench.machine.shares, scorer: ["newer": true]))
        bench.perform()
        #expect(bench.machine.intents.map(\.effect) == [.retire(arm: 2)])
    }

    @Test func `a variant that cannot be there is given up, and the others share what it was to have`() throws {
        var bench = try bench()
        bench.tell(.changed(spec: withWarmer(bench.machine.plan.spec)))
        let put = try #require(bench.machine.intents.first)
        let trouble = Trouble(what: "no such prompt", why: "it was removed", fix: "add it")
        #expect(bench.tell(.failed(trouble: trouble), answering: put.id) == [.move(shares: [5_000, 5_000, 0])])
        bench.perform()
        #expect(bench.machine.trouble == trouble && bench.machine.arms.live == [0, 1] && bench.machine.intents.isEmpty)
        // Applied again it is tried again.
        #expect(bench.tell(.changed(spec: withWarmer(bench.machine.plan.spec))).contains(.put(arm: 3)))
    }

    @Test func `coverage, overrides and duration change without touching what is compared`() throws {
        var bench = try bench()
        var next = bench.machine.plan.spec
        next.targeting.ramp = [.init(coverage: 1_000, hold: 60_000), .init(coverage: 5_000, hold: nil)]
        next.targeting.overrides = ["qa": "friendlier"]
        next.decision.maxDuration = 3_600_000
        #expect(bench.tell(.changed(spec: next)) == [.cover(step: 0), .override])
        bench.perform()
        bench.perform()
        #expect(bench.machine.shares == [5_000, 5_000])
        #expect(bench.machine.due == bench.at + .seconds(60), "the ramp goes on from its first step")
        bench.at = bench.at + .seconds(60)
        #expect(bench.tell(.timePassed) == [.cover(step: 1)])
        bench.perform()
        bench.at = try #require(bench.machine.startedAt) + .seconds(3_600)
        #expect(bench.tell(.timePassed) == [.detach] && bench.machine.ending?.cause == .undecided)
    }

    @Test(arguments: [
        "metrics", "decision.alpha", "unit", "control", "what friendlier answers with", "allocation", "targeting.seed", "route",
    ])
    func `what is counted by does not change while it runs, and the refusal says what, why and the way out`(part: String) throws {
        let bench = try bench()
        var next = bench.machine.plan.spec
        switch part {
        case "metrics": next.metrics.primary.minimumEffect = 0.5
        case "decision.alpha": next.decision.alpha = 0.2
        case "unit": next.unit = .header("X-Session")
        case "control": next.variants.swapAt(0, 1)
        case "allocation": next.allocation.strategy = .thompson
        case "targeting.seed": next.targeting.seed = "another"
        case "route": next.route = "other"
        default: next.variants[1].serving = .prompt(version: "support@v9")
        }
        let fault = try #require(bench.machine.refusal(of: .changed(spec: next), beginning: nil))
        #expect(fault.what.contains(part) && !fault.why.isEmpty, "\(fault)")
        #expect(fault.fix.contains("openclaw experiment stop friendlier-support"))
        var other = bench
        #expect(other.tell(.changed(spec: next)) == [] && other.machine.plan.spec == bench.machine.plan.spec)
    }

    @Test func `a retired variant's name is not used again, and control cannot be retired`() throws {
        var bench = try bench()
        let first = bench.machine.plan.spec
        var next = withWarmer(first)
        next.variants.remove(at: 1)
        next.variants[0].basisPoints = 8_000
        bench.tell(.changed(spec: next))
        for _ in 0..<3 { bench.perform() }
        #expect(bench.machine.refusal(of: .changed(spec: withWarmer(first)), beginning: nil)?.why.contains("friendlier") == true)
        next.variants.remove(at: 0)
        #expect(bench.machine.refusal(of: .changed(spec: next), beginning: nil)?.what.contains("control") == true)
    }

    /// Whatever changes in whatever order, shares sum to the whole and only what is tried has any.
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `shares are lawful whatever joins and leaves`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var bench = try bench { $0.allocation.strategy = seed % 2 == 0 ? .fixed : .thompson }
        var names = 0
        for _ in 0..<60 {
            bench.at = bench.at + .milliseconds(Int64(random.next() % 1_000))
            var next = bench.machine.plan.spec
            switch random.next() % 5 {
            case 0 where next.variants.count < 8:
                names += 1
                next.variants.append(variant("v\(names)", 0))
            case 1 where next.variants.count > 2: next.variants.remove(at: 1 + Int(random.next() % UInt64(next.variants.count - 1)))
            case 2:
                if let intent = bench.machine.intents.first {
                    bench.tell(.failed(trouble: .init(what: "no", why: "luck", fix: "again")), answering: intent.id)
                }
                continue
            default:
                bench.perform()
                continue
            }
            let count = next.variants.count
            for place in next.variants.indices {
                next.variants[place].basisPoints = 10_000 * (place + 1) / count - 10_000 * place / count
            }
            bench.tell(.changed(spec: next))
            let machine = bench.machine
            #expect(machine.shares.reduce(0, +) == 10_000 && machine.shares.count == machine.arms.count, "seed \(seed)")
            if let target = machine.target {
                #expect(
                    target.reduce(0, +) == 10_000 && target.indices.allSatisfy { machine.arms.live.contains($0) || target[$0] == 0 }
                )
            }
        }
        for _ in 0..<40 { bench.perform() }
        let machine = bench.machine
        #expect(machine.intents.isEmpty && machine.target == nil, "seed \(seed)")
        #expect(machine.shares.indices.allSatisfy { machine.arms.live.contains($0) == (machine.shares[$0] > 0) }, "seed \(seed)")
        #expect(machine.arms.live.map { machine.arms.names[$0] } == machine.plan.spec.variants.map(\.name), "seed \(seed)")
    }
}
