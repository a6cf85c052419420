import Glibc
import Outcomes
import Statistics

/// Watches how many times as often the candidate hits as the stable version, on the same traffic.
struct IncreaseWatch: HitWatch, Sendable, Codable {
    enum Subject: Sendable, Equatable, Codable {
        case errors
        /// Slower than the stable version's p95; the candidate is allowed `factor` times that.
        case slower(factor: Double)
    }

    let place: Int
    let subject: Subject
    let test: RateRatioTest
    private(set) var book = StratumBook()
    private(set) var candidate = ClusteredRate()
    private(set) var stable = ClusteredRate()
    private(set) var reference = StableQuantile()
    /// The candidate's latencies as multiples of the frozen p95, in thousandths: for display.
    private(set) var relative = LatencyHistogram()
    static let relativeUnit = 1_000.0
    var schedule = LookSchedule()

    init?(_ gate: Gate, at place: Int) {
        switch gate.measure {
        case .errorRateIncrease: (subject, test) = (.errors, RateRatioTest(limit: gate.limit))
        case .p95Increase: (subject, test) = (.slower(factor: gate.limit), RateRatioTest(limit: 1))
        case .quality, .coverage, .errorRate, .p50Latency, .p95Latency, .p99Latency: return nil
        }
        self.place = place
    }

    /// Takes one answer of either side; true when the increase is now proven over the limit. `others` is the share of all other
    /// variants in basis points.
    mutating func observe(_ exposure: Exposure, ofCandidate: Bool, others: Int, failAt threshold: Double) -> Bool {
        guard let hit = hit(exposure, ofCandidate: ofCandidate) else { return false }
        let own = Int(exposure.propensity)
        book.add(hit: hit, ofCandidate: ofCandidate, candidateShare: ofCandidate ? own : 10_000 - own - others)
        guard ofCandidate else {
            stable.add(unit: exposure.unit, hit: hit)
            return false
        }
        candidate.add(unit: exposure.unit, hit: hit)
        return isBroken(byHit: hit, failAt: threshold)
    }

    var hits: Int64 { candidate.hits }
    var gainMax: Double { 1 }

    private mutating func hit(_ exposure: Exposure, ofCandidate: Bool) -> Bool? {
        switch subject {
        case .errors: return RateWatch.Subject.errors.hit(exposure)
        case .slower(let factor):
            let limit = reference.microseconds
            if !ofCandidate, let latency = exposure.latency { reference.observe(latency) }
            guard let limit else { return nil }
            let allowed = UInt32(min(ofCandidate ? factor * limit : limit, 4e9))
            guard let latency = exposure.latency ?? exposure.waited(beyond: allowed) else { return nil }
            if ofCandidate { relative.record(UInt32(min(Double(latency) / max(limit, 1) * Self.relativeUnit, 4e9))) }
            return Double(latency) > (ofCandidate ? factor * limit : limit)
        }
    }

    var designEffect: Double { test.designEffect(book.strata, candidate: candidate, stable: stable) }

    var cautiousDesignEffect: Double {
        let samples = Double(candidate.samples + stable.samples)
        let size =
            samples > 0
            ? (candidate.meanClusterSize * Double(candidate.samples) + stable.meanClusterSize * Double(stable.samples)) / samples
            : 1
        return DesignEffect.cautious(
            measured: designEffect, clusterSize: size, samples: samples, defects: Double(candidate.hits + stable.hits))
    }

    var logWealthAgainstGood: Double { logWealthAgainstGood(scale: 1) }
    var logWealthAgainstBad: Double { logWealthAgainstBad(scale: 1) }

    /// What it would be with `scale` times as much of the same traffic.
    func logWealthAgainstGood(scale: Double) -> Double {
        test.logWealthAbove(book.strata, designEffect: designEffect / scale)
    }

    /// For errors the mean of two wealths, one against each half of "fails more than `limit` times as often, and often enough
    /// to matter".
    func logWealthAgainstBad(scale: Double) -> Double {
        let ratio = test.logWealthBelow(book.strata, designEffect: cautiousDesignEffect / scale)
        guard subject == .errors else { return ratio }
        let rare = logWealthOfNegligible(scale: scale)
        let greater = max(ratio, rare)
        guard greater.isFinite else { return greater }
        return greater + log((exp(ratio - greater) + exp(rare - greater)) / 2)
    }

    /// Against "the candidate's error rate is at least one in a thousand": without errors on either side there is no ratio,
    /// and a version that hardly ever fails must not wait for one.
    private func logWealthOfNegligible(scale: Double) -> Double {
        let weight = scale / candidate.cautiousDesignEffect(at: Self.negligible.limit)
        return Self.negligible.logWealthBelow(hits: Double(candidate.hits) * weight, of: Double(candidate.samples) * weight)
    }

    static let negligible = RateTest(limit: 0.001)
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
