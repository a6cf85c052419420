import Conducting
import JSON
import Ledger
import Telemetry
import Testing

@testable import Releases

struct `A release` {
    @Test func `goes through its stages, climbs its steps, and is promoted when every gate passes`() {
        var release = Driver()
        release.begin()
        #expect(release.asked == [.claim, .build, .start, .smoke, .watch, .route(share: 100)])
        release.pass()
        release.pass()
        #expect(release.shares == [100, 2_500, 10_000])
        release.pass()
        #expect(release.machine.state == .deciding, "the last share is looked at for two seconds")
        release.pass()
        #expect(release.machine.state == .baking)
        #expect(release.machine.ending?.cause == .promoted)
        release.wait(milliseconds: 5_000)
        #expect(release.machine.state == .promoted)
        release.wait(milliseconds: 3_000)
        #expect(release.asked.suffix(2) == [.leave, .retirePrevious])
        #expect(release.machine.intents.isEmpty)
    }

    @Test func `does not go on before its samples are there, however long it waits`() {
        var release = Driver(Fixture.plan(deadline: 1_000_000))
        release.begin()
        for _ in 0..<50 { release.pass(.undecided, requests: 9) }
        #expect(release.shares == [100])
        release.pass(.undecided, requests: 10)
        #expect(release.shares == [100, 2_500])
    }

    @Test func `does not go on before its hold is over, however many samples there are`() {
        var release = Driver()
        release.begin()
        release.pass(requests: 1_000_000, milliseconds: 999)
        #expect(release.shares == [100])
        release.wait(milliseconds: 1)
        #expect(release.shares == [100, 2_500])
    }

    @Test func `counts only the answers of its present step`() {
        var release = Driver(Fixture.plan(hold: 0))
        release.begin()
        release.pass(requests: 10)
        release.now.milliseconds += 5_000
        release.tell(.judged(look: Fixture.look(.pass, table: release.table - 1, requests: 10)))
        #expect(release.shares == [100, 2_500])
    }

    @Test(arguments: 0..<3) func `goes back at once when a gate fails in a step`(step: Int) {
        var release = Driver()
        release.begin()
        for _ in 0..<step { release.pass(.undecided) }
        release.now.milliseconds += 1
        release.tell(.judged(look: Fixture.look(.fail, table: release.table, requests: 1)))
        #expect(release.asked.last == .route(share: 0))
        release.settle()
        #expect(release.machine.state == .rolledBack)
        #expect(release.machine.ending?.cause == .gateFailed)
    }

    @Test func `goes back when it degrades in the bake, and gives its name back`() {
        var release = Driver()
        release.begin()
        for _ in 0..<4 { release.pass() }
        #expect(release.machine.state == .baking)
        release.pass(.fail)
        #expect(release.machine.state == .rolledBack)
        #expect(release.asked.suffix(4) == [.route(share: 0), .uncrown, .leave, .stop])
    }

    @Test func `is not promoted while a gate is undecided, and says so at the deadline`() {
        var release = Driver()
        release.begin()
        for _ in 0..<59 { release.pass(.undecided) }
        #expect(release.machine.state == .deciding)
        release.pass(.undecided)
        #expect(release.machine.state == .rolledBack)
        #expect(release.machine.ending?.cause == .undecided)
    }

    @Test func `without any traffic ends at its deadline, neither passed nor failed`() {
        var release = Driver()
        release.begin()
        #expect(release.machine.due == release.now + .seconds(60))
        release.wait(milliseconds: 60_000)
        #expect(release.machine.ending?.cause == .undecided)
        #expect(release.machine.state == .rolledBack)
    }

    @Test func `asks a person at its deadline when told to, and goes on when told to`() {
        var release = Driver(Fixture.plan(onUndecided: .ask))
        release.begin()
        release.wait(milliseconds: 60_000)
        #expect(release.machine.stateText == "waiting")
        #expect(release.machine.due == nil)
        release.tell(.commanded(command: .resume, by: "ann", reason: nil))
        #expect(release.machine.stateText == "running")
        for _ in 0..<5 { release.pass() }
        #expect(release.machine.state == .baking)
    }

    @Test func `that was told to extend asks after eight extensions`() {
        var release = Driver(Fixture.plan(onUndecided: .extend))
        release.begin()
        for _ in 0..<8 { release.wait(milliseconds: 60_000) }
        #expect(release.machine.stateText == "running")
        release.wait(milliseconds: 60_000)
        #expect(release.machine.stateText == "waiting")
    }

    @Test func `holds its step while paused, and a gate that fails still takes it back`() {
        var release = Driver()
        release.begin()
        release.tell(.commanded(command: .pause, by: "ann", reason: nil))
        for _ in 0..<100 { release.pass() }
        #expect(release.shares == [100])
        #expect(release.machine.stateText == "paused")
        release.pass(.fail)
        #expect(release.machine.state == .rolledBack)
    }

