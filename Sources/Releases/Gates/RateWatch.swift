import Glibc
import Outcomes
import Statistics

/// Watches the share of answers that hit: errors, or answers slower than a limit.
struct RateWatch: Sendable, Codable {
    enum Subject: Sendable, Equatable, Codable {
        case errors
        case slower(thanMicroseconds: UInt32)
    }

    /// Answers that were counted, and of latencies their distribution, for the quantiles that verdicts show.
    struct Sample: Sendable, Codable {
        var counts = ClusteredRate()
        var latencies: LatencyHistogram?

        mutating func add(_ exposure: Exposure, hit: Bool, latency: UInt32?) {
            counts.add(unit: exposure.unit, hit: hit)
            if let latency { latencies?.record(latency) }
        }
    }

    let place: Int
    let subject: Subject
    let test: RateTest
    private(set) var all: Sample
    /// Those of the crowd; nil while nobody was left out, when it is `all`.
    private(set) var crowd: Sample?
    private var schedule = LookSchedule()
    private var crowdSchedule = LookSchedule()

    init?(_ gate: Gate, at place: Int) {
        switch gate.measure {
        case .errorRate: (subject, test) = (.errors, RateTest(limit: gate.limit))
        case .p50Latency, .p95Latency, .p99Latency:
            guard let share = gate.measure.slowShare else { return nil }
            subject = .slower(thanMicroseconds: UInt32(clamping: Int64(gate.limit * 1_000)))
            test = RateTest(limit: share)
        case .quality, .coverage, .errorRateIncrease, .p95Increase: return nil
        }
        self.place = place
        all = Sample(latencies: subject == .errors ? nil : LatencyHistogram())
    }

    /// Takes one answer of the candidate; true when the limit is now proven broken.
    mutating func observe(_ exposure: Exposure, failAt threshold: Double) -> Bool {
        guard let hit = subject.hit(exposure) else { return false }
        let latency = subject.latency(exposure)
        let isLeftOut = Crowd.leavesOut(unitWith: all.counts.samples(of: exposure.unit), of: all.counts.samples)
        if isLeftOut, crowd == nil { crowd = all }
        all.add(exposure, hit: hit, latency: latency)
        if !isLeftOut { crowd?.add(exposure, hit: hit, latency: latency) }
        return hit && isBroken(failAt: threshold)
    }

    private mutating func isBroken(failAt threshold: Double) -> Bool {
        let (hits, crowdHits) = (all.counts.hits, crowd?.counts.hits)
        guard schedule.isDue(hits) || crowdHits.map(crowdSchedule.isDue) ?? false else { return false }
        let missing = threshold - logWealthAgainstGood
        schedule.looked(at: hits, wealthMissing: missing, gainMax: -log(test.limit))
        if let crowdHits { crowdSchedule.looked(at: crowdHits, wealthMissing: missing, gainMax: -log(test.limit)) }
        return missing <= 0
    }

    var logWealthAgainstGood: Double { logWealthAgainstGood(scale: 1) }
    var logWealthAgainstBad: Double { logWealthAgainstBad(scale: 1) }

    /// What it would be with `scale` times as much of the same traffic. Broken is a limit that all answers break, or the crowd's:
    /// one user whose requests succeed must not hide that those of all others fail.
    func logWealthAgainstGood(scale: Double) -> Double {
        let whole = test.logWealthAbove(all.counts, scale: scale)
        guard let crowd else { return whole }
        return LogWealth.mean(whole, test.logWealthAbove(crowd.counts, scale: scale))
    }

    /// Kept is a limit that all answers keep: as one sum, or in both of its parts, the crowd's and those of the few who were left
    /// out of it. The few are known; their own answers speak for them.
    func logWealthAgainstBad(scale: Double) -> Double {
        test.logWealthBelow(all.counts, crowd: crowd?.counts, scale: scale)
    }

    /// Whose figures a verdict shows: the crowd's, where it is they that break the limit.
    func shown(failAt threshold: Double) -> Sample {
        guard let crowd, logWealthAgainstGood >= threshold,
            test.logWealthAbove(crowd.counts, scale: 1) > test.logWealthAbove(all.counts, scale: 1)
        else { return all }
        return crowd
    }
}

extension RateTest {
    /// Against "at most the limit", with `scale` times the counts.
    func logWealthAbove(_ counts: ClusteredRate, scale: Double) -> Double {
        let weight = scale / counts.designEffect(at: limit)
        return logWealthAbove(hits: Double(counts.hits) * weight, of: Double(counts.samples) * weight)
    }

    /// Against "at least the limit". If the whole breaks a limit so does one of its parts: a wealth against each part, the lesser
    /// of which is one against the whole.
    func logWealthBelow(_ all: ClusteredRate, crowd: ClusteredRate?, scale: Double) -> Double {
        func wealth(_ counts: ClusteredRate) -> Double {
            let weight = scale / counts.cautiousDesignEffect(at: limit)
            return logWealthBelow(hits: Double(counts.hits) * weight, of: Double(counts.samples) * weight)
        }
        let whole = wealth(all)
        guard let crowd else { return whole }
        let few = logWealthBelow(
            hits: Double(all.hits - crowd.hits) * scale, of: Double(all.samples - crowd.samples) * scale)
        return LogWealth.mean(whole, min(wealth(crowd), few))
    }
}

extension RateWatch.Subject {
    /// Whether an answer is a hit; nil when it says nothing of the version.
    func hit(_ exposure: Exposure) -> Bool? {
        switch self {
        case .errors: exposure.kind == .clientFault ? nil : exposure.kind.isError
        case .slower(let limit): latency(exposure).map { $0 > limit }
        }
    }

    /// What a gate on latency measures of an answer.
    func latency(_ exposure: Exposure) -> UInt32? {
        switch self {
        case .errors: nil
        case .slower(let limit): exposure.latency ?? exposure.waited(beyond: limit)
        }
    }
}

extension Exposure {
    /// The latency as gates judge it: that of a success; a time-out is slower than anything; other errors, and answers that
    /// were the client's fault, are no measurement (a fast refusal must not make a version look fast).
    var latency: UInt32? {
        switch kind {
        case .success: latencyMicroseconds
        case .timedOut: .max
        case .clientFault, .upstreamError, .unreachable, .brokenAnswer: nil
        }
    }

    /// How long a client waited in vain, where that is longer than `limit`: it went away before an answer began, and the answer
    /// would have been slower still. Who went away sooner says nothing: else a version that hangs would have no latency at all.
    func waited(beyond limit: UInt32) -> UInt32? {
        kind == .clientFault && status == Self.clientLeft && latencyMicroseconds > limit ? latencyMicroseconds : nil
    }

    /// What the gateway notes for a client that went away before its answer began.
    private static let clientLeft: UInt16 = 499
}
