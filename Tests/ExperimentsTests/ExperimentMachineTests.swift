import Conducting
import Experiments
import Faults
import JSON
import Outcomes
import Routing
import Statistics
import Telemetry
import Testing

/// Conducts a machine by hand: time is what the test says.
struct MachineBench {
    var machine: ExperimentMachine
    var at = Timestamp(milliseconds: 1_800_000_000_000)
    var performed: [ExperimentMachine.Effect] = []

    init(_ change: (inout ExperimentSpec) -> Void = { _ in }) throws {
        var spec = try ExperimentSpecTests.spec(ExperimentSpecTests.example)
        change(&spec)
        machine = ExperimentMachine(Self.plan(spec), attempt: 1)
        tell(.applied)
    }

    static func plan(_ spec: ExperimentSpec) -> ExperimentPlan {
        ExperimentPlan(spec: spec, unit: .header("X-User-Id"), cursor: .init(exposureSequence: 0, feedbackSequence: 0))
    }

    @discardableResult
    mutating func tell(_ event: ExperimentMachine.Event, answering: Int? = nil) -> [ExperimentMachine.Effect] {
        machine.handle(.init(event, at: at, answering: answering)).map(\.effect)
    }

    /// Answers the first open intent as a world without trouble would.
    mutating func perform() {
        guard let intent = machine.intents.first else { return }
        performed.append(intent.effect)
        let event: ExperimentMachine.Event =
            switch intent.effect {
            case .attach:
                .attached(
                    layer: .init(
                        route: RouteID(1), arms: machine.plan.spec.variants.indices.map { VariantID(UInt8($0 + 1)) }), table: 5)
            case .move(let shares): .moved(shares: shares, table: 6)
            case .cover(let step): .covered(step: step)
            case .put(let arm): .joined(arm: arm, variant: VariantID(UInt8(arm + 1)))
            case .retire(let arm): .retired(arm: arm)
            case .override: .overridden
            case .detach: .detached
            case .settle: .settled(base: "v4")
            case .release(let version): .released(outcome: .init(name: version, isPromoted: true, text: "promoted"))
            }
        tell(event, answering: intent.id)
    }

    mutating func begin() {
        perform()
        at = at + .seconds(60)
    }

    static func look(
        _ outcome: ExperimentLook.Outcome, winner: String? = nil, blocked: String? = nil, stopped: String? = nil
    ) -> ExperimentLook {
        var look = ExperimentLook(outcome: outcome, reason: "it was seen")
        (look.winner, look.blockedBy, look.stoppedBy) = (winner, blocked, stopped)
        return look
    }
}

struct ExperimentMachineTests {
    @Test func `it is attached, decided, and its winner answers everybody`() throws {
        var bench = try MachineBench()
        #expect(bench.machine.intents.map(\.effect) == [.attach(coverage: 10_000)])
        bench.begin()
        #expect(bench.machine.isWatched && bench.machine.shares == [5_000, 5_000])
        #expect(bench.tell(.looked(look: MachineBench.look(.undecided))) == [])
        #expect(bench.tell(.looked(look: MachineBench.look(.better, winner: "friendlier"))) == [.settle(variant: "friendlier")])
        bench.perform()
        #expect(bench.machine.isOver && bench.machine.stateText == "promoted" && bench.machine.base == "v4")
        #expect(bench.machine.ending?.cause == .better && bench.machine.ending?.winner == "friendlier")
    }

    @Test(arguments: [
        (ExperimentLook.Outcome.worse, ExperimentEnding.Cause.worse), (.equivalent, .equivalent),
    ])
    func `without a winner it leaves the route to the base split`(outcome: ExperimentLook.Outcome, cause: ExperimentEnding.Cause)
        throws
    {
        var bench = try MachineBench()
        bench.begin()
        #expect(bench.tell(.looked(look: MachineBench.look(outcome))) == [.detach])
        bench.perform()
        #expect(bench.machine.isOver && bench.machine.stateText == "stopped" && bench.machine.ending?.cause == cause)
        #expect(bench.machine.ending?.winner == nil)
    }