    @Test func `does not count the time it was paused towards its deadline`() {
        var release = Driver(Fixture.plan(deadline: 10_000))
        release.begin()
        release.tell(.commanded(command: .pause, by: "ann", reason: nil))
        release.wait(milliseconds: 100_000)
        release.tell(.commanded(command: .resume, by: "ann", reason: nil))
        #expect(release.machine.stateText == "running")
        release.wait(milliseconds: 10_000)
        #expect(release.machine.state == .rolledBack)
    }

    @Test func `paused between two stages opens the next one when it is resumed`() {
        var release = Driver()
        release.tell(.applied)
        release.tell(.commanded(command: .pause, by: "ann", reason: nil))
        release.settle()
        #expect(release.asked == [.claim])
        release.tell(.commanded(command: .resume, by: "ann", reason: nil))
        release.settle()
        #expect(release.asked.last == .route(share: 100))
    }

    @Test func `is promoted by hand from any step, and says by whom`() {
        var release = Driver()
        release.begin()
        release.tell(.commanded(command: .promote, by: "ann", reason: "we are sure"))
        release.settle()
        #expect(release.machine.state == .baking)
        #expect(release.machine.ending?.by == "ann")
        #expect(release.machine.ending?.cause == .overridden)
    }

    @Test func `goes back by hand after its promotion, and starts the previous server first where it was stopped`() {
        var release = Driver()
        release.begin()
        for _ in 0..<4 { release.pass() }
        release.wait(milliseconds: 5_000)
        release.wait(milliseconds: 60_000)
        release.tell(.commanded(command: .rollback, by: "ann", reason: nil))
        release.settle()
        #expect(release.asked.suffix(6) == [.claim, .revivePrevious, .route(share: 0), .uncrown, .leave, .stop])
        #expect(release.machine.stateText == "rolled_back")
    }

    @Test func `that fails its smoke test touches no traffic`() {
        var release = Driver()
        release.tell(.applied)
        while let intent = release.machine.intents.first, intent.effect != .smoke {
            release.tell(release.answer(intent.effect), answering: intent.id)
        }
        let trouble = Trouble(what: "3 regressions", why: "", fix: "")
        let report = SmokeReport(
            requests: 9, cases: 9, regressions: ["a", "b", "c"], improvements: 0, slowestMilliseconds: 1, trouble: trouble)
        release.tell(.smoked(report: report), answering: release.machine.intents[0].id)
        release.settle()
        #expect(release.machine.state == .failed)
        #expect(release.shares.isEmpty)
        #expect(release.asked.suffix(2) == [.leave, .stop])
    }

    @Test func `waits in the queue while another release owns the route`() {
        var release = Driver()
        release.tell(.applied)
        release.tell(.busy(owner: "release/fraud-model-v11"), answering: release.machine.intents[0].id)
        #expect(release.machine.stateText == "waiting")
        #expect(release.machine.stageText == "queued")
        release.tell(.routeFree)
        release.settle()
        #expect(release.shares == [100])
    }

    @Test func `makes way for a newer one, but a promoted one stays promoted`() {
        var release = Driver()
        release.begin()
        release.tell(.replaced(by: "fraud-model-v13"))
        release.settle()
        #expect(release.machine.state == .rolledBack)

        var promoted = Driver()
        promoted.begin()
        for _ in 0..<4 { promoted.pass() }
        promoted.tell(.replaced(by: "fraud-model-v13"))
        promoted.settle()
        #expect(promoted.machine.state == .promoted)
        #expect(!promoted.shares.contains(0))
    }

    @Test func `goes back when the candidate's server ends, and restarts it once it is the stable one`() {
        var release = Driver()
        release.begin()
        release.tell(.serverDied(how: "signal 9"))
        release.settle()
        #expect(release.machine.ending?.cause == .serverDied)

        var stable = Driver()
        stable.begin()
        for _ in 0..<4 { stable.pass() }
        stable.wait(milliseconds: 5_000)
        stable.tell(.serverDied(how: "signal 9"))
        #expect(stable.asked.last == .start)
        #expect(stable.machine.intents.last.map { $0.due > stable.now } == true, "not at once")
    }

    @Test func `keeps trying to bring the traffic back`() throws {
        var release = Driver()
        release.begin()
        release.tell(.judged(look: Fixture.look(.fail, table: release.table, requests: 1)))
        for tries in 1...40 {
            let intent = try #require(release.machine.intents.first { $0.effect == .route(share: 0) })
            #expect(intent.tries == tries)
            #expect(intent.due <= release.now + .seconds(30))
            release.now = max(release.now, intent.due)
            release.tell(.failed(trouble: Trouble(what: "no", why: "", fix: "")), answering: intent.id)
        }
        release.now.milliseconds += 30_000
        release.settle()
        #expect(release.machine.state == .rolledBack)
    }

