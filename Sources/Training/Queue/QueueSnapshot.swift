import Telemetry

/// All jobs and nodes at one moment, and what follows from them. Pure.
///
/// The schedule is made for the nodes as they will be when jobs that were asked to stop are gone: what it starts on room that is
/// free already starts, and the rest waits for its place, which nobody behind it takes meanwhile.
struct QueueSnapshot {
    struct SeatGiven: Equatable {
        var node: String
        var devices: [Int]
        var resource: String?
    }
    struct Start: Equatable {
        var job: String
        var seats: [SeatGiven]
        var why: String
    }
    /// A running job that goes on with another number of ranks.
    struct Resize: Equatable {
        var job: String
        var ranks: Int
        var why: String
        /// Who gets the room.
        var yieldsTo: String?
    }
    struct Decision {
        var starts: [Start] = []
        var waits: [String: QueueDesk.Wait] = [:]
        /// Who gives its place to whom.
        var preemptions: [(victim: String, for: String)] = []
        var resizes: [Resize] = []
        /// Waiting jobs in the order they were looked at.
        var order: [String] = []
        /// Running jobs that there is room to give more ranks.
        var roomy: Set<String> = []
        /// When something changes without anybody's doing.
        var lookAgain: Timestamp?
    }
    /// What is known of a job beside what its machine says.
    struct Known {
        /// As its steps tell.
        var secondsLeft: Double?
        /// Of earlier runs of that name, by kind.
        var measured: [String: Double] = [:]
        /// Since when there has been room for more of its ranks.
        var roomySince: Timestamp?
        /// Ranks can come and go while it trains.
        var scalesLive = false
    }

    let version: UInt64
    let policy: PolicyBook.Current
    let now: Timestamp
    /// With the places of all that are there taken.
    private(set) var cluster: Cluster
    /// With those given back that are on their way out.
    private(set) var future: Cluster
    private(set) var jobs: [QueuedJob] = []
    /// By job, as are the next ones.
    private(set) var machines: [JobMachine] = []
    /// It was asked to stop and will wait then: it has its turn, and starts later.
    private(set) var isReturning: [Bool] = []
    private(set) var roomySince: [Timestamp?] = []
    private(set) var scalesLive: [Bool] = []
    private(set) var leaving: [String] = []
    /// What all of them are weighed against, where they are.
    private(set) var scales: QueueScales?
    /// What teams use, with what is on its way out.
    private(set) var use: TeamUse
    /// Device numbers in use, by node and resource.
    private var taken: [String: Set<Int>] = [:]

    init(
        machines: [JobMachine], nodes: [Node], version: UInt64, policy: PolicyBook.Current,
        known: (String) -> Known = { _ in Known() },
        now: Timestamp
    ) {
        (self.version, self.policy, self.now, use) = (version, policy, now, TeamUse(policy.quotas))
        let machines = machines.sorted { $0.plan.number < $1.plan.number }
        (cluster, future) = (Cluster(nodes, version: version), Cluster([], version: version))
        // A node that lost some of what it had holds what runs there, and gets nothing new.
        let (placements, crowded) = Self.placements(of: machines, on: cluster)
        if !crowded.isEmpty {
            cluster = Cluster(
                nodes.map { node in
                    var node = node
                    if crowded.contains(node.name), node.health == .ready { node.health = .draining }
                    return node
                }, version: version)
        }
        for placement in placements { if let placement { cluster.take(placement) } }
        future = cluster
        for (machine, placement) in zip(machines, placements) { add(machine, placement, known(machine.name)) }
        scales = policy.queue.scales(for: jobs, on: cluster, now: now.milliseconds)
    }

