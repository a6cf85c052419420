import Conducting
import Telemetry
import Testing

@testable import Training

/// Jobs, nodes and people over virtual time, decided by the code that decides real ones.
@Suite struct QueueSimulationTests {
    private struct World {
        var random: SplitMix
        var jobs: [JobUnderTest] = []
        var work: [Int64] = []
        var nodes: [Node]
        var now: Int64 = 0
        var policy: PolicyBook.Current
        var desk = QueueDesk()
        var resized = 0
        var changedLive = 0

        init(seed: UInt64) {
            random = SplitMix(state: seed)
            let gpu = AcceleratorKind(resource: "nvidia.com/gpu")
            nodes = (0..<3).map { Node("n\($0)", cpus: 4_000, memory: 8 << 30, devices: $0 < 2 ? [.init(gpu, count: 4)] : []) }
            nodes[2].labels = ["row": "far"]
            var quota = TeamQuota()
            quota.ranks = 4
            var weights = QueueWeights()
            (weights.priority, weights.age, weights.share, weights.size, weights.attained) = (1_000, 500, 300, -100, 50)
            let queues = QueuePolicy.all + [.weighted(weights, teams: ["a": 2])]
            policy = .init(queue: queues[Int(random.next() % UInt64(queues.count))], quotas: ["b": quota])
            policy.elastic.growAfter = 2_000
            if random.next() % 4 == 0 { policy.nodes = NodeRule(avoid: ["row": ["far"]]) }
        }

        func pick(_ below: Int) -> Int {
            var copy = random
            return Int(copy.next() % UInt64(below))
        }

        mutating func roll(_ below: Int) -> Int { Int(random.next() % UInt64(below)) }

        mutating func submit() {
            var spec = JobSpec(name: "job-\(jobs.count)", run: "true")
            spec.ranksMin = 1 + roll(4)
            spec.ranksMax = spec.ranksMin + roll(4)
            if roll(3) == 0 { spec.expected = Int64(1_000 + roll(20_000)) }
            if roll(8) == 0 { spec.nodes = NodeRule(require: ["row": ["far"]]) }
            spec.demand = Demand(cpus: Int64(250 * (1 + roll(8))), memory: Int64(roll(3)) << 30)
            if roll(2) == 0 { spec.demand.accelerators = [.init(.any, count: 1 + roll(2))] }
            spec.priority = [250, 500, 500, 750, 1_000][roll(5)]
            spec.isPreemptible = roll(4) > 0
            spec.team = ["a", "b", ""][roll(3)]
            spec.failuresMax = JobSpec.failuresMax
            let plan = JobPlan(spec: spec, directory: "/", folder: "/", number: jobs.count + 1)
            var job = JobUnderTest(ranks: 1)
            job.machine = JobMachine(plan, attempt: 1, after: nil)
            job.now = now
            job.tell(.applied)
            jobs.append(job)
            work.append(Int64(1_000 + roll(20_000)))
        }

        func snapshot() -> QueueSnapshot {
            QueueSnapshot(
                machines: jobs.map(\.machine).filter { $0.state == .queued || $0.state.isSeated }, nodes: nodes, version: 1,
                policy: policy, known: { .init(roomySince: desk.roomySince[$0], scalesLive: scalesLive($0)) },
                now: Timestamp(milliseconds: now))
        }

        /// Every other script can.
        func scalesLive(_ name: String) -> Bool {
            jobs.first { $0.machine.name == name }.map { $0.machine.plan.number % 2 == 0 && $0.machine.epoch > 0 } ?? false
        }

        func index(_ name: String) -> Int? { jobs.firstIndex { $0.machine.name == name } }

        mutating func decide() -> QueueSnapshot.Decision {
            let decision = snapshot().decide()
            desk.hear(decision, at: Timestamp(milliseconds: now))
            for start in decision.starts {
                guard let index = index(start.job) else { continue }
                let seats = start.seats.map {
                    JobMachine.Seat(node: $0.node, devices: $0.devices, resource: $0.resource, host: "h", port: 1)
                }
                jobs[index].now = now
                jobs[index].tell(.placed(seats: seats, port: 1, why: start.why))
                jobs[index].launchAll()
                if jobs[index].machine.plan.number % 2 == 0 { jobs[index].tell(.formed) }
            }
            for (victim, other) in decision.preemptions {
                guard let index = index(victim), jobs[index].machine.refusal(of: .preempted(by: other), beginning: nil) == nil
                else {
                    continue
                }
                jobs[index].tell(.preempted(by: other))
            }
            for resize in decision.resizes { check(resize, decision) }
            for resize in decision.resizes {
                guard let index = index(resize.job) else { continue }
                if changeLive(index, resize) { continue }
                let event = JobMachine.Event.resized(ranks: resize.ranks, why: resize.why)
                #expect(jobs[index].machine.refusal(of: event, beginning: nil) == nil)
                jobs[index].tell(event)
                resized += 1
            }
            return decision
        }

