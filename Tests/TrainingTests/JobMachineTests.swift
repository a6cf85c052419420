import Conducting
import Telemetry
import Testing

@testable import Training

/// A job that is told what happened, without anything happening.
struct JobUnderTest {
    var machine: JobMachine
    var now: Int64 = 0
    /// All that it was told: a daemon that starts again reads it from the ledger.
    var inputs: [JobMachine.Input] = []

    init(ranks: Int, failures: Int = 3, output: Bool = false) {
        var spec = JobSpec(name: "job", run: "true")
        (spec.ranksMin, spec.ranksMax, spec.failuresMax) = (ranks, ranks, failures)
        if output { spec.output = .init(register: "model@v1", path: "model") }
        machine = JobMachine(JobPlan(spec: spec, directory: "/", folder: "/", number: 1), attempt: 1, after: nil)
        tell(.applied)
    }

    @discardableResult
    mutating func tell(_ event: JobMachine.Event, answering: Int? = nil) -> [JobMachine.Effect] {
        now += 1
        inputs.append(.init(event, at: Timestamp(milliseconds: now), answering: answering))
        return machine.handle(inputs[inputs.count - 1]).map(\.effect)
    }

    static func seats(_ count: Int) -> [JobMachine.Seat] {
        (0..<count).map { .init(node: "n", host: "127.0.0.1", port: 1_000 + $0) }
    }

    /// The same job as the next life of the daemon sees it.
    var replayed: JobMachine {
        var replayed = JobMachine(machine.plan, attempt: machine.attempt, after: nil)
        for input in inputs { _ = replayed.handle(input) }
        return replayed
    }

    mutating func place() { tell(.placed(seats: Self.seats(machine.ranksWanted.lowerBound), port: 1, why: "it fits")) }

    mutating func launchAll() {
        for intent in machine.intents {
            guard case .launch(let slot, let life) = intent.effect else { continue }
            tell(.launched(slot: slot, life: life, handle: .init(engine: "local", id: "\(slot).\(life)")), answering: intent.id)
        }
    }

    mutating func run(formed: Bool = true) {
        place()
        launchAll()
        if formed { tell(.formed) }
    }

    mutating func die(_ slot: Int, _ death: RankDeath = .init(.killed, signal: 9), survivable: Bool, step: Int64 = 10)
        -> [JobMachine.Effect]
    {
        tell(.died(slot: slot, life: machine.ranks[slot].life, death: death, survivable: survivable, step: step))
    }
}

@Suite struct JobMachineTests {
    @Test func `a job starts every rank, and ends when all have left`() {
        var job = JobUnderTest(ranks: 3)
        job.place()
        #expect(job.machine.state == .starting && job.machine.intents.count == 3)
        job.launchAll()
        #expect(job.machine.state == .running && job.machine.intents.isEmpty)
        for slot in 0..<3 { job.tell(.left(slot: slot, life: 0)) }
        #expect(job.machine.state == .finished && job.machine.ranks.isEmpty && job.machine.endedAt != nil)
    }

    @Test func `survivors go on in a new epoch, and the dead slot is filled`() {
        var job = JobUnderTest(ranks: 3)
        job.run()
        #expect(job.machine.epoch == 1)
        #expect(job.die(1, survivable: true) == [.launch(slot: 1, life: 1)])
        #expect(job.machine.epoch == 2 && job.machine.state == .running && job.machine.run == 1)
        job.launchAll()
        job.tell(.met(slot: 1, life: 1))
        #expect(job.machine.epoch == 3 && job.machine.ranks[1].state == .joining)
        job.tell(.joined(slot: 1, life: 1, step: 12))
        #expect(job.machine.ranks[1].state == .up && job.machine.losses.first?.mendedAt != nil)
    }

    @Test func `two at once are survived, and one that dies while it joins too`() {
        var job = JobUnderTest(ranks: 4)
        job.run()
        _ = job.die(1, survivable: true)
        _ = job.die(2, survivable: true)
        #expect(job.machine.epoch == 3 && job.machine.intents.count == 2)
        job.launchAll()
        job.tell(.met(slot: 1, life: 1))
        #expect(job.die(1, survivable: true) == [.launch(slot: 1, life: 2)])
        #expect(job.machine.epoch == 5 && job.machine.state == .running)
    }

