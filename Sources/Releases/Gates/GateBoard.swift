public import Outcomes
public import Routing

/// All gates of one release over one candidate and one stable variant: observations in, verdicts out. A failure is sticky.
/// Pure: the same observations in the same order give the same verdicts on every machine, whenever they are asked for.
///
/// It is `Codable`: a board that was written and read again goes on as if nothing had happened. Its size is bounded (about
/// 130 KB of unit totals a gate, 260 KB for a comparison, twice that once somebody is left out of the crowd), whatever the
/// traffic.
public struct GateBoard: Sendable, Codable {
    public let gates: [Gate]
    public let qualityMetric: String?
    public let candidate: VariantID
    public let stable: VariantID
    let budget: ErrorBudget

    var rates: [RateWatch]
    var qualities: [QualityWatch]
    var increases: [IncreaseWatch]
    var tally = Tally()
    /// The verdict with which a gate failed, by the gate's place: kept for ever.
    var failures: [Verdict?]
    /// What the other variants of the route were last given, in basis points, by variant number.
    private var otherShares: [UInt16: UInt16] = [:]
    private var others = 0

    /// Counts that are no gate's own.
    struct Tally: Sendable, Codable {
        var routeRequests: Int64 = 0
        var candidateRequests: Int64 = 0
        var candidateClientFaults: Int64 = 0
        var candidateScores: Int64 = 0
    }

    public init(gates: [Gate], qualityMetric: String?, candidate: VariantID, stable: VariantID) {
        (self.gates, self.qualityMetric, self.candidate, self.stable) = (gates, qualityMetric, candidate, stable)
        budget = ErrorBudget(gates: gates)
        rates = gates.enumerated().compactMap { RateWatch($1, at: $0) }
        qualities = gates.enumerated().compactMap { QualityWatch($1, at: $0) }
        increases = gates.enumerated().compactMap { IncreaseWatch($1, at: $0) }
        failures = Array(repeating: nil, count: gates.count)
    }

    /// Takes one observation of the route. Those of a variant exposed under an earlier release do not count: the caller filters
    /// by cursor. A gate that is proven broken by it has failed from here on.
    public mutating func observe(_ observation: Observation) {
        switch observation {
        case .answered(let exposure): observe(exposure)
        case .scored(let score): observe(score)
        case .used, .context: break
        }
    }

    private mutating func observe(_ exposure: Exposure) {
        tally.routeRequests += 1
        guard exposure.variant == candidate else {
            if exposure.variant == stable { compare(exposure, ofCandidate: false) } else { noteOther(exposure) }
            return
        }
        tally.candidateRequests += 1
        if exposure.kind == .clientFault { tally.candidateClientFaults += 1 }
        for i in rates.indices where rates[i].observe(exposure, failAt: budget.failLogWealth) { fail(rates[i].place) }
        compare(exposure, ofCandidate: true)
    }

    private mutating func compare(_ exposure: Exposure, ofCandidate: Bool) {
        for i in increases.indices
        where increases[i].observe(exposure, ofCandidate: ofCandidate, others: others, failAt: budget.failLogWealth) {
            fail(increases[i].place)
        }
    }

    private mutating func observe(_ score: Score) {
        guard score.variant == candidate, score.metric == qualityMetric else { return }
        tally.candidateScores += 1
        for i in qualities.indices where qualities[i].observe(score, failAt: budget.failLogWealth) { fail(qualities[i].place) }
    }

    private mutating func noteOther(_ exposure: Exposure) {
        let known = otherShares.updateValue(exposure.propensity, forKey: UInt16(exposure.variant.number)) ?? 0
        others += Int(exposure.propensity) - Int(known)
    }

    private mutating func fail(_ place: Int) {
        guard failures[place] == nil else { return }
        failures[place] = verdict(at: place, settled: .fail)
        hasFailed = true
    }

    /// Where a gate is evaluated. In the order the gates were declared.
    public func verdicts() -> [Verdict] {
        gates.indices.map { failures[$0] ?? verdict(at: $0, settled: nil) }
    }

    /// The same without intervals and sentences, for those who look after every answer.
    public func outcomes() -> [VerdictOutcome] {
        gates.indices.map { failures[$0] != nil ? .fail : standing(at: $0) }
    }

    /// Whether a gate has failed, which is for ever.
    public private(set) var hasFailed = false

    /// Requests the candidate has answered, for `min_samples` of a step.
    public var candidateRequests: Int64 { tally.candidateRequests }
    /// Labelled answers of the candidate.
    public var candidateScores: Int64 { tally.candidateScores }
}

extension GateBoard {
    /// Pass or undecided, on what is known now: a failure was kept when it happened.
    private func standing(at place: Int) -> VerdictOutcome {
        let wealth: Double
        switch gates[place].measure {
        case .errorRate, .p50Latency, .p95Latency, .p99Latency:
            wealth = rates.first { $0.place == place }?.logWealthAgainstBad ?? 0
        case .quality: wealth = qualities.first { $0.place == place }?.logWealthAgainstBad ?? 0
        case .errorRateIncrease, .p95Increase: wealth = increases.first { $0.place == place }?.logWealthAgainstBad ?? 0
        case .coverage: return isCovered(limit: gates[place].limit) ? .pass : .undecided
        }
        return wealth >= budget.passLogWealth ? .pass : .undecided
    }

    /// Coverage passes on counts; below its limit it is undecided, never failed, because it may still rise.
    func isCovered(limit: Double) -> Bool {
        tally.routeRequests > 0 && Double(tally.candidateRequests) >= limit * Double(tally.routeRequests)
    }

    private func verdict(at place: Int, settled: VerdictOutcome?) -> Verdict {
        let gate = gates[place]
        let finding = finding(at: place)
        let outcome = settled ?? standing(at: place)
        return Verdict(
            gate: gate.name, limit: gate.limit, unit: gate.unit, outcome: outcome,
            evidence: finding.evidence.agreeing(with: outcome, gate),
            reason: VerdictSentence(gate: gate, outcome: outcome, finding: finding, budget: budget).text)
    }
}
