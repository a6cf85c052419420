import Glibc
import Statistics

/// Evidence and what a sentence about it needs.
struct Finding {
    var evidence: Evidence
    /// What the samples are: "answers", "labelled answers", "requests".
    var noun: String
    /// Replaces "SEEN [LOWER, UPPER] over N NOUN" where that would say little.
    var summary: String?
    /// Why nothing can be said yet.
    var nothing: String?
    /// What a reader must know beside it.
    var notes: [String] = []

    static let moreNeeded = "more_needed"
}

extension Evidence {
    /// The printed interval never contradicts the verdict: the end that the sharper test has moved past the limit is drawn at
    /// the limit.
    func agreeing(with outcome: VerdictOutcome, _ gate: Gate) -> Evidence {
        var evidence = self
        guard gate.measure.isStatistical, outcome != .undecided, seen != nil else { return evidence }
        if (outcome == .pass) == gate.measure.isAtLeast {
            evidence.lower = max(lower ?? gate.limit, gate.limit)
        } else {
            evidence.upper = min(upper ?? gate.limit, gate.limit)
        }
        return evidence
    }
}

extension GateBoard {
    /// What is known of the gate at this place.
    func finding(at place: Int) -> Finding {
        let gate = gates[place]
        switch gate.measure {
        case .errorRate, .p50Latency, .p95Latency, .p99Latency:
            if let watch = rates.first(where: { $0.place == place }) { return finding(gate, watch) }
        case .quality: if let watch = qualities.first(where: { $0.place == place }) { return finding(gate, watch) }
        case .errorRateIncrease, .p95Increase:
            if let watch = increases.first(where: { $0.place == place }) { return finding(gate, watch) }
        case .coverage: return coverage(gate)
        }
        preconditionFailure("every gate has a watch from the start")
    }

    private func finding(_ gate: Gate, _ watch: RateWatch) -> Finding {
        let counts = watch.counts
        let effects = (
            measured: counts.designEffect(at: watch.test.limit), cautious: counts.cautiousDesignEffect(at: watch.test.limit)
        )
        let (hits, samples) = (Double(counts.hits), Double(counts.samples))
        let lower = (hits: hits / effects.measured, total: samples / effects.measured)
        let upper = (hits: hits / effects.cautious, total: samples / effects.cautious)
        var evidence = Evidence(
            seen: nil, lower: nil, upper: nil, samples: counts.samples, logWealthAgainstGood: watch.logWealthAgainstGood,
            logWealthAgainstBad: watch.logWealthAgainstBad,
            statistics: [
                "samples": samples, "hits": hits, "hit_rate_limit": watch.test.limit, "samples_squared": counts.samplesSquared,
                "samples_hits": counts.samplesHits, "hits_squared": counts.hitsSquared, "design_effect": effects.measured,
                "cautious_design_effect": effects.cautious,
            ])
        if counts.samples > 0 {
            if case .errors = watch.subject {
                evidence.seen = counts.rate
                evidence.lower = RateInterval.lower(hits: lower.hits, of: lower.total, alpha: budget.failAlpha)
                evidence.upper = RateInterval.upper(hits: upper.hits, of: upper.total, alpha: budget.passAlpha)
            } else {
                (evidence.seen, evidence.lower, evidence.upper) = quantiles(watch.test, lower.total, upper.total)
            }
            evidence.statistics[Finding.moreNeeded] = Projection.more(samples: samples, budget) { scale, isHarm in
                isHarm
                    ? watch.test.logWealthAbove(hits: lower.hits * scale, of: lower.total * scale)
                    : watch.test.logWealthBelow(hits: upper.hits * scale, of: upper.total * scale)
            }
        }
        return Finding(
            evidence: evidence, noun: "answers", summary: nil, nothing: counts.samples == 0 ? noAnswers : nil,
            notes: repetition(effects.cautious, samples, "answers"))
    }