    private mutating func add(_ machine: JobMachine, _ placement: Placement?, _ known: Known) {
        for rank in machine.ranks where machine.state.isSeated {
            taken["\(rank.seat.node) \(rank.seat.resource ?? "")", default: []].formUnion(rank.seat.devices)
        }
        if machine.state.isSeated { use.add(placement ?? Self.crowded(machine), of: machine.spec.team) }
        let isLeaving = machine.state == .stopping
        if isLeaving {
            leaving.append(machine.name)
            if let placement { future.giveBack(placement) }
        }
        // Ranks that leave while the others train on: their places are as good as given back.
        var placement = placement
        let going = machine.ranks.filter(\.leaves)
        if machine.state == .running, !going.isEmpty, placement != nil {
            leaving.append(machine.name)
            let stays = machine.ranks.filter { !$0.leaves }
            if let given = Self.placement(of: going, of: machine, on: cluster) { future.giveBack(given) }
            placement = Self.placement(of: stays, of: machine, on: cluster)
        }
        // What runs on a crowded node is nobody's to move.
        guard isLeaving ? machine.returns : machine.state == .queued || placement != nil else { return }
        var job = QueuedJob(
            number: machine.plan.number, gang: gang(of: machine), submitted: machine.submittedAt?.milliseconds ?? 0,
            priority: machine.spec.priority, team: machine.spec.team, isPreemptible: machine.spec.isPreemptible,
            firstStart: machine.firstPlacedAt?.milliseconds, running: isLeaving ? nil : placement,
            throughputs: Throughputs(machine.spec.throughput ?? known.measured))
        let elapsed = machine.placedAt.map { max(0, (now - $0).wholeMilliseconds) } ?? 0
        let unsettled = (machine.settledAt ?? machine.placedAt).map { max(0, (now - $0).wholeMilliseconds) } ?? 0
        job.remaining =
            known.secondsLeft.map { Int64(min($0, 1e12) * 1_000) }
            ?? machine.spec.expected.map { max(0, $0 - machine.ran - elapsed) }
        job.attained = machine.served + unsettled * (placement == nil ? 0 : job.rate)
        if job.running == nil { job.gang = use.capped(job.gang, of: job.team) }
        jobs.append(job)
        machines.append(machine)
        isReturning.append(isLeaving)
        roomySince.append(known.roomySince)
        scalesLive.append(known.scalesLive)
    }

    func gang(of machine: JobMachine) -> Gang {
        var gang = machine.spec.gang(on: cluster.kinds, ranks: machine.ranksWanted)
        if let rule = policy.nodes { gang.nodes = gang.nodes.and(rule) }
        return gang
    }

    func name(_ index: Int) -> String { machines[index].name }

    // MARK: Where they are

    /// By machine; and the nodes that have less than what runs on them.
    private static func placements(of machines: [JobMachine], on cluster: Cluster) -> ([Placement?], Set<String>) {
        var (trial, crowded) = (cluster, Set<String>())
        let placements = machines.map { machine -> Placement? in
            guard machine.state.isSeated, let placement = placement(of: machine.ranks, of: machine, on: cluster) else { return nil }
            guard trial.contains(placement) else {
                crowded.formUnion(placement.seats.map { cluster.nodes[$0.node].name })
                return nil
            }
            trial.take(placement)
            return placement
        }
        return (placements, crowded)
    }

    /// Nil where none of its nodes is there.
    private static func placement(of ranks: [JobMachine.Rank], of machine: JobMachine, on cluster: Cluster) -> Placement? {
        var seats: [Placement.Seat] = []
        for rank in ranks {
            guard let node = cluster.nodes.firstIndex(where: { $0.name == rank.seat.node }) else { continue }
            var devices: Placement.Devices?
            if let resource = rank.seat.resource {
                let kind = cluster.kinds.indices.first { kind in
                    cluster.kinds[kind].resource == resource
                        && cluster.nodes[node].numbers(of: cluster.kinds[kind]).contains { rank.seat.devices.contains($0) }
                }
                devices = kind.map { Placement.Devices(kind: $0, perRank: rank.seat.devices.count) }
            }
            if let place = seats.firstIndex(where: { $0.node == node && $0.devices == devices }) {
                seats[place].ranks += 1
            } else {
                seats.append(Placement.Seat(node: node, ranks: 1, devices: devices))
            }
        }
        return seats.isEmpty ? nil : Placement(seats: seats, each: machine.spec.demand, seen: cluster.version)
    }

    /// What it uses, though its node does not have it any more.
    private static func crowded(_ machine: JobMachine) -> Placement {
        let perRank = machine.ranks.first?.seat.devices.count ?? 0
        let devices = perRank > 0 ? Placement.Devices(kind: 0, perRank: perRank) : nil
        return Placement(seats: [.init(node: 0, ranks: machine.world, devices: devices)], each: machine.spec.demand, seen: 0)
    }

    // MARK: Replacing

    /// A seat for one more rank of a job that runs: what is free now, for the kind of device that its other ranks have.
    func seat(forOneOf machine: JobMachine) -> SeatGiven? {
        var gang = gang(of: machine)
        gang.ranks = 1...1
        guard case .placed(let placement) = place(gang, on: cluster) else { return nil }
        var taken = taken
        return seats(of: placement, &taken).first
    }