    @Test func `a broken guardrail ends it at once, whatever the primary metric says`() throws {
        var bench = try MachineBench { $0.decision.minDuration = 3_600_000 }
        bench.begin()
        let look = MachineBench.look(.better, winner: "friendlier", stopped: "latency_ms: +40 %")
        #expect(bench.tell(.looked(look: look)) == [.detach])
        #expect(bench.machine.ending?.cause == .guardrail && bench.machine.ending?.text == "latency_ms: +40 %")
    }

    @Test func `a sample ratio that does not fit blocks every verdict`() throws {
        var bench = try MachineBench()
        bench.begin()
        let blocked = MachineBench.look(.better, winner: "friendlier", blocked: "62 % instead of 50 %")
        #expect(bench.tell(.looked(look: blocked)) == [])
        #expect(bench.machine.state == .running)
    }

    @Test func `a verdict before the minimum duration waits for it`() throws {
        var bench = try MachineBench { $0.decision.minDuration = 3_600_000 }
        bench.begin()
        #expect(bench.tell(.looked(look: MachineBench.look(.better, winner: "friendlier"))) == [])
        let due = try #require(bench.machine.due)
        #expect(due == (try #require(bench.machine.startedAt)) + .seconds(3_600))
        bench.at = due
        #expect(bench.tell(.timePassed) == [.settle(variant: "friendlier")])
    }

