import Outcomes
import Statistics

/// Watches how many times as often the candidate hits as the stable version, on the same traffic.
struct IncreaseWatch: Sendable, Codable {
    enum Subject: Sendable, Equatable, Codable {
        case errors
        /// Slower than the stable version's p95; the candidate is allowed `factor` times that.
        case slower(factor: Double)
    }

    /// Answers of both sides that were counted.
    struct Sample: Sendable, Codable {
        var book = StratumBook()
        var candidate = ClusteredRate()
        var stable = ClusteredRate()
        /// The candidate's latencies as multiples of the frozen p95, in thousandths: for display.
        var relative: LatencyHistogram?

        mutating func add(_ answer: Answer, unit: UInt64, ofCandidate: Bool, candidateShare: Int) {
            book.add(hit: answer.isHit, ofCandidate: ofCandidate, candidateShare: candidateShare)
            if ofCandidate { candidate.add(unit: unit, hit: answer.isHit) } else { stable.add(unit: unit, hit: answer.isHit) }
            if let multiple = answer.relative { relative?.record(multiple) }
        }
    }

    struct Answer {
        var isHit: Bool
        var relative: UInt32?
    }

    let place: Int
    let subject: Subject
    let test: RateRatioTest
    private(set) var all: Sample
    /// Those of the crowd; nil while nobody was left out, when it is `all`.
    private(set) var crowd: Sample?
    private(set) var reference = StableQuantile()
    static let relativeUnit = 1_000.0
    private var schedule = LookSchedule()

    init?(_ gate: Gate, at place: Int) {
        switch gate.measure {
        case .errorRateIncrease: (subject, test) = (.errors, RateRatioTest(limit: gate.limit))
        case .p95Increase: (subject, test) = (.slower(factor: gate.limit), RateRatioTest(limit: 1))
        case .quality, .coverage, .errorRate, .p50Latency, .p95Latency, .p99Latency: return nil
        }
        self.place = place
        all = Sample(relative: subject == .errors ? nil : LatencyHistogram())
    }

    /// Takes one answer of either side; true when the increase is now proven over the limit. `others` is the share of all other
    /// variants in basis points.
    mutating func observe(_ exposure: Exposure, ofCandidate: Bool, others: Int, failAt threshold: Double) -> Bool {
        guard let answer = answer(exposure, ofCandidate: ofCandidate) else { return false }
        let own = Int(exposure.propensity)
        let share = ofCandidate ? own : 10_000 - own - others
        let isLeftOut = isLeftOut(exposure.unit)
        if isLeftOut, crowd == nil { crowd = all }
        all.add(answer, unit: exposure.unit, ofCandidate: ofCandidate, candidateShare: share)
        if !isLeftOut { crowd?.add(answer, unit: exposure.unit, ofCandidate: ofCandidate, candidateShare: share) }
        return ofCandidate && answer.isHit && isBroken(failAt: threshold)
    }

    private mutating func isBroken(failAt threshold: Double) -> Bool {
        let hits = shown.candidate.hits
        guard schedule.isDue(hits) else { return false }
        let missing = threshold - logWealthAgainstGood
        schedule.looked(at: hits, wealthMissing: missing, gainMax: 1)
        return missing <= 0
    }

    /// The same for both sides, and for a user who changed sides: otherwise the crowds of two equal versions would differ.
    private func isLeftOut(_ unit: UInt64) -> Bool {
        Crowd.leavesOut(
            unitWith: all.candidate.samples(of: unit) + all.stable.samples(of: unit),
            of: min(all.candidate.samples, all.stable.samples))
    }

    private mutating func answer(_ exposure: Exposure, ofCandidate: Bool) -> Answer? {
        switch subject {
        case .errors: return RateWatch.Subject.errors.hit(exposure).map { Answer(isHit: $0) }
        case .slower(let factor):
            let limit = reference.microseconds
            if !ofCandidate, let latency = exposure.latency { reference.observe(latency) }
            guard let limit else { return nil }
            let allowed = ofCandidate ? factor * limit : limit
            guard let latency = exposure.latency ?? exposure.waited(beyond: UInt32(min(allowed, 4e9))) else { return nil }
            let multiple = Double(latency) / max(limit, 1) * Self.relativeUnit
            return Answer(isHit: Double(latency) > allowed, relative: ofCandidate ? UInt32(min(multiple, 4e9)) : nil)
        }
    }

    var logWealthAgainstGood: Double { logWealthAgainstGood(scale: 1) }
    var logWealthAgainstBad: Double { logWealthAgainstBad(scale: 1) }