    @Test func `that fails before a share was moved leaves traffic alone`() throws {
        var release = Driver()
        release.tell(.applied)
        while let intent = release.machine.intents.first, intent.effect != .watch {
            release.tell(release.answer(intent.effect), answering: intent.id)
        }
        let watch = try #require(release.machine.intents.first)
        release.tell(.failed(trouble: Trouble(what: "the route is full", why: "", fix: "")), answering: watch.id)
        #expect(release.machine.state == .failed)
        release.settle()
        #expect(release.shares.isEmpty)
        #expect(release.asked.suffix(2) == [.leave, .stop])
    }

    @Test(arguments: [ReleaseMachine.Effect.claim, .watch, .route(share: 100)])
    func `tries again for a while what may pass by itself, and not for ever`(effect: ReleaseMachine.Effect) throws {
        let full = ReleaseMachine.Event.failed(trouble: Trouble(what: "the disk is full", why: "", fix: "", mayPass: true))
        func begin() -> Driver {
            var release = Driver()
            release.tell(.applied)
            while let intent = release.machine.intents.first, intent.effect != effect {
                release.tell(release.answer(intent.effect), answering: intent.id)
            }
            return release
        }
        var release = begin()
        for _ in 0..<7 {
            let intent = try #require(release.machine.intents.first { $0.effect == effect })
            release.now = max(release.now, intent.due)
            release.tell(full, answering: intent.id)
        }
        #expect(release.machine.stateText == "running" && release.machine.trouble?.what == "the disk is full")
        release.now.milliseconds += 30_000
        release.settle()
        #expect(release.machine.trouble == nil && release.shares.last == 100)

        var hopeless = begin()
        while let intent = hopeless.machine.intents.first(where: { $0.effect == effect }) {
            hopeless.now = max(hopeless.now, intent.due)
            hopeless.tell(full, answering: intent.id)
        }
        #expect(hopeless.machine.ending?.cause == .stageFailed)
    }

    @Test func `whose way back does not work is given up by a person, and may be asked for again`() throws {
        var release = Driver()
        release.begin()
        release.tell(.judged(look: Fixture.look(.fail, table: release.table, requests: 1)))
        release.tell(.commanded(command: .abort, by: "ann", reason: nil))
        #expect(release.machine.state == .rollingBack, "nothing has failed yet: it goes back")
        let back = try #require(release.machine.intents.first { $0.effect == .route(share: 0) })
        release.tell(.failed(trouble: Trouble(what: "no variant v11", why: "", fix: "")), answering: back.id)
        let status = ReleaseStatus(machine: release.machine, head: .none, look: nil).json
        #expect(status["next"]?.arrayValue?.contains("abort") == true)
        release.tell(.commanded(command: .abort, by: "ann", reason: "we mend the route"))
        release.settle()
        #expect(release.machine.stateText == "failed" && release.asked.last == .leave)
        #expect(release.machine.ending?.text.contains("traffic stays where it is (no variant v11)") == true)

        release.tell(.commanded(command: .rollback, by: "ann", reason: nil))
        release.now.milliseconds += 60_000
        release.settle()
        #expect(release.machine.stateText == "rolled_back" && release.shares.last == 0)
        #expect(release.machine.ending?.cause == .rolledBackByHand)
    }

    @Test func `of a smoke test alone finishes without touching traffic`() {
        let out: Set<ReleaseSpec.StageName> = [.buildArtifact, .canaryDeploy, .monitorMetrics, .promoteOrRollback]
        var release = Driver(Fixture.plan(gates: [], route: nil, leaving: out))
        release.begin()
        #expect(release.machine.stateText == "waiting" && release.machine.stageText == "done")
        #expect(release.asked == [.start, .smoke, .stop])
        let status = ReleaseStatus(machine: release.machine, head: .none, look: nil).json
        #expect(status["question"]?.stringValue?.contains("a pipeline that promotes") == true)
    }

    @Test func `without promote_or_rollback asks a person in the end`() {
        var release = Driver(Fixture.plan(leaving: [.promoteOrRollback]))
        release.begin()
        for _ in 0..<6 { release.pass() }
        #expect(release.machine.stateText == "waiting")
        #expect(release.shares.last == 10_000)
        release.tell(.commanded(command: .promote, by: "ann", reason: nil))
        release.settle()
        #expect(release.machine.stateText == "promoted")
    }
}