    @Test(arguments: [false, true]) func `where only replacements are left that took no part yet, the whole job starts again`(
        hasMet: Bool
    ) {
        var job = JobUnderTest(ranks: 3)
        job.run()
        _ = job.die(1, survivable: true)
        job.launchAll()
        if hasMet { job.tell(.met(slot: 1, life: 1)) }
        #expect(job.die(0, survivable: true) == [.launch(slot: 0, life: 1)], "rank 2 is there")
        #expect(job.die(2, survivable: true) == [.stop(withinSeconds: 0, checkpoint: false)])
        #expect(job.machine.stopping == .restart && job.machine.losses.last?.wasSurvived == false)
    }

    @Test func `what cannot be survived starts the whole job again, once all of it is gone`() {
        var job = JobUnderTest(ranks: 2)
        job.run()
        #expect(job.die(0, survivable: false) == [.stop(withinSeconds: 0, checkpoint: false)])
        #expect(job.machine.state == .stopping)
        _ = job.die(1, .init(.killed, signal: 15), survivable: false)
        #expect(job.machine.state == .queued && job.machine.failures == 1, "the second death was asked for")
        job.run()
        #expect(job.machine.run == 2 && job.machine.state == .running)
    }

    @Test func `the first cause is told, not the last symptom`() {
        var job = JobUnderTest(ranks: 2, failures: 0)
        job.run(formed: false)
        _ = job.die(1, .init(.exited, code: 1, exception: "RuntimeError: [gloo] Connection closed by peer"), survivable: false)
        _ = job.die(0, .init(.exited, code: 1, exception: "ValueError: no such column"), survivable: false)
        #expect(job.machine.state == .failed)
        #expect(job.machine.firstCause?.slot == 0)
        #expect(job.machine.firstCause?.death.text == "exited with code 1: ValueError: no such column")
    }

    @Test func `the same failure at the same step is not tried for ever`() {
        var job = JobUnderTest(ranks: 1, failures: 100)
        let bug = RankDeath(.exited, code: 1, exception: "NameError: name 'x' is not defined")
        job.run(formed: false)
        _ = job.die(0, bug, survivable: false, step: 0)
        job.run(formed: false)
        _ = job.die(0, bug, survivable: false, step: 0)
        #expect(job.machine.state == .failed && job.machine.run == 2)
        #expect(job.machine.endedBecause == "it failed in the same way before, at the same step")
    }

    @Test func `a job that gets further each time is started again, up to its limit`() {
        var job = JobUnderTest(ranks: 1, failures: 2)
        for step in 1...3 as ClosedRange<Int64> {
            job.run(formed: false)
            _ = job.die(0, .init(.exited, code: 1), survivable: false, step: step * 10)
        }
        #expect(job.machine.state == .failed && job.machine.run == 3 && job.machine.failures == 3)
    }

    @Test func `preempted, it stops at a checkpoint and waits again; that is no failure`() {
        var job = JobUnderTest(ranks: 2, output: true)
        job.run()
        #expect(job.tell(.preempted(by: "urgent")) == [.stop(withinSeconds: 30, checkpoint: true)])
        for slot in 0..<2 { _ = job.die(slot, .init(.exited, code: 75), survivable: false) }
        #expect(job.machine.state == .queued && job.machine.failures == 0 && job.machine.preemptions == 1)
        job.run()
        for slot in 0..<2 { job.tell(.left(slot: slot, life: 0)) }
        #expect(job.machine.state == .registering && job.machine.intents.map(\.effect) == [.register])
        job.tell(.registered(version: "model@v1", digest: "sha256:0"), answering: job.machine.intents[0].id)
        #expect(job.machine.state == .finished && job.machine.version == "model@v1")
    }

    @Test func `scaled, it goes on with another number of ranks`() {
        var job = JobUnderTest(ranks: 2)
        job.run()
        job.tell(.scaled(ranks: 3, by: "me"))
        for slot in 0..<2 { _ = job.die(slot, .init(.exited, code: 75), survivable: false) }
        job.run()
        #expect(job.machine.world == 3 && job.machine.run == 2)
    }

    @Test func `cancelled while it waits it is over at once, and while it runs when its ranks are gone`() {
        var waiting = JobUnderTest(ranks: 2)
        waiting.tell(.cancelled(by: "me", reason: nil))
        #expect(waiting.machine.state == .cancelled)
        var running = JobUnderTest(ranks: 2)
        running.run()
        running.tell(.cancelled(by: "me", reason: "too slow"))
        #expect(running.machine.state == .stopping)
        running.now += 20_000
        #expect(running.machine.due.map { $0.milliseconds <= running.now } == true)
        #expect(running.tell(.timePassed) == [.kill], "ranks that do not end are killed")
        let kill = running.machine.intents.first { $0.effect == .kill }
        running.tell(.killed, answering: kill?.id)
        #expect(running.machine.state == .cancelled && running.machine.endedBecause == "cancelled by me: too slow")
    }