    /// Whose figures are compared, and shown. A user who sends most of one side's answers is compared with nobody: of two equal
    /// versions the one that he happens to meet would have his rate, and it would be the pooled rate as well, so that even the
    /// design effect would hardly see him. So a comparison is between crowds.
    var shown: Sample { crowd ?? all }

    /// What it would be with `scale` times as much of the same traffic.
    func logWealthAgainstGood(scale: Double) -> Double { shown.logWealthAbove(test, scale: scale) }

    /// That the crowd fails no more often says nothing of those who were left out of it: all answers must agree. For errors the
    /// mean of two wealths, one against each half of "fails more than `limit` times as often, and often enough to matter".
    func logWealthAgainstBad(scale: Double) -> Double {
        let whole = all.logWealthBelow(test, scale: scale)
        let ratio = min(whole, crowd?.logWealthBelow(test, scale: scale) ?? whole)
        guard subject == .errors else { return ratio }
        // Against "the candidate's error rate is at least one in a thousand": without errors on either side there is no ratio,
        // and a version that hardly ever fails must not wait for one.
        return LogWealth.mean(ratio, Self.negligible.logWealthBelow(all.candidate, crowd: crowd?.candidate, scale: scale))
    }

    static let negligible = RateTest(limit: 0.001)
}

extension IncreaseWatch.Sample {
    func designEffect(_ test: RateRatioTest) -> Double { test.designEffect(book.strata, candidate: candidate, stable: stable) }

    func cautiousDesignEffect(_ test: RateRatioTest) -> Double {
        let samples = Double(candidate.samples + stable.samples)
        let size =
            samples > 0
            ? (candidate.meanClusterSize * Double(candidate.samples) + stable.meanClusterSize * Double(stable.samples)) / samples
            : 1
        return DesignEffect.cautious(
            measured: designEffect(test), clusterSize: size, samples: samples, defects: Double(candidate.hits + stable.hits))
    }

    func logWealthAbove(_ test: RateRatioTest, scale: Double) -> Double {
        test.logWealthAbove(book.strata, designEffect: designEffect(test) / scale)
    }

    func logWealthBelow(_ test: RateRatioTest, scale: Double) -> Double {
        test.logWealthBelow(book.strata, designEffect: cautiousDesignEffect(test) / scale)
    }
}

/// The stable version's p95, frozen on a window of its answers and refreshed by epochs: a threshold is fixed before the
/// answers that are compared at it, and follows the load over a day.
struct StableQuantile: Sendable, Codable {
    static let firstWindow: UInt64 = 200
    static let window: UInt64 = 5_000

    /// Nil until the first window is full.
    private(set) var microseconds: Double?
    private(set) var epochs = 0
    private var histogram: LatencyHistogram?

    mutating func observe(_ latency: UInt32) {
        if histogram == nil { histogram = LatencyHistogram() }
        histogram?.record(latency)
        guard let count = histogram?.count, count >= (epochs == 0 ? Self.firstWindow : Self.window) else { return }
        microseconds = histogram?.quantile(0.95)
        histogram = LatencyHistogram()
        epochs += 1
    }
}

/// The strata of a comparison: one for each share of the candidate, in order of the share.
struct StratumBook: Sendable, Codable {
    static let strataMax = 64

    private(set) var strata: [RatioStratum] = []
    private var shares: [Int] = []
    private var last = 0

    mutating func add(hit: Bool, ofCandidate: Bool, candidateShare share: Int) {
        let place = self.place(of: share)
        if ofCandidate {
            strata[place].candidateSamples += 1
            if hit { strata[place].candidateHits += 1 }
        } else {
            strata[place].stableSamples += 1
            if hit { strata[place].stableHits += 1 }
        }
    }

    private mutating func place(of share: Int) -> Int {
        if last < shares.count, shares[last] == share { return last }
        if let known = shares.firstIndex(of: share) {
            last = known
            return known
        }
        if shares.count == Self.strataMax { mergeNearest() }
        let place = shares.firstIndex { $0 > share } ?? shares.count
        shares.insert(share, at: place)
        strata.insert(RatioStratum(), at: place)
        last = place
        return place
    }

    /// The two neighbours whose shares are nearest become one; it keeps the lower share's name.
    private mutating func mergeNearest() {
        var place = 1
        for next in 1..<shares.count where shares[next] - shares[next - 1] < shares[place] - shares[place - 1] { place = next }
        strata[place - 1].merge(strata[place])
        strata.remove(at: place)
        shares.remove(at: place)
    }
}
