import Conducting
import Telemetry
import Testing

@testable import Training

/// Ranks that come and go while the others train on.
@Suite struct RankChangeTests {
    private static func running(_ ranks: Int) -> JobUnderTest {
        var job = JobUnderTest(ranks: ranks)
        job.run()
        return job
    }

    @Test func `those with the highest numbers leave at a step boundary, and nobody stops`() {
        var job = Self.running(4)
        #expect(job.tell(.changing(ranks: 2, seats: [], why: "asked for")).isEmpty)
        #expect(job.machine.state == .running && job.machine.epoch == 2 && job.machine.worldToBe == 2)
        #expect(job.machine.ranks.map(\.state) == [.up, .up, .leaving, .leaving])
        job.tell(.rescaled(epoch: 2, ranks: 2, step: 7))
        #expect(job.machine.world == 4, "their places are theirs until they are gone")
        for slot in [2, 3] { job.tell(.left(slot: slot, life: 0)) }
        #expect(job.machine.world == 2 && job.machine.state == .running && job.machine.run == 1 && job.machine.failures == 0)
        #expect(job.machine.changes.map(\.step) == [7] && job.machine.changes[0].endedAt != nil && job.machine.due == nil)
        for slot in [0, 1] { job.tell(.left(slot: slot, life: 0)) }
        #expect(job.machine.state == .finished)
    }

    @Test func `new ranks are told of when all of them can be met, and a slot has another life each time`() {
        var job = Self.running(2)
        job.tell(.changing(ranks: 1, seats: [], why: "room"))
        job.tell(.left(slot: 1, life: 0))
        #expect(job.machine.world == 1)
        let launches = job.tell(.changing(ranks: 3, seats: JobUnderTest.seats(2), why: "asked for"))
        #expect(launches == [.launch(slot: 1, life: 1), .launch(slot: 2, life: 0)])
        job.launchAll()
        job.tell(.met(slot: 2, life: 0))
        #expect(job.machine.epoch == 2, "one of them is still on its way")
        job.tell(.met(slot: 1, life: 1))
        #expect(job.machine.epoch == 3 && job.machine.ranks.map(\.state) == [.up, .joining, .joining])
        job.tell(.rescaled(epoch: 3, ranks: 3, step: 20))
        for (slot, life) in [(1, 1), (2, 0)] { job.tell(.joined(slot: slot, life: life, step: 20)) }
        #expect(!job.machine.isChanging && job.machine.changes.allSatisfy { $0.endedAt != nil } && job.machine.due == nil)
        #expect(job.die(2, survivable: true) == [.launch(slot: 2, life: 1)], "from then on it is a rank as others are")
        #expect(job.machine.failures == 1)
    }

    @Test func `a rank that dies on its way out is not replaced, not counted, and told of`() {
        var job = Self.running(3)
        job.tell(.changing(ranks: 2, seats: [], why: "asked for"))
        #expect(job.die(2, survivable: true).isEmpty)
        #expect(job.machine.world == 2 && job.machine.epoch == 3 && job.machine.failures == 0)
        #expect(job.machine.losses.count == 1 && job.machine.losses[0].mendedAt != nil)
    }

    @Test func `while one leaves another dies, and is replaced`() {
        var job = Self.running(3)
        job.tell(.changing(ranks: 2, seats: [], why: "asked for"))
        #expect(job.die(0, survivable: true) == [.launch(slot: 0, life: 1)])
        #expect(job.machine.epoch == 3 && job.machine.ranks[2].state == .leaving)
        job.tell(.left(slot: 2, life: 0))
        #expect(job.machine.world == 2 && job.machine.state == .running && job.machine.failures == 1)
    }

    @Test func `new ranks that die are tried again once, and then the job goes on without them`() {
        var job = Self.running(2)
        job.tell(.changing(ranks: 4, seats: JobUnderTest.seats(2), why: "room"))
        job.launchAll()
        #expect(job.die(3, survivable: true) == [.launch(slot: 3, life: 1)])
        job.launchAll()
        #expect(job.die(3, survivable: true) == [.dismiss(slot: 2, life: 0)])
        #expect(job.machine.failures == 0 && job.machine.changes[0].failure?.contains("signal 9") == true)
        let dismissal = job.machine.intents.first { $0.effect.kind == .dismiss }
        job.tell(.dismissed(slot: 2, life: 0), answering: dismissal?.id)
        #expect(job.machine.world == 2 && job.machine.state == .running && job.machine.epoch == 1 && !job.machine.isChanging)
    }

    @Test func `one that comes first gets the room of ranks that are only coming, and the others train on`() {
        var job = Self.running(2)
        job.tell(.changing(ranks: 3, seats: JobUnderTest.seats(1), why: "room"))
        job.launchAll()
        #expect(job.tell(.preempted(by: "urgent")) == [.dismiss(slot: 2, life: 0)])
        let dismissal = job.machine.intents.first { $0.effect.kind == .dismiss }
        job.tell(.dismissed(slot: 2, life: 0), answering: dismissal?.id)
        #expect(job.machine.state == .running && job.machine.world == 2 && job.machine.preemptions == 0 && job.machine.run == 1)
        #expect(job.machine.changes[0].failure == "urgent needs room and comes first")
        #expect(job.tell(.preempted(by: "urgent")) == [.stop(withinSeconds: 30, checkpoint: true)])
    }

    @Test func `where no boundary comes in time the job stops at a checkpoint, with the ranks that it was to have`() {
        var job = Self.running(3)
        job.tell(.changing(ranks: 2, seats: [], why: "room"))
        job.now += 120_000
        #expect(job.machine.due.map { $0.milliseconds <= job.now } == true)
        #expect(job.tell(.timePassed) == [.stop(withinSeconds: 30, checkpoint: true)])
        #expect(job.machine.changes.map(\.isLive) == [true, false] && job.machine.changes[0].failure != nil)
    }

    @Test func `a job that ends does not wait for those that were on their way`() {
        var job = Self.running(2)
        job.tell(.changing(ranks: 3, seats: JobUnderTest.seats(1), why: "room"))
        job.launchAll()
        job.tell(.left(slot: 0, life: 0))
        #expect(job.tell(.left(slot: 1, life: 0)) == [.dismiss(slot: 2, life: 0)])
        let dismissal = job.machine.intents.first { $0.effect.kind == .dismiss }
        job.tell(.dismissed(slot: 2, life: 0), answering: dismissal?.id)
        #expect(job.machine.state == .finished && job.machine.failures == 0)
    }

    @Test func `what is used is added up by the ranks that there were`() {
        var job = Self.running(4)
        let placed = job.machine.placedAt?.milliseconds ?? 0
        job.now = placed + 999
        job.tell(.changing(ranks: 1, seats: [], why: "room"))
        for slot in [3, 2, 1] {
            job.now = placed + 1_999
            job.tell(.left(slot: slot, life: 0))
        }
        job.now = placed + 2_999
        job.tell(.left(slot: 0, life: 0))
        #expect(job.machine.served == 4 * 2_000 + 1_000)
    }
}