        /// As the service does it: ranks come and go while the others train on, where the room that is needed becomes free so.
        mutating func changeLive(_ index: Int, _ resize: QueueSnapshot.Resize) -> Bool {
            let (machine, snapshot) = (jobs[index].machine, snapshot())
            guard scalesLive(resize.job), snapshot.isRoomMade(by: [resize]) else { return false }
            let seats = snapshot.seats(forMore: resize.ranks - machine.world, of: machine).map {
                JobMachine.Seat(node: $0.node, devices: $0.devices, resource: $0.resource, host: "h", port: 1)
            }
            let event = JobMachine.Event.changing(ranks: resize.ranks, seats: seats, why: resize.why)
            guard machine.refusal(of: event, beginning: nil) == nil else { return false }
            jobs[index].tell(event)
            changedLive += 1
            return true
        }

        /// Ranks that come or go get on with it, or die on the way.
        mutating func changeGoesOn(_ index: Int) {
            for slot in jobs[index].machine.ranks.indices.reversed() {
                guard jobs[index].machine.ranks.indices.contains(slot), jobs[index].machine.state == .running else { return }
                let rank = jobs[index].machine.ranks[slot]
                guard !rank.isGone, roll(3) > 0 else { continue }
                if !rank.stays, roll(6) == 0 {
                    _ = jobs[index].die(slot, survivable: true)
                } else if rank.state == .leaving {
                    jobs[index].tell(.left(slot: slot, life: rank.life))
                } else if rank.state == .starting {
                    jobs[index].launchAll()
                } else if !rank.hasMet {
                    jobs[index].tell(.met(slot: slot, life: rank.life))
                } else if rank.state == .joining {
                    jobs[index].tell(.joined(slot: slot, life: rank.life, step: now))
                }
            }
            for intent in jobs[index].machine.intents {
                guard case .dismiss(let slot, let life) = intent.effect else { continue }
                jobs[index].tell(.dismissed(slot: slot, life: life), answering: intent.id)
            }
            if let due = jobs[index].machine.due, jobs[index].machine.state == .running, due.milliseconds <= jobs[index].now {
                jobs[index].tell(.timePassed)
            }
        }

        /// Other ranks are given within what the job said; more of them only where it runs long enough, has a checkpoint to go on
        /// from, and nobody waits for the room.
        func check(_ resize: QueueSnapshot.Resize, _ decision: QueueSnapshot.Decision) {
            guard let index = index(resize.job) else { return }
            let machine = jobs[index].machine
            #expect(machine.spec.ranksMin...machine.spec.ranksMax ~= resize.ranks && resize.ranks != machine.world)
            #expect(machine.spec.isPreemptible && machine.state == .running && !resize.why.isEmpty)
            if resize.ranks > machine.world {
                let placed = machine.placedAt ?? Timestamp(milliseconds: now)
                let patience = policy.elastic.growAfter << Int64(min(machine.resizes, 5))
                #expect((Timestamp(milliseconds: now) - placed).wholeMilliseconds >= patience, "no job grows again at once")
                #expect(
                    (machine.checkpoint != nil || scalesLive(resize.job)) && decision.starts.isEmpty && decision.resizes.count == 1)
                let isFree = decision.waits.values.allSatisfy { $0.isNotForRoom }
                #expect(isFree, "who waits for room goes before who wants more of it")
            } else {
                #expect(!decision.waits.isEmpty, "nobody shrinks for nothing")
            }
        }

        /// What runs gets on; what was asked to stop does so after a while.
        mutating func pass(_ milliseconds: Int64) {
            now += milliseconds
            for index in jobs.indices {
                jobs[index].now = max(jobs[index].now, now)
                switch jobs[index].machine.state {
                case .running:
                    work[index] -= milliseconds
                    changeGoesOn(index)
                    guard jobs[index].machine.state == .running else { continue }
                    if roll(2) == 0 { jobs[index].tell(.checkpointed(path: "c", step: now, bytes: 1)) }
                    let isDeath = roll(40) == 0
                    guard work[index] <= 0 || isDeath else { continue }
                    for slot in jobs[index].machine.ranks.indices {
                        guard jobs[index].machine.ranks.indices.contains(slot), !jobs[index].machine.ranks[slot].isGone else {
                            continue
                        }
                        let life = jobs[index].machine.ranks[slot].life
                        if isDeath, slot == 0 {
                            _ = jobs[index].die(0, survivable: false)
                        } else if !isDeath {
                            jobs[index].tell(.left(slot: slot, life: life))
                        }
                    }
                case .stopping where roll(3) > 0:
                    for slot in jobs[index].machine.ranks.indices where jobs[index].machine.state == .stopping {
                        if !jobs[index].machine.ranks[slot].isGone { _ = jobs[index].die(slot, survivable: false) }
                    }
                default: continue
                }
            }
        }