    // MARK: Changing while they train

    /// Seats for so many more ranks of a job that runs, beside those that it has; fewer where there is no room for more of them.
    func seats(forMore count: Int, of machine: JobMachine) -> [SeatGiven] {
        guard count > 0 else { return [] }
        var gang = gang(of: machine)
        gang.ranks = 1...count
        gang = use.capped(gang, of: machine.spec.team)
        guard let placement = cluster.prepared(onlyFor: gang).placement(of: gang),
            use.limit(for: placement, of: machine.spec.team) == nil
        else { return [] }
        var taken = taken
        return seats(of: placement, &taken)
    }

    /// Whether so many of its ranks have room where it gives up the places that it has.
    func holds(_ count: Int, of machine: JobMachine) -> Bool {
        var later = future
        if let given = Self.placement(of: machine.ranks, of: machine, on: later) { later.giveBack(given) }
        var gang = gang(of: machine)
        gang.ranks = count...count
        return later.prepared(onlyFor: gang).placement(of: gang) != nil
    }

    /// Whether the ranks with the highest numbers leave the room that these changes are made for.
    func isRoomMade(by resizes: [Resize]) -> Bool {
        var later = future
        for resize in resizes {
            guard let machine = machines.first(where: { $0.name == resize.job }), resize.ranks < machine.world else { continue }
            guard let given = Self.placement(of: Array(machine.ranks[resize.ranks...]), of: machine, on: later) else {
                return false
            }
            later.giveBack(given)
        }
        for name in Set(resizes.compactMap(\.yieldsTo)).sorted() {
            guard let index = jobs.indices.first(where: { machines[$0].name == name }) else { continue }
            var room = later.prepared(onlyFor: jobs[index].gang)
            room.prepare(for: jobs[index].gang)
            guard let placement = room.placement(of: jobs[index].gang) else { return false }
            later.take(placement)
        }
        return true
    }

    // MARK: Deciding

    func decide() -> Decision {
        let jobs = policy.queue.order == .remaining ? jobs.map(\.holdingOn) : jobs
        let scheduled = schedule(jobs, on: future, by: policy.queue, now: now.milliseconds, quotas: policy.quotas)
        var decision = Decision()
        var (current, use, taken) = (cluster, use, taken)
        var started: [Int: Placement] = [:]
        var pending: [Int] = []
        for start in scheduled.starts where jobs[start.job].running == nil {
            if !isReturning[start.job], let limit = use.limit(for: start.placement, of: jobs[start.job].team) {
                decision.waits[name(start.job)] = .overQuota(team: jobs[start.job].team, limit: limit)
            } else if isReturning[start.job] || !current.hasRoom(for: start.placement) {
                pending.append(start.job)
            } else {
                current.take(start.placement)
                use.add(start.placement, of: jobs[start.job].team)
                started[start.job] = start.placement
                decision.starts.append(
                    Start(job: name(start.job), seats: seats(of: start.placement, &taken), why: why(start.placement)))
            }
        }
        stop(scheduled, pending, &decision)
        tellWaits(scheduled, pending, &decision)
        decision.order = policy.queue.sorted(jobs, on: cluster, now: now.milliseconds).filter {
            jobs[$0].running == nil && !isReturning[$0]
        }.map(name)
        if !policy.queue.preempts { makeRoom(&decision, beside: started) }
        grow(&decision)
        if policy.queue.changesWithTime, !decision.waits.isEmpty {
            let falls = jobs.filter { $0.running != nil }.compactMap { policy.queue.nextFall(of: $0) }
            if let fall = falls.min() { decision.lookAgain = now + .milliseconds(max(fall, 100)) }
        }
        return decision
    }

    private func why(_ placement: Placement) -> String {
        let nodes = placement.seats.map { "\(cluster.nodes[$0.node].name) (\($0.ranks))" }.joined(separator: ", ")
        let kind = placement.seats.first?.devices.map { " with \(cluster.kinds[$0.kind].text)" } ?? ""
        return "\(placement.ranks) ranks on \(nodes)\(kind) by policy \(policy.queue.name), seen at version \(version)"
    }

