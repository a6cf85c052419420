import Telemetry

/// Room for a job that has none, at the cost of running jobs of lower standing: elastic ones shrink before any is stopped.
extension QueueSnapshot {
    /// So many different wishes are tried in one pass: each is a search among all that run.
    private static let attemptsMax = 32
    /// Of so many running jobs, those first that lose the least.
    private static let candidatesMax = 256

    /// The first waiting job in order that room can be made for gets it; others have their turn when it has its place.
    func makeRoom(_ decision: inout Decision, beside started: [Int: Placement]) {
        var tried: [Gang: Int] = [:]
        let places = Dictionary(machines.enumerated().map { ($0.element.name, $0.offset) }, uniquingKeysWith: { a, _ in a })
        for name in decision.order {
            guard case .noRoom(let shortfall, _)? = decision.waits[name], !shortfall.isForEver, let index = places[name] else {
                continue
            }
            let job = jobs[index]
            if let priority = tried[job.gang], priority >= job.priority { continue }
            guard tried.count < Self.attemptsMax else { return }
            tried[job.gang] = job.priority
            var later = future.prepared(onlyFor: job.gang)
            later.prepare(for: job.gang)
            for (other, placement) in started where !yields(other, to: index) { later.take(placement) }
            if let placement = later.placement(of: job.gang), use.limit(for: placement, of: job.team) == nil {
                withdraw(&decision, started, for: index)  // those less urgent had slipped into it
                decision.waits[name] = .makingRoom(from: leaving)
                return
            }
            if let resizes = shrinking(for: index, on: later) {
                decision.resizes += resizes
                decision.waits[name] = .makingRoom(from: resizes.map(\.job))
            } else if let victims = victims(for: index, on: later) {
                decision.preemptions += victims.map { (self.name($0), name) }
                decision.waits[name] = .makingRoom(from: victims.map(self.name))
            } else {
                continue
            }
            return withdraw(&decision, started, for: index)
        }
    }

    /// Starts that are less urgent than a job which room is made for wait behind it.
    private func withdraw(_ decision: inout Decision, _ started: [Int: Placement], for index: Int) {
        for other in started.keys where yields(other, to: index) {
            decision.waits[name(other)] = .behind(name(index))
            decision.starts.removeAll { $0.job == name(other) }
        }
    }

    /// Less urgent; and where the queue is weighed, behind it even when it has given up its place: else it would take it back.
    private func yields(_ other: Int, to index: Int) -> Bool {
        guard jobs[other].priority < jobs[index].priority else { return false }
        guard let scales else { return true }
        var stopped = jobs[other]
        stopped.running = nil
        return max(scales.points(of: stopped), scales.pointsAtRest(of: stopped)) < scales.points(of: jobs[index])
    }

    // MARK: Shrinking

    /// Elastic jobs with fewer ranks each, so that the job has a place, and as few of them as may be.
    private func shrinking(for index: Int, on cluster: Cluster) -> [Resize]? {
        let candidates = running { other in
            machines[other].isElastic && machines[other].state == .running && !machines[other].isChanging
                && machines[other].world > machines[other].spec.ranksMin
                && (yields(other, to: index) || isOwed(index, by: other))
        }
        var (later, chosen) = (cluster, [Int]())
        for candidate in candidates {
            guard let running = jobs[candidate].running else { continue }
            later.giveBack(running)
            chosen.append(candidate)
            guard var ranks = shrunk(chosen, beside: index, on: later) else { continue }
            // Whoever is not needed after all stays as it is.
            for spared in chosen.dropLast() {
                guard let running = jobs[spared].running, later.hasRoom(for: running) else { continue }
                var without = later
                without.take(running)
                if let fewer = shrunk(chosen.filter { $0 != spared }, beside: index, on: without) {
                    (later, ranks) = (without, fewer)
                    chosen.removeAll { $0 == spared }
                }
            }
            return zip(chosen, ranks).map { other, ranks in
                Resize(
                    job: name(other), ranks: ranks,
                    why: "\(name(index)) needs room and comes first: \(machines[other].world) ranks to \(ranks)",
                    yieldsTo: name(index))
            }
        }
        return nil
    }

    /// How many ranks each of them keeps once the job has its place; nil where one of them would have none.
    private func shrunk(_ others: [Int], beside index: Int, on cluster: Cluster) -> [Int]? {
        var later = cluster
        guard let placement = later.placement(of: jobs[index].gang) else { return nil }
        later.take(placement)
        var ranks: [Int] = []
        for other in others {
            var gang = gang(of: machines[other])
            gang.ranks = gang.ranks.lowerBound...max(gang.ranks.lowerBound, machines[other].world - 1)
            guard let placement = later.placement(of: gang) else { return nil }
            later.take(placement)
            ranks.append(placement.ranks)
        }
        return ranks
    }