    /// The quantile in milliseconds and its interval: the quantiles at which the number of slower answers would just decide.
    private func quantiles(_ test: RateTest, _ lowerTotal: Double, _ upperTotal: Double) -> (Double?, Double?, Double?) {
        guard let latencies else { return (nil, nil, nil) }
        func milliseconds(_ slower: Double) -> Double? {
            latencies.quantile(min(1, max(0, 1 - slower))).map { $0 / 1_000 }
        }
        let most = Bisection.edge(from: test.limit, to: 1) {
            test.logWealthAbove(hits: $0 * lowerTotal, of: lowerTotal) >= budget.failLogWealth
        }
        let isLowerKnown = test.logWealthAbove(hits: lowerTotal, of: lowerTotal) >= budget.failLogWealth
        let isUpperKnown = test.logWealthBelow(hits: 0, of: upperTotal) >= budget.passLogWealth
        let least = Bisection.edge(from: 0, to: test.limit) {
            test.logWealthBelow(hits: $0 * upperTotal, of: upperTotal) < budget.passLogWealth
        }
        return (milliseconds(test.limit), isLowerKnown ? milliseconds(most) : nil, isUpperKnown ? milliseconds(least) : nil)
    }

    private func finding(_ gate: Gate, _ watch: QualityWatch) -> Finding {
        let (bet, units) = (watch.bet, watch.units)
        let ends = watch.interval.interval(designEffect: units.cautiousDesignEffect)
        var evidence = Evidence(
            seen: bet.mean, lower: bet.mean == nil ? nil : ends.lower, upper: bet.mean == nil ? nil : ends.upper,
            samples: bet.count,
            logWealthAgainstGood: watch.logWealthAgainstGood, logWealthAgainstBad: watch.logWealthAgainstBad,
            statistics: [
                "samples": Double(bet.count), "sum": bet.sum, "squares_about_limit": bet.squaresAboutLimit,
                "log_capital_above": bet.logWealthAbove, "log_capital_below": bet.logWealthBelow,
                "unit_squares_about_limit": units.cellSquares, "design_effect": units.designEffect,
                "cautious_design_effect": units.cautiousDesignEffect, "refused": Double(watch.refused),
            ])
        evidence.statistics[Finding.moreNeeded] = Projection.moreLabels(watch, budget)
        var notes = repetition(units.cautiousDesignEffect, Double(bet.count), "labels")
        if watch.refused > 0 { notes.append("\(Figure.count(watch.refused)) labels outside 0 to 1 were refused") }
        let requests = tally.candidateRequests
        let nothing =
            requests == 0
            ? "no answers yet" : "no labelled answers yet, after \(Figure.count(requests)) requests"
        return Finding(
            evidence: evidence, noun: "labelled answers", summary: nil, nothing: bet.count == 0 ? nothing : nil, notes: notes)
    }

    private func coverage(_ gate: Gate) -> Finding {
        let (ours, all) = (tally.candidateRequests, tally.routeRequests)
        let seen = all > 0 ? Double(ours) / Double(all) : nil
        var evidence = Evidence(
            seen: seen, lower: seen, upper: seen, samples: all, logWealthAgainstGood: 0, logWealthAgainstBad: 0,
            statistics: ["candidate_requests": Double(ours), "route_requests": Double(all)])
        if let seen, seen < gate.limit, gate.limit < 1 {
            // If all of the route's requests went to the candidate from now on.
            evidence.statistics[Finding.moreNeeded] = (gate.limit * Double(all) - Double(ours)) / (1 - gate.limit)
        }
        let summary = "\(Figure.count(ours)) of the route's \(Figure.count(all)) requests"
        return Finding(evidence: evidence, noun: "requests", summary: summary, nothing: all == 0 ? "no requests yet" : nil)
    }

    var noAnswers: String {
        let faults = tally.candidateClientFaults
        return faults == 0
            ? "no answers yet"
            : "no answers that count yet: \(Figure.count(faults)) were client faults (4xx), which say nothing of the version"
    }

    func repetition(_ effect: Double, _ samples: Double, _ noun: String) -> [String] {
        guard effect >= 1.5, samples > 0 else { return [] }
        return ["users repeat: these \(noun) weigh like about \(Figure.about(samples / effect)) of different users"]
    }
}