    /// Running jobs that a policy takes places from: those that it seats again with fewer ranks shrink.
    private func stop(_ scheduled: Schedule, _ pending: [Int], _ decision: inout Decision) {
        let first = pending.first { !isReturning[$0] }.map(name) ?? policy.queue.name
        for index in scheduled.stops {
            let again = scheduled.starts.first { $0.job == index }?.placement.ranks
            if let again, again < machines[index].world, machines[index].state == .running, machines[index].isElastic {
                decision.resizes.append(
                    Resize(
                        job: name(index), ranks: again, why: "\(first) needs room: \(machines[index].world) ranks to \(again)",
                        yieldsTo: first))
            } else if machines[index].state == .running || machines[index].state == .starting {
                decision.preemptions.append((name(index), first))
            }
        }
    }

    private func tellWaits(_ scheduled: Schedule, _ pending: [Int], _ decision: inout Decision) {
        let giving = leaving + decision.preemptions.map(\.victim) + decision.resizes.map(\.job)
        for index in pending where !isReturning[index] { decision.waits[name(index)] = .makingRoom(from: giving) }
        var known = RoomForecast(snapshot: self)
        for waiting in scheduled.waits where jobs[waiting.job].running == nil && !isReturning[waiting.job] {
            decision.waits[name(waiting.job)] =
                switch waiting.why {
                case .noRoom(let shortfall): .noRoom(shortfall, until: known.roomComes(for: jobs[waiting.job].gang))
                case .keptFree(let other, let until): .keptFree(for: name(other), until: Timestamp(milliseconds: until))
                case .overQuota(let limit): .overQuota(team: jobs[waiting.job].team, limit: limit)
                }
        }
        guard let head = scheduled.head else { return }
        let started = Set(decision.starts.map(\.job))
        for index in jobs.indices where jobs[index].running == nil && !isReturning[index] && !started.contains(name(index)) {
            if decision.waits[name(index)] == nil { decision.waits[name(index)] = .behind(name(head)) }
        }
    }

    private func seats(of placement: Placement, _ taken: inout [String: Set<Int>]) -> [SeatGiven] {
        var given: [SeatGiven] = []
        for seat in placement.seats {
            let node = cluster.nodes[seat.node]
            for _ in 0..<seat.ranks {
                var (devices, resource): ([Int], String?) = ([], nil)
                if let wanted = seat.devices {
                    let kind = cluster.kinds[wanted.kind]
                    resource = kind.resource
                    let free = node.numbers(of: kind).filter { !taken["\(node.name) \(kind.resource)", default: []].contains($0) }
                    devices = Array(free.prefix(wanted.perRank))
                    taken["\(node.name) \(kind.resource)", default: []].formUnion(devices)
                }
                given.append(SeatGiven(node: node.name, devices: devices, resource: resource))
            }
        }
        return given
    }
}

/// When room comes, should those that run end as they are expected to: asked once for jobs that ask for the same.
struct RoomForecast {
    /// Of so many different wishes: an answer is a walk over all that run.
    static let gangsMax = 128

    private let cluster: Cluster
    private let now: Timestamp
    private let ends: [(at: Int64, place: Placement)]
    private var answers: [Gang: Timestamp?] = [:]

    init(snapshot: QueueSnapshot) {
        (cluster, now) = (snapshot.future, snapshot.now)
        ends = snapshot.jobs.compactMap { job in job.running.flatMap { place in job.remaining.map { (at: $0, place: place) } } }
            .sorted {
                $0.at < $1.at
            }
    }

    /// Nil where nobody knows.
    mutating func roomComes(for gang: Gang) -> Timestamp? {
        if let answer = answers[gang] { return answer }
        guard answers.count < Self.gangsMax else { return nil }
        var later = cluster.prepared(onlyFor: gang)
        later.prepare(for: gang)
        let end = ends.first { end in
            later.giveBack(end.place)
            return later.holds(gang)
        }
        let answer = end.map { now + .milliseconds($0.at) }
        answers[gang] = .some(answer)
        return answer
    }
}

extension QueuedJob {
    /// How long a job still takes is a guess that moves, and to stop it costs time: it gives way to one that is clearly shorter.
    fileprivate var holdingOn: QueuedJob {
        guard running != nil, let remaining else { return self }
        var job = self
        job.remaining = max(0, remaining * 2 / 3 - 30_000)
        return job
    }
}

extension JobMachine {
    /// It was asked to stop, and will wait for its turn again.
    var returns: Bool {
        switch stopping {
        case .restart, .preempted, .rescaled, .drained: true
        case .cancelled, .failed, nil: false
        }
    }
}
