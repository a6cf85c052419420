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
    /// What the names of the crowd's statistics begin with.
    static let crowd = "crowd_"
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
        let shown = watch.shown(failAt: budget.failLogWealth)
        let (counts, limit) = (shown.counts, watch.test.limit)
        let effects = (measured: counts.designEffect(at: limit), cautious: counts.cautiousDesignEffect(at: limit))
        let (hits, samples) = (Double(counts.hits), Double(counts.samples))
        let lower = (hits: hits / effects.measured, total: samples / effects.measured)
        let upper = (hits: hits / effects.cautious, total: samples / effects.cautious)
        let alphas = self.alphas(isDivided: watch.crowd != nil)
        var evidence = Evidence(
            seen: nil, lower: nil, upper: nil, samples: counts.samples, logWealthAgainstGood: watch.logWealthAgainstGood,
            logWealthAgainstBad: watch.logWealthAgainstBad, statistics: watch.all.counts.statistics(at: limit))
        if let crowd = watch.crowd {
            evidence.statistics.merge(crowd.counts.statistics(at: limit, prefix: Finding.crowd)) { $1 }
        }
        evidence.statistics["hit_rate_limit"] = limit
        if counts.samples > 0 {
            if case .errors = watch.subject {
                evidence.seen = counts.rate
                evidence.lower = RateInterval.lower(hits: lower.hits, of: lower.total, alpha: alphas.fail)
                evidence.upper = RateInterval.upper(hits: upper.hits, of: upper.total, alpha: alphas.pass)
            } else {
                (evidence.seen, evidence.lower, evidence.upper) = quantiles(shown, watch.test, (lower.total, upper.total), alphas)
            }
            evidence.statistics[Finding.moreNeeded] = Projection.more(samples: samples, budget) { scale, isHarm in
                isHarm ? watch.logWealthAgainstGood(scale: scale) : watch.logWealthAgainstBad(scale: scale)
            }
        }
        return Finding(
            evidence: evidence, noun: "answers", summary: nil, nothing: counts.samples == 0 ? noAnswers : nil,
            notes: crowdNotes(watch.all.counts.samples, watch.crowd?.counts.samples, shown: counts.samples, "answers")
                ?? repetition(effects.cautious, samples, "answers"))
    }

    /// Where two wealths share a budget, the ends of an interval that is about one of them take half of it each.
    func alphas(isDivided: Bool) -> (fail: Double, pass: Double) {
        let parts: Double = isDivided ? 2 : 1
        return (budget.failAlpha / parts, budget.passAlpha / parts)
    }

    /// The quantile in milliseconds and its interval: the quantiles at which the number of slower answers would just decide.
    private func quantiles(
        _ shown: RateWatch.Sample, _ test: RateTest, _ total: (lower: Double, upper: Double), _ alphas: (fail: Double, pass: Double)
    ) -> (Double?, Double?, Double?) {
        guard let latencies = shown.latencies else { return (nil, nil, nil) }
        func milliseconds(_ slower: Double) -> Double? {
            latencies.quantile(min(1, max(0, 1 - slower))).map { $0 / 1_000 }
        }
        func isHarm(_ slower: Double) -> Bool {
            test.logWealthAbove(hits: slower * total.lower, of: total.lower) >= -log(alphas.fail)
        }
        func isHarmless(_ slower: Double) -> Bool {
            test.logWealthBelow(hits: slower * total.upper, of: total.upper) >= -log(alphas.pass)
        }
        let most = Bisection.edge(from: test.limit, to: 1, isHarm)
        let least = Bisection.edge(from: 0, to: test.limit) { !isHarmless($0) }
        return (milliseconds(test.limit), isHarm(1) ? milliseconds(most) : nil, isHarmless(0) ? milliseconds(least) : nil)
    }

    private func finding(_ gate: Gate, _ watch: QualityWatch) -> Finding {
        let shown = watch.shown(failAt: budget.failLogWealth)
        let (bet, units) = (shown.bet, shown.units)
        let ends = shown.interval.interval(designEffect: units.cautiousDesignEffect)
        var evidence = Evidence(
            seen: bet.mean, lower: bet.mean == nil ? nil : ends.lower, upper: bet.mean == nil ? nil : ends.upper,
            samples: bet.count,
            logWealthAgainstGood: watch.logWealthAgainstGood, logWealthAgainstBad: watch.logWealthAgainstBad,
            statistics: watch.all.statistics(prefix: ""))
        if let crowd = watch.crowd {
            evidence.statistics.merge(crowd.statistics(prefix: Finding.crowd)) { $1 }
            evidence.statistics["few_samples"] = Double(watch.few.count)
            evidence.statistics["few_log_capital_above"] = watch.few.logWealthAbove
        }
        evidence.statistics["refused"] = Double(watch.refused)
        evidence.statistics["corrected"] = Double(watch.corrected)
        evidence.statistics[Finding.moreNeeded] = Projection.moreLabels(watch, budget)
        var notes =
            crowdNotes(watch.all.bet.count, watch.crowd?.bet.count, shown: bet.count, "labels")
            ?? repetition(units.cautiousDesignEffect, Double(bet.count), "labels")
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

    /// Where a few users made up too much to be counted with the others; nil where they did not.
    func crowdNotes(_ all: Int64, _ crowd: Int64?, shown: Int64, _ noun: String) -> [String]? {
        guard let crowd, all - crowd >= all / Crowd.parts else { return nil }
        let few = Figure.count(all - crowd)
        if shown < all { return ["left out are \(few) \(noun) of users who sent over a sixteenth of them"] }
        return ["\(few) of these \(noun) came from users who sent over a sixteenth of them: they are judged apart"]
    }
}

extension ClusteredRate {
    func statistics(at limit: Double, prefix: String = "") -> [String: Double] {
        [
            prefix + "samples": Double(samples), prefix + "hits": Double(hits), prefix + "samples_squared": samplesSquared,
            prefix + "samples_hits": samplesHits, prefix + "hits_squared": hitsSquared,
            prefix + "design_effect": designEffect(at: limit), prefix + "cautious_design_effect": cautiousDesignEffect(at: limit),
        ]
    }
}

extension QualityWatch.Sample {
    func statistics(prefix: String) -> [String: Double] {
        [
            prefix + "samples": Double(bet.count), prefix + "sum": bet.sum, prefix + "squares_about_limit": bet.squaresAboutLimit,
            prefix + "log_capital_above": bet.logWealthAbove, prefix + "log_capital_below": bet.logWealthBelow,
            prefix + "unit_squares_about_limit": units.cellSquares, prefix + "design_effect": units.designEffect,
            prefix + "cautious_design_effect": units.cautiousDesignEffect,
        ]
    }
}