        /// A node is lost with what runs there, or is back.
        mutating func partition() {
            let node = roll(3)
            nodes[node].health = nodes[node].health == .ready ? (roll(2) == 0 ? .lost : .draining) : .ready
            guard nodes[node].health == .lost else { return }
            for index in jobs.indices where jobs[index].machine.state.isSeated {
                for slot in jobs[index].machine.ranks.indices where jobs[index].machine.state.isSeated {
                    let rank = jobs[index].machine.ranks[slot]
                    guard rank.seat.node == nodes[node].name, !rank.isGone else { continue }
                    _ = jobs[index].die(slot, .init(.nodeLost), survivable: false)
                }
            }
        }

        /// What holds at every moment.
        func check(_ decision: QueueSnapshot.Decision) {
            var (cpus, memory): ([String: Int64], [String: Int64]) = ([:], [:])
            var devices: [String: [Int]] = [:]
            var ranksOfB = 0
            for job in jobs where job.machine.state.isSeated {
                let spec = job.machine.spec
                #expect(spec.ranksMin...spec.ranksMax ~= job.machine.world, "a gang is placed whole")
                let rule = (spec.nodes ?? .anywhere).and(policy.nodes ?? .anywhere)
                if spec.team == "b" { ranksOfB += job.machine.world }
                for rank in job.machine.ranks {
                    #expect(rule.admits(nodes.first { $0.name == rank.seat.node }?.labels ?? [:]), "labels are kept")
                    cpus[rank.seat.node, default: 0] += spec.demand.cpus
                    memory[rank.seat.node, default: 0] += spec.demand.memory
                    devices[rank.seat.node, default: []] += rank.seat.devices
                    #expect(rank.seat.devices.count == spec.demand.accelerators.first?.count ?? 0)
                }
            }
            for node in nodes {
                #expect(cpus[node.name] ?? 0 <= node.cpus && memory[node.name] ?? 0 <= node.memory)
                let used = devices[node.name] ?? []
                #expect(Set(used).count == used.count, "a device is given once")
                #expect(used.allSatisfy { $0 < node.devices.reduce(0) { $0 + $1.count } })
            }
            #expect(ranksOfB <= 4, "a quota holds")
            for job in jobs where job.machine.state == .queued {
                #expect(decision.waits[job.machine.name] != nil || decision.starts.contains { $0.job == job.machine.name })
            }
        }
    }

    @Test(arguments: 0..<16 as Range<UInt64>)
    func `nothing is given twice, no job is lost, quotas hold, and gangs are placed whole`(seed: UInt64) {
        var world = World(seed: seed)
        for step in 0..<250 {
            if step < 100, world.roll(3) == 0 { world.submit() }
            if step < 200, world.roll(12) == 0 { world.partition() }
            if step == 200 { for node in world.nodes.indices { world.nodes[node].health = .ready } }
            world.check(world.decide())
            world.pass(Int64(100 + world.roll(1_000)))
            // Time goes on until everything that can run has.
            if step == 249, world.jobs.contains(where: { !$0.machine.isOver }) {
                for _ in 0..<3_000 {
                    world.check(world.decide())
                    // Whoever is not seated after a decision waits for ever.
                    if !world.jobs.contains(where: { $0.machine.state.isSeated }) { break }
                    world.pass(1_000)
                }
            }
        }
        let left = world.jobs.filter { !$0.machine.isOver }.map(\.machine)
        let decision = world.snapshot().decide()
        for machine in left {
            switch decision.waits[machine.name] {
            case .noRoom(let shortfall, _)?: #expect(shortfall.isForEver, "\(machine.name) waits for ever: \(shortfall.text)")
            case .overQuota?: #expect(machine.spec.ranksMin > 4)
            case let other: Issue.record("\(machine.name) is \(machine.state) at the end, waiting: \(String(describing: other))")
            }
        }
    }
}