    /// Where teams have shares: another team has more than its share in ranks that it can do without, and this job's team would
    /// still not have more than it.
    private func isOwed(_ index: Int, by other: Int) -> Bool {
        guard let weights = policy.queue.shares, jobs[other].priority == jobs[index].priority,
            jobs[other].team != jobs[index].team, let running = jobs[other].running
        else { return false }
        func share(_ team: String, _ change: Int64) -> Double {
            let used = jobs.filter { $0.team == team && $0.running != nil }.reduce(0) { $0 + $1.rate }
            return Double(used + change) / (weights[team] ?? 1)
        }
        let spare = jobs[other].rate / Int64(max(1, running.ranks)) * Int64(running.ranks - machines[other].spec.ranksMin)
        return share(jobs[index].team, jobs[index].rate) <= share(jobs[other].team, -spare)
    }

    // MARK: Stopping

    /// Those that stop, so that the job has a place.
    private func victims(for index: Int, on cluster: Cluster) -> [Int]? {
        let job = jobs[index]
        var (later, chosen) = (cluster, [Int]())
        for candidate in running({ yields($0, to: index) }) {
            guard let running = jobs[candidate].running else { continue }
            later.giveBack(running)
            chosen.append(candidate)
            guard later.holds(job.gang) else { continue }
            // Whoever is not needed after all stays.
            for spared in chosen.dropLast() {
                guard let running = jobs[spared].running, later.hasRoom(for: running) else { continue }
                var without = later
                without.take(running)
                if without.holds(job.gang) {
                    later = without
                    chosen.removeAll { $0 == spared }
                }
            }
            return chosen
        }
        return nil
    }

    /// Running jobs that may be stopped: the least urgent first, of equals those that lose the least work.
    private func running(_ condition: (Int) -> Bool) -> [Int] {
        let some = jobs.indices.filter { other in
            jobs[other].running != nil && jobs[other].isPreemptible && [.running, .starting].contains(machines[other].state)
                && condition(other)
        }
        let ordered = some.sorted {
            (jobs[$0].priority, lostWork($0), -jobs[$0].number) < (jobs[$1].priority, lostWork($1), -jobs[$1].number)
        }
        return Array(ordered.prefix(Self.candidatesMax))
    }

    /// Rank-milliseconds since the last checkpoint.
    private func lostWork(_ index: Int) -> Int64 {
        let machine = machines[index]
        guard let placed = machine.placedAt else { return 0 }
        let since = max(placed, machine.checkpoint?.at ?? placed)
        return (now - since).wholeMilliseconds * Int64(machine.world)
    }
}

/// More ranks for elastic jobs, where nobody waits for the room.
extension QueueSnapshot {
    /// One job at a time, the first in order: it is given more ranks while it trains, or stops at a checkpoint for them.
    func grow(_ decision: inout Decision) {
        let elasticity = policy.elastic
        guard elasticity.grows, leaving.isEmpty, decision.starts.isEmpty, decision.preemptions.isEmpty, decision.resizes.isEmpty,
            decision.waits.values.allSatisfy(\.isNotForRoom)
        else { return }
        for index in policy.queue.sorted(jobs, on: cluster, now: now.milliseconds) {
            guard let ranks = ranksWithRoom(index), let placed = machines[index].placedAt else { continue }
            decision.roomy.insert(name(index))
            let patience = elasticity.growAfter << Int64(min(machines[index].resizes, 5))
            let due = max(placed + .milliseconds(patience), (roomySince[index] ?? now) + .milliseconds(elasticity.growAfter))
            if due > now {
                decision.lookAgain = decision.lookAgain.map { min($0, due) } ?? due
                continue
            }
            let free = (now - (roomySince[index] ?? now)).wholeMilliseconds / 1_000
            decision.resizes.append(
                Resize(
                    job: name(index), ranks: ranks,
                    why: "there has been room for \(free) s and nobody waits for it: \(machines[index].world) ranks to \(ranks)"))
            return
        }
    }

    /// How many ranks a running job could have instead of fewer; nil where it gains nothing, would lose what it has done, or is
    /// nearly there.
    private func ranksWithRoom(_ index: Int) -> Int? {
        let (job, machine) = (jobs[index], machines[index])
        guard let running = job.running, machine.state == .running, machine.isElastic, job.isPreemptible,
            !machine.isChanging, machine.world < machine.spec.ranksMax, let placed = machine.placedAt,
            job.remaining.map({ $0 > policy.elastic.growAfter }) ?? true
        else { return nil }
        if scalesLive[index] {
            let more = seats(forMore: machine.spec.ranksMax - machine.world, of: machine).count
            return more > 0 ? machine.world + more : nil
        }
        guard let checkpoint = machine.checkpoint, checkpoint.at > placed else { return nil }
        var (later, use) = (cluster, use)
        later.giveBack(running)
        use.remove(running, of: job.team)
        var gang = gang(of: machine)
        gang.ranks = machine.world + 1...machine.spec.ranksMax
        guard let placement = later.placement(of: use.capped(gang, of: job.team)), use.limit(for: placement, of: job.team) == nil
        else { return nil }
        return placement.ranks
    }
}

extension QueueDesk.Wait {
    /// More room would not end it.
    var isNotForRoom: Bool {
        switch self {
        case .noRoom(let shortfall, _): shortfall.isForEver
        case .overQuota: true
        case .keptFree, .behind, .makingRoom: false
        }
    }
}
