import Conducting
import JSON
import Statistics
import Telemetry
import Testing

@testable import Releases

/// Random courses of events; every failure replays from its seed.
struct `In every course of events` {
    /// One thing that may happen now: usually an answer, sometimes news, now and then a person.
    static func happen(_ release: inout Driver, using random: inout SplitMix64) {
        release.now.milliseconds += Int64(random.next() % 3_000)
        let due = release.machine.intents.filter { $0.due <= release.now }
        switch random.next() % 10 {
        case 0...4:
            guard let intent = due.first else { return release.tell(.timePassed) }
            let event: ReleaseMachine.Event =
                switch random.next() % 12 {
                case 0: .failed(trouble: Trouble(what: "failed", why: "", fix: ""))
                case 1: .interrupted
                case 2 where intent.effect == .claim: .busy(owner: "release/other")
                default: release.answer(intent.effect)
                }
            release.tell(event, answering: intent.id)
        case 5...7:
            let outcome: VerdictOutcome = [.pass, .pass, .undecided, random.next() % 8 == 0 ? .fail : .pass][Int(random.next() % 4)]
            release.tell(.judged(look: Fixture.look(outcome, table: release.table, requests: Int64(random.next() % 40))))
        case 8: release.tell(.timePassed)
        default:
            let news: [ReleaseMachine.Event] = [
                .routeFree, .serverDied(how: "signal 9"), .retired(by: "other"), .revived(by: "other"),
                .metricSilent(trouble: Trouble(what: "silent", why: "", fix: "")), .replaced(by: "other"),
            ]
            let commands = ReleaseCommand.allCases.map { ReleaseMachine.Event.commanded(command: $0, by: "ann", reason: nil) }
            let all = news + commands + [ReleaseMachine.Event](repeating: .timePassed, count: 20)
            release.tell(all[Int(random.next() % UInt64(all.count))])
        }
    }

    static func plan(using random: inout SplitMix64) -> ReleasePlan {
        let rare: Set<ReleaseSpec.StageName> = random.next() % 4 == 0 ? [.smokeTest, .buildArtifact] : []
        return Fixture.plan(
            onUndecided: MonitorOptions.OnUndecided.allCases[Int(random.next() % 3)], bake: Int64(random.next() % 2) * 5_000,
            leaving: rare)
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `a release that went back never touches traffic again`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var release = Driver(Self.plan(using: &random))
        release.tell(.applied)
        var over = false
        for _ in 0..<400 {
            let before = release.asked.count
            Self.happen(&release, using: &random)
            let moved = release.asked[before...].contains { if case .route = $0 { true } else { false } }
            #expect(!over || !moved, "seed \(seed)")
            over = release.machine.isOver && release.machine.state != .promoted && !release.machine.isAbandoned
        }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `no share is above its step, and none rises while the release is held`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let plan = Self.plan(using: &random)
        var release = Driver(plan)
        release.tell(.applied)
        for _ in 0..<400 {
            let before = release.asked.count
            let held = release.machine.hold != nil
            Self.happen(&release, using: &random)
            for case .route(let share) in release.asked[before...] {
                switch release.machine.state {
                case .canary(let step): #expect(share <= plan.steps[step].share, "seed \(seed)")
                case .promoting, .baking: #expect(share == 10_000, "seed \(seed)")
                default: #expect(share == 0, "seed \(seed): \(release.machine.state)")
                }
                #expect(share == 0 || !held || release.machine.hold == nil, "seed \(seed)")
            }
        }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `a rollback asked for at any moment leads back to the baseline`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var release = Driver(Self.plan(using: &random))
        release.tell(.applied)
        for _ in 0..<(random.next() % 60) { Self.happen(&release, using: &random) }
        let touched = release.shares.contains { $0 > 0 }
        release.tell(.commanded(command: .rollback, by: "ann", reason: nil))
        for _ in 0..<10 {
            release.now.milliseconds += 60_000
            release.settle()
        }
        #expect(["rolled_back", "failed"].contains(release.machine.stateText), "seed \(seed): \(release.machine.state)")
        if touched { #expect(release.shares.last == 0, "seed \(seed)") }
        #expect(release.machine.intents.isEmpty, "seed \(seed)")
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `a release is promoted only on a passing look, or by a person`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var release = Driver(Self.plan(using: &random))
        release.tell(.applied)
        for _ in 0..<400 {
            let before = release.machine.state
            Self.happen(&release, using: &random)
            guard release.machine.state == .promoting, before != .promoting else { continue }
            let passes = release.machine.look?.verdicts.allSatisfy { $0.outcome == .pass } ?? false
            #expect(passes || release.machine.ending?.cause == .overridden, "seed \(seed)")
        }
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `the recorded inputs give the same machine again`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let plan = Self.plan(using: &random)
        var release = Driver(plan)
        var recorded: [JSONValue] = []
        var replayed = ReleaseMachine(plan, attempt: 1)
        release.tell(.applied)
        recorded.append(JSONValue(encoding: ReleaseMachine.Input(.applied, at: release.now)))
        for _ in 0..<200 {
            release.now.milliseconds += Int64(random.next() % 3_000)
            let input: ReleaseMachine.Input
            if let intent = release.machine.intents.first(where: { $0.due <= release.now }), random.next() % 2 == 0 {
                input = .init(release.answer(intent.effect), at: release.now, answering: intent.id)
            } else {
                input = .init(.judged(look: Fixture.look(.undecided, table: release.table, requests: 12)), at: release.now)
            }
            release.tell(input.event, answering: input.answering)
            recorded.append(JSONValue(encoding: input))
        }
        for value in recorded {
            let text = try JSONValue(parsing: value.canonicalText)
            _ = replayed.handle(try text.decoded(as: ReleaseMachine.Input.self))
        }
        #expect(replayed == release.machine, "seed \(seed)")
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `time that is due always brings it on`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var release = Driver(Self.plan(using: &random))
        release.tell(.applied)
        for _ in 0..<200 {
            Self.happen(&release, using: &random)
            guard let due = release.machine.due else { continue }
            release.now = max(release.now, due)
            release.tell(.timePassed)
            #expect(release.machine.due.map { $0 > release.now } ?? true, "seed \(seed): \(release.machine.state)")
        }
    }
}