    @Test func `with auto ask a person decides, and the question follows the evidence`() throws {
        var bench = try MachineBench { $0.decision.auto = .ask }
        bench.begin()
        #expect(bench.tell(.looked(look: MachineBench.look(.better, winner: "friendlier"))) == [])
        #expect(bench.machine.question?.contains("promote friendlier-support friendlier") == true)
        #expect(bench.machine.isWatched)
        #expect(bench.tell(.looked(look: MachineBench.look(.undecided))) == [])
        #expect(bench.machine.question == nil)
        #expect(
            bench.tell(.commanded(command: .promote(variant: "friendlier"), by: "ann", reason: nil))
                == [.settle(variant: "friendlier")])
        #expect(bench.machine.ending?.cause == .promotedByHand && bench.machine.ending?.by == "ann")
    }

    @Test func `stopped while it asks, it ends without a winner, and nobody can promote any more`() throws {
        var bench = try MachineBench { $0.decision.auto = .ask }
        bench.begin()
        bench.tell(.looked(look: MachineBench.look(.better, winner: "friendlier")))
        #expect(bench.tell(.commanded(command: .stop, by: "ann", reason: "not now")) == [.detach])
        #expect(bench.machine.question == nil && !bench.machine.isWatched)
        let promotion = ExperimentMachine.Event.commanded(command: .promote(variant: "friendlier"), by: "bob", reason: nil)
        #expect(bench.machine.refusal(of: promotion, beginning: nil)?.what.contains("ending already") == true)
        #expect(bench.tell(promotion) == [])
        bench.perform()
        #expect(bench.machine.isOver && bench.machine.stateText == "stopped" && bench.machine.ending?.winner == nil)
        #expect(bench.machine.ending?.text == "stopped by ann: not now")
    }

    @Test func `stopped before it is on its route, it leaves the route whatever the attaching answers`() throws {
        var bench = try MachineBench()
        let attaching = try #require(bench.machine.intents.first)
        let promotion = ExperimentMachine.Event.commanded(command: .promote(variant: "friendlier"), by: "bob", reason: nil)
        #expect(bench.machine.refusal(of: promotion, beginning: nil)?.what.contains("only beginning") == true)
        #expect(bench.tell(promotion) == [])
        #expect(bench.tell(.commanded(command: .stop, by: "ann", reason: nil)) == [.detach])
        let late = ExperimentMachine.Event.attached(layer: .init(route: RouteID(1), arms: [VariantID(1), VariantID(2)]), table: 5)
        #expect(bench.tell(late, answering: attaching.id) == [])
        #expect(bench.machine.intents.map(\.effect) == [.detach] && !bench.machine.isWatched)
        bench.perform()
        #expect(bench.machine.isOver && bench.machine.stateText == "stopped")
    }

    @Test func `a model's version that passed no gates makes way for its release`() throws {
        var bench = try MachineBench()
        bench.begin()
        bench.tell(.looked(look: MachineBench.look(.better, winner: "friendlier")))
        let settle = try #require(bench.machine.intents.first)
        #expect(bench.tell(.gated(version: "fraud-model@v2"), answering: settle.id) == [.detach])
        bench.perform()
        #expect(bench.machine.intents.map(\.effect) == [.release(version: "fraud-model@v2")])
        bench.perform()
        #expect(bench.machine.isOver && bench.machine.stateText == "promoted")
    }

    @Test func `a ramp takes in more units step by step`() throws {
        var bench = try MachineBench {
            $0.targeting.ramp = [
                .init(coverage: 100, hold: 60_000), .init(coverage: 1_000, hold: 60_000), .init(coverage: 10_000, hold: nil),
            ]
        }
        #expect(bench.machine.intents.map(\.effect) == [.attach(coverage: 100)])
        bench.perform()
        for step in 1...2 {
            bench.at = try #require(bench.machine.due)
            #expect(bench.tell(.timePassed) == [.cover(step: step)])
            #expect(bench.tell(.timePassed) == [], "it is under way")
            bench.perform()
        }
        #expect(bench.machine.rampStep == 2)
        #expect(
            bench.machine.due == (try #require(bench.machine.startedAt))
                + .milliseconds(bench.machine.plan.spec.decision.maxDuration))
    }

    @Test(arguments: Decision.Auto.allCases)
    func `when its time is over it ends, or asks where it was told to ask`(auto: Decision.Auto) throws {
        var bench = try MachineBench { $0.decision.auto = auto }
        bench.begin()
        bench.at = try #require(bench.machine.due)
        let effects = bench.tell(.timePassed)
        #expect(effects == (auto == .ask ? [] : [.detach]))
        #expect((bench.machine.question != nil) == (auto == .ask))
        #expect(bench.machine.ending?.cause == (auto == .ask ? nil : .undecided))
    }

    @Test func `new shares wait for the last ones, and a failure to move them is not the end`() throws {
        var bench = try MachineBench { $0.allocation.strategy = .thompson }
        bench.begin()
        #expect(bench.tell(.reweighted(shares: [4_000, 6_000], scorer: nil)) == [.move(shares: [4_000, 6_000])])
        #expect(bench.tell(.reweighted(shares: [3_000, 7_000], scorer: nil)) == [])
        let move = try #require(bench.machine.intents.first)
        #expect(bench.tell(.failed(trouble: .init(what: "busy", why: "it is", fix: "wait")), answering: move.id) == [])
        #expect(bench.machine.takesShares && bench.machine.shares == [5_000, 5_000] && bench.machine.trouble != nil)
        bench.tell(.reweighted(shares: [3_000, 7_000], scorer: nil))
        bench.perform()
        #expect(bench.machine.shares == [3_000, 7_000] && bench.machine.course.shares.map(\.shares).last == [3_000, 7_000])
    }

    @Test func `what cannot be attached fails, and what must end is tried again`() throws {
        let trouble = Trouble(what: "a release has the route", why: "it does", fix: "wait")
        var bench = try MachineBench()
        bench.tell(.failed(trouble: trouble), answering: try #require(bench.machine.intents.first).id)
        #expect(bench.machine.isOver && bench.machine.stateText == "failed" && bench.machine.ending?.text == trouble.what)

        bench = try MachineBench()
        bench.begin()
        bench.tell(.commanded(command: .stop, by: "ann", reason: "enough"))
        for tries in 1...3 {
            let detach = try #require(bench.machine.intents.first)
            #expect(detach.effect == .detach && detach.tries == tries)
            bench.tell(.failed(trouble: trouble), answering: detach.id)
        }
        bench.perform()
        #expect(bench.machine.isOver && bench.machine.ending?.text == "stopped by ann: enough")
    }

    @Test func `a course keeps its span when it is thinned out`() throws {
        var bench = try MachineBench { $0.allocation.strategy = .thompson }
        bench.begin()
        for round in 1...1_000 {
            bench.at = bench.at + .seconds(1)
            bench.tell(.reweighted(shares: [round, 10_000 - round], scorer: nil))
            bench.perform()
        }
        let points = bench.machine.course.shares
        #expect(points.count <= ExperimentCourse.pointsMax && points.count >= ExperimentCourse.pointsMax / 2)
        #expect(points.first?.shares == [5_000, 5_000] && points.last?.shares == [1_000, 9_000])
        #expect(zip(points, points.dropFirst()).allSatisfy { $0.at < $1.at })
    }

    /// Whatever happens in whatever order.
    @Test(arguments: 0..<300 as Range<UInt64>)
    func `an experiment that has ended touches traffic no more, and one that ends does`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var bench = try MachineBench {
            $0.decision.auto = Decision.Auto.allCases[Int(seed % 3)]
            $0.allocation.strategy = seed % 2 == 0 ? .fixed : .thompson
        }
        var (wasOver, attached) = (false, false)
        for _ in 0..<200 {
            bench.at = bench.at + .milliseconds(Int64(random.next() % 7_200_000))
            if random.next() % 3 == 0, let intent = bench.machine.intents.first, random.next() % 4 == 0 {
                bench.tell(.failed(trouble: .init(what: "no", why: "luck", fix: "again")), answering: intent.id)
            } else if random.next() % 2 == 0 {
                bench.perform()
            } else {
                let effects = bench.tell(.random(using: &random))
                #expect(!wasOver || effects.isEmpty, "seed \(seed)")
            }
            if bench.machine.layer != nil { attached = true }
            wasOver = wasOver || bench.machine.isOver
            #expect(bench.machine.intents.count <= 4, "seed \(seed)")
            let moves = bench.machine.intents.filter { $0.effect.kind == .move }.count
            #expect(moves <= 1 && bench.machine.shares.reduce(0, +) == 10_000, "seed \(seed)")
        }
        if wasOver, attached, let cause = bench.machine.ending?.cause, cause != .failed {
            let ways: [ExperimentMachine.Effect.Kind] = [.detach, .settle]
            #expect(bench.performed.contains { ways.contains($0.kind) }, "seed \(seed)")
        }
    }
}

extension ExperimentMachine.Event {
    static func random(using random: inout SplitMix64) -> Self {
        let share = Int(random.next() % 10_001)
        switch random.next() % 8 {
        case 0: return .timePassed
        case 1: return .reweighted(shares: [share, 10_000 - share], scorer: nil)
        case 2: return .looked(look: MachineBench.look(.undecided))
        case 3: return random.next() % 6 == 0 ? .looked(look: MachineBench.look(.better, winner: "friendlier")) : .timePassed
        case 4: return random.next() % 6 == 0 ? .looked(look: MachineBench.look(.worse)) : .timePassed
        case 5: return random.next() % 10 == 0 ? .commanded(command: .stop, by: "ann", reason: nil) : .timePassed
        case 6:
            return random.next() % 10 == 0 ? .commanded(command: .promote(variant: "control"), by: "ann", reason: nil) : .timePassed
        default: return random.next() % 12 == 0 ? .looked(look: MachineBench.look(.undecided, stopped: "cost")) : .applied
        }
    }
}
