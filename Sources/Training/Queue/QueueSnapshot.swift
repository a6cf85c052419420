import Telemetry

/// All jobs and nodes at one moment, and what follows from them. Pure.
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
    struct Decision {
        var starts: [Start] = []
        var waits: [String: QueueDesk.Wait] = [:]
        /// Who gives its place to whom.
        var preemptions: [(victim: String, for: String)] = []
        /// Waiting jobs in the order they were looked at.
        var order: [String] = []
    }

    let version: UInt64
    private let machines: [JobMachine]
    private let policy: PolicyBook.Current
    private let now: Timestamp
    private var cluster: Cluster
    private var jobs: [QueuedJob] = []
    private var names: [String] = []
    /// Device numbers in use, by node and resource.
    private var taken: [String: Set<Int>] = [:]

    init(
        machines: [JobMachine], nodes: [Node], version: UInt64, policy: PolicyBook.Current, secondsLeft: (String) -> Double?,
        now: Timestamp
    ) {
        (self.version, self.policy, self.now) = (version, policy, now)
        self.machines = machines.sorted { $0.plan.number < $1.plan.number }
        cluster = Cluster(nodes, version: version)
        for machine in self.machines {
            let running = machine.state.isSeated ? placement(of: machine) : nil
            if let running {
                // A node that lost some of what it had holds what runs there, and gets nothing new.
                if cluster.hasRoom(for: running) { cluster.take(running) } else { retire(running, nodes) }
                for rank in machine.ranks {
                    taken["\(rank.seat.node) \(rank.seat.resource ?? "")", default: []].formUnion(rank.seat.devices)
                }
            }
            let elapsed = machine.placedAt.map { (now - $0).wholeMilliseconds } ?? 0
            let left = secondsLeft(machine.name).map { Int64($0 * 1_000) } ?? machine.spec.expected.map { max(0, $0 - elapsed) }
            jobs.append(
                QueuedJob(
                    number: machine.plan.number, gang: machine.spec.gang(on: cluster.kinds, ranks: machine.ranksWanted),
                    submitted: machine.submittedAt?.milliseconds ?? 0, priority: machine.spec.priority, team: machine.spec.team,
                    isPreemptible: machine.spec.isPreemptible, remaining: left,
                    attained: machine.served + elapsed * Int64(running?.ranks ?? 0),
                    firstStart: machine.firstPlacedAt?.milliseconds,
                    running: running))
            names.append(machine.name)
        }
    }

    private func placement(of machine: JobMachine) -> Placement? {
        var seats: [Placement.Seat] = []
        for rank in machine.ranks {
            guard let node = cluster.nodes.firstIndex(where: { $0.name == rank.seat.node }) else { continue }
            var devices: Placement.Devices?
            if let resource = rank.seat.resource, let kind = cluster.kinds.firstIndex(where: { $0.resource == resource }) {
                devices = Placement.Devices(kind: kind, perRank: rank.seat.devices.count)
            }
            if let last = seats.indices.last, seats[last].node == node {
                seats[last].ranks += 1
            } else {
                seats.append(Placement.Seat(node: node, ranks: 1, devices: devices))
            }
        }
        var each = machine.spec.demand
        each.accelerators = []
        return seats.isEmpty ? nil : Placement(seats: seats, each: each, seen: cluster.version)
    }

    private mutating func retire(_ placement: Placement, _ nodes: [Node]) {
        let full = Set(placement.seats.map { cluster.nodes[$0.node].name })
        var rest = Cluster(
            cluster.nodes.map { node in
                var node = node
                if full.contains(node.name), node.health == .ready { node.health = .draining }
                return node
            }, version: version)
        for job in jobs { if let running = job.running, rest.hasRoom(for: running) { rest.take(running) } }
        cluster = rest
    }

    // MARK: Replacing

    /// A seat for one more rank of a job that runs: what is free now, for the kind of device that its other ranks have.
    func seat(forOneOf machine: JobMachine) -> SeatGiven? {
        let gang = machine.spec.gang(on: cluster.kinds, ranks: 1...1)
        guard case .placed(let placement) = place(gang, on: cluster) else { return nil }
        var taken = taken
        return seats(of: placement, &taken).first
    }

    // MARK: Deciding

    func decide() -> Decision {
        var decision = Decision()
        var held: Set<Int> = []
        var schedule = Schedule()
        var chosen: [Int] = []
        // A start that a quota forbids is held back, and the rest is looked at anew: nobody waits for it.
        repeat {
            chosen = jobs.indices.filter { !held.contains($0) }
            schedule = Training.schedule(chosen.map(capped), on: cluster, by: policy.queue, now: now.milliseconds)
        } while hold(schedule, chosen, &held, &decision)
        let name = { (index: Int) in names[chosen[index]] }
        var taken = taken
        for start in schedule.starts {
            let seats = seats(of: start.placement, &taken)
            let nodes = start.placement.seats.map { "\(cluster.nodes[$0.node].name) (\($0.ranks))" }.joined(separator: ", ")
            let why = "\(start.placement.ranks) ranks on \(nodes) by policy \(policy.queue.name), seen at version \(version)"
            decision.starts.append(Start(job: name(start.job), seats: seats, why: why))
        }
        for waiting in schedule.waits {
            switch waiting.why {
            case .noRoom(let shortfall):
                decision.waits[name(waiting.job)] = .noRoom(shortfall, until: roomComes(for: jobs[chosen[waiting.job]]))
            case .keptFree(let other, let until):
                decision.waits[name(waiting.job)] = .keptFree(for: name(other), until: Timestamp(milliseconds: until))
            }
        }
        let started = Set(schedule.starts.map(\.job))
        if let head = schedule.head {
            for index in chosen.indices where jobs[chosen[index]].running == nil && !started.contains(index) {
                if decision.waits[name(index)] == nil { decision.waits[name(index)] = .behind(name(head)) }
            }
        }
        decision.order = policy.queue.sorted(jobs).filter { jobs[$0].running == nil }.map { names[$0] }
        makeRoom(&decision, beside: schedule.starts.map { (chosen[$0.job], $0.placement) })
        return decision
    }

    /// When a job's place is free, should those that run end as they are expected to; nil where nobody knows.
    private func roomComes(for job: QueuedJob) -> Timestamp? {
        var later = cluster
        let ends = jobs.compactMap { other in other.running.flatMap { place in other.remaining.map { (at: $0, place: place) } } }
        for end in ends.sorted(by: { $0.at < $1.at }) {
            later.giveBack(end.place)
            if case .placed = place(job.gang, on: later) { return now + .milliseconds(end.at) }
        }
        return nil
    }

    private func seats(of placement: Placement, _ taken: inout [String: Set<Int>]) -> [SeatGiven] {
        var given: [SeatGiven] = []
        for seat in placement.seats {
            let node = cluster.nodes[seat.node].name
            for _ in 0..<seat.ranks {
                var (devices, resource): ([Int], String?) = ([], nil)
                if let wanted = seat.devices {
                    let kind = cluster.kinds[wanted.kind]
                    resource = kind.resource
                    let all = cluster.nodes[seat.node].devices.filter { $0.kind.resource == kind.resource }.reduce(0) {
                        $0 + $1.count
                    }
                    let free = (0..<all).filter { !taken["\(node) \(kind.resource)", default: []].contains($0) }
                    devices = Array(free.prefix(wanted.perRank))
                    taken["\(node) \(kind.resource)", default: []].formUnion(devices)
                }
                given.append(SeatGiven(node: node, devices: devices, resource: resource))
            }
        }
        return given
    }

    // MARK: Quotas

    /// What its team's quota leaves of an elastic job.
    private func capped(_ index: Int) -> QueuedJob {
        var job = jobs[index]
        guard job.running == nil, let quota = policy.quotas[job.team] else { return job }
        let least = job.gang.ranks.lowerBound
        let most = job.gang.ranks.last { ranks in quota.exceeded(by: usage(of: job, ranks, beside: inUse(by: job.team))) == nil }
        job.gang.ranks = least...(most ?? least)
        return job
    }

    private func inUse(by team: String) -> TeamQuota.Usage {
        var usage = TeamQuota.Usage()
        for job in jobs where job.team == team {
            if let running = job.running { usage.add(running.ranks, running.devices, job.gang.each) }
        }
        return usage
    }

    private func usage(of job: QueuedJob, _ ranks: Int, beside other: TeamQuota.Usage) -> TeamQuota.Usage {
        var usage = other
        usage.add(ranks, ranks * (job.gang.each.accelerators.first?.count ?? 0), job.gang.each)
        return usage
    }

    /// Holds back what would be too much for a quota, and a head of line that these nodes can never hold; true when that
    /// changes what was decided.
    private func hold(_ schedule: Schedule, _ chosen: [Int], _ held: inout Set<Int>, _ decision: inout Decision) -> Bool {
        if let head = schedule.head, let wait = schedule.waits.first(where: { $0.job == head }),
            case .noRoom(let shortfall) = wait.why, shortfall.isForEver
        {
            decision.waits[names[chosen[head]]] = .noRoom(shortfall, until: nil)
            held.insert(chosen[head])
            return true
        }
        var used: [String: TeamQuota.Usage] = [:]
        for start in schedule.starts {
            let job = jobs[chosen[start.job]]
            guard let quota = policy.quotas[job.team] else { continue }
            let usage = usage(of: job, start.placement.ranks, beside: used[job.team] ?? inUse(by: job.team))
            guard let limit = quota.exceeded(by: usage) else {
                used[job.team] = usage
                continue
            }
            decision.waits[names[chosen[start.job]]] = .overQuota(team: job.team, limit: limit)
            held.insert(chosen[start.job])
            return true
        }
        return false
    }

    // MARK: Making room

    /// The most urgent job without a place gets one from running jobs of lower priority, where that is enough: from those first
    /// that lose the least work since their last checkpoint.
    private func makeRoom(_ decision: inout Decision, beside starts: [(job: Int, placement: Placement)]) {
        let started = Set(decision.starts.map(\.job))
        let leaving = jobs.indices.filter { machines[$0].state == .stopping && jobs[$0].running != nil }
        for name in decision.order where !started.contains(name) {
            guard case .noRoom? = decision.waits[name], let index = names.firstIndex(of: name) else { continue }
            let job = jobs[index]
            var later = cluster
            for start in starts where jobs[start.job].priority >= job.priority { later.take(start.placement) }
            for other in leaving { if let running = jobs[other].running { later.giveBack(running) } }
            // Those that are on their way out make room already, and nobody less urgent slips into it.
            if !leaving.isEmpty, case .placed = place(job.gang, on: later) {
                decision.waits[name] = .makingRoom(from: leaving.map { names[$0] })
                for start in starts where jobs[start.job].priority < job.priority {
                    decision.waits[names[start.job]] = .behind(name)
                }
                decision.starts.removeAll { decision.waits[$0.job] == .behind(name) }
                return
            }
            guard let victims = victims(for: job, on: later) else { continue }
            for victim in victims { decision.preemptions.append((names[victim], name)) }
            decision.waits[name] = .makingRoom(from: victims.map { names[$0] })
            return
        }
    }

    private func victims(for job: QueuedJob, on cluster: Cluster) -> [Int]? {
        let candidates = jobs.indices.filter { other in
            jobs[other].running != nil && jobs[other].isPreemptible && jobs[other].priority < job.priority
                && [.running, .starting].contains(machines[other].state)
        }.sorted { (jobs[$0].priority, lostWork($0), -jobs[$0].number) < (jobs[$1].priority, lostWork($1), -jobs[$1].number) }
        var later = cluster
        var chosen: [Int] = []
        for candidate in candidates {
            guard let running = jobs[candidate].running else { continue }
            later.giveBack(running)
            chosen.append(candidate)
            guard case .placed = place(job.gang, on: later) else { continue }
            // Whoever is not needed after all stays.
            for spared in chosen.dropLast() {
                guard let running = jobs[spared].running, later.hasRoom(for: running) else { continue }
                var without = later
                without.take(running)
                if case .placed = place(job.gang, on: without) {
                    later = without
                    chosen.removeAll { $0 == spared }
                }
            }
            return chosen
        }
        return nil
    }

    /// Rank-milliseconds since the last checkpoint.
    private func lostWork(_ index: Int) -> Int64 {
        let machine = machines[index]
        guard let placed = machine.placedAt else { return 0 }
        let since = max(placed, machine.checkpoint?.at ?? placed)
        return (now - since).wholeMilliseconds * Int64(machine.world)
    }
}

/// What one team may use at a time.
public struct TeamQuota: Codable, Equatable, Sendable {
    public var ranks: Int?
    public var accelerators: Int?
    /// Thousandths of a core.
    public var cpus: Int64?
    /// Bytes.
    public var memory: Int64?

    struct Usage {
        var ranks = 0
        var accelerators = 0
        var cpus: Int64 = 0
        var memory: Int64 = 0

        mutating func add(_ ranks: Int, _ accelerators: Int, _ each: Demand) {
            self.ranks += ranks
            self.accelerators += accelerators
            cpus += each.cpus * Int64(ranks)
            memory += each.memory * Int64(ranks)
        }
    }

    /// The limit that this would be too much for.
    func exceeded(by usage: Usage) -> String? {
        if let ranks, usage.ranks > ranks { return "\(ranks) ranks" }
        if let accelerators, usage.accelerators > accelerators { return "\(accelerators) accelerators" }
        if let cpus, usage.cpus > cpus { return "\(Double(cpus) / 1_000) CPUs" }
        if let memory, usage.memory > memory { return "\(memory >> 20) MiB of memory" }
        return nil
    }
}
