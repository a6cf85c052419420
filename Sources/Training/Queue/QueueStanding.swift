import Telemetry

/// Why a job stands where it does in the queue: what is compared, in the order in which it counts, or what is added up.
extension QueueSnapshot {
    func standing(of name: String) -> [QueueTerm]? {
        guard let index = machines.firstIndex(where: { $0.name == name }) else { return nil }
        let job = jobs[index]
        if let scales { return scales.terms(of: job) }
        let priority = term("priority", Double(job.priority) / 1_000, "priority \(job.priority) of 1000; higher ones go first")
        let submission = term(
            "submission", Double(job.number),
            "submitted \(max(0, now.milliseconds - job.submitted) / 1_000) s ago; of equals the first")
        switch policy.queue.order {
        case .submission, .weighted: return [priority, submission]
        case .remaining:
            let known = job.remaining.map { "about \($0 / 1_000) s left; the shortest goes first" }
            let text = known ?? "nobody knows how long it takes (`expected:`, or steps that it reports), so it goes last"
            return [priority, term("remaining", Double(job.remaining ?? 0) / 1_000, text), submission]
        case .attained(let limits):
            let level = limits.count { $0 <= job.attained }
            let text =
                "\(job.attained / 1_000) device-seconds until now: level \(level + 1) of \(limits.count + 1); the least go first"
            return [priority, term("attained", Double(job.attained) / 1_000, text), submission]
        case .share(let weights):
            let weight = weights[job.team] ?? 1
            let used = jobs.filter { $0.team == job.team && $0.running != nil }.reduce(0) { $0 + $1.rate }
            let team = job.team.isEmpty ? "jobs without a team" : "team \(job.team)"
            let text =
                "\(team): \(used) devices (or ranks) in use, weight \(weight); the team with the least for its weight goes first"
            return [priority, term("share", Double(used) / weight, text), submission]
        }
    }

    private func term(_ name: String, _ factor: Double, _ because: String) -> QueueTerm {
        QueueTerm(name: name, weight: nil, factor: factor, because: because)
    }
}