    /// Anything may happen at any time.
    @Test(arguments: 0..<300 as Range<UInt64>)
    func `whatever happens, a job keeps what it promises`(seed: UInt64) {
        var random = SplitMix(state: seed)
        var job = JobUnderTest(ranks: 1 + Int(random.next() % 4), failures: Int(random.next() % 4), output: random.next() % 2 == 0)
        var epoch = 0
        var run = 0
        for _ in 0..<200 {
            let before = job.machine
            Self.step(&job, &random)
            let machine = job.machine
            #expect(machine.run >= run && (machine.run > run || machine.epoch >= epoch), "an epoch only rises")
            (run, epoch) = (machine.run, machine.epoch)
            #expect(machine.failures <= machine.spec.failuresMax + machine.spec.ranksMax)
            #expect(!before.isOver || machine.state == before.state, "what has ended stays ended")
            #expect(!machine.isOver || machine.intents.isEmpty, "what has ended wants nothing")
            #expect(machine.state.isSeated == !machine.ranks.isEmpty, "ranks hold places exactly while they may be there")
            if machine.state == .queued || machine.isOver { #expect(machine.watched.isEmpty) }
            #expect(Set(machine.intents.map(\.id)).count == machine.intents.count)
            if machine.state == .running { #expect(machine.ranks.contains { $0.stays }, "somebody trains on") }
            if machine.isChanging { #expect(machine.state == .stopping || machine.due != nil, "no change waits for ever") }
        }
        #expect(job.replayed == job.machine, "a daemon that starts again sees what the one before saw")
    }

    private static func step(_ job: inout JobUnderTest, _ random: inout SplitMix) {
        let machine = job.machine
        let slot = machine.ranks.isEmpty ? 0 : Int(random.next() % UInt64(machine.ranks.count))
        let life = machine.ranks.indices.contains(slot) ? machine.ranks[slot].life : 0
        var event: JobMachine.Event
        var answering: Int?
        switch random.next() % 16 {
        case 0 where machine.state == .queued: return job.place()
        case 1, 2, 3: return job.launchAll()
        case 4: event = .formed
        case 5: event = .died(slot: slot, life: life, death: .init(.killed, signal: 9), survivable: random.next() % 2 == 0, step: 1)
        case 6: event = .left(slot: slot, life: life)
        case 7: event = .met(slot: slot, life: life)
        case 8: event = [.preempted(by: "x"), .cancelled(by: "y", reason: nil), .scaled(ranks: 2, by: "z")][Int(random.next() % 3)]
        case 9:
            guard let kill = machine.intents.first(where: { $0.effect == .kill }) else { return }
            (event, answering) = (.killed, kill.id)
        case 10:
            guard let intent = machine.intents.randomElement(by: random.next()) else { return }
            (event, answering) = (.failed(trouble: Trouble(what: "it", why: "did", fix: "not")), intent.id)
        case 11, 12:
            let ranks = 1 + Int(random.next() % 5)
            event = .changing(ranks: ranks, seats: JobUnderTest.seats(max(0, ranks - machine.world)), why: "a test")
        case 13: event = .rescaled(epoch: machine.epoch, ranks: machine.worldToBe, step: 1)
        case 14:
            guard let intent = machine.intents.first(where: { $0.effect.kind == .dismiss }),
                case .dismiss(let slot, let life) = intent.effect
            else {
                event = .joined(slot: slot, life: life, step: 1)
                break
            }
            (event, answering) = (.dismissed(slot: slot, life: life), intent.id)
        default:
            if random.next() % 4 == 0 { job.now += 1_000_000 }
            guard machine.due.map({ $0.milliseconds <= job.now }) == true else { return }
            event = .timePassed
        }
        if answering == nil, machine.isStale(event, at: Timestamp(milliseconds: job.now)) { return }
        if machine.refusal(of: event, beginning: nil) != nil { return }
        job.tell(event, answering: answering)
    }
}

extension Array {
    fileprivate func randomElement(by number: UInt64) -> Element? { isEmpty ? nil : self[Int(number % UInt64(count))] }
}

struct SplitMix {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
