import Statistics

extension GateBoard {
    func finding(_ gate: Gate, _ watch: IncreaseWatch) -> Finding {
        let (ours, theirs) = (watch.candidate, watch.stable)
        let effects = (measured: watch.designEffect, cautious: watch.cautiousDesignEffect)
        var evidence = Evidence(
            seen: nil, lower: nil, upper: nil, samples: ours.samples, logWealthAgainstGood: watch.logWealthAgainstGood,
            logWealthAgainstBad: watch.logWealthAgainstBad, statistics: statistics(watch, effects))
        if ours.hits + theirs.hits > 0 {
            switch watch.subject {
            case .errors:
                let interval = RatioInterval(
                    watch.book.strata, designEffect: effects.measured, cautious: effects.cautious, alphaBelow: budget.failAlpha,
                    alphaAbove: budget.passAlpha)
                evidence.seen = RateRatioTest.seen(watch.book.strata)
                (evidence.lower, evidence.upper) = (interval.lower, interval.upper)
            case .slower:
                (evidence.seen, evidence.lower, evidence.upper) = latencyRatios(watch, effects)
            }
        }
        if ours.samples > 0, theirs.samples > 0 {
            evidence.statistics[Finding.moreNeeded] = Projection.more(samples: Double(ours.samples), budget) { scale, isHarm in
                isHarm ? watch.logWealthAgainstGood(scale: scale) : watch.logWealthAgainstBad(scale: scale)
            }
        }
        return Finding(
            evidence: evidence, noun: "answers", summary: summary(watch, evidence, Figure(gate)), nothing: nothing(watch),
            notes: repetition(effects.cautious, Double(ours.samples + theirs.samples), "answers"))
    }

    /// The candidate's p95 as a multiple of the stable one, and the multiples at which the number of slower answers would just
    /// decide, with all strata taken as one: for display.
    private func latencyRatios(
        _ watch: IncreaseWatch, _ effects: (measured: Double, cautious: Double)
    ) -> (Double?, Double?, Double?) {
        var pooled = watch.book.strata.filter { $0.share > 0 && $0.share < 1 }.reduce(into: RatioStratum()) { $0.merge($1) }
        guard pooled.candidateSamples > 0, pooled.stableSamples > 0 else { return (nil, nil, nil) }
        let total = Double(pooled.candidateSamples)
        func multiple(_ slower: Double) -> Double? {
            watch.relative.quantile(min(1, max(0, 1 - slower / total))).map { $0 / IncreaseWatch.relativeUnit }
        }
        let equal = Double(pooled.stableHits) / Double(pooled.stableSamples) * total
        func wealths(_ hits: Double) -> (good: Double, bad: Double) {
            pooled.candidateHits = Int64(hits)
            return (
                watch.test.logWealthAbove([pooled], designEffect: effects.measured),
                watch.test.logWealthBelow([pooled], designEffect: effects.cautious)
            )
        }
        let most = Bisection.edge(from: equal, to: total) { wealths($0).good >= budget.failLogWealth }
        let least = Bisection.edge(from: 0, to: equal) { wealths($0).bad < budget.passLogWealth }
        let isLowerKnown = wealths(total).good >= budget.failLogWealth
        let isUpperKnown = wealths(0).bad >= budget.passLogWealth
        return (multiple(equal), isLowerKnown ? multiple(most) : nil, isUpperKnown ? multiple(least) : nil)
    }

    private func statistics(_ watch: IncreaseWatch, _ effects: (measured: Double, cautious: Double)) -> [String: Double] {
        var statistics = [
            "candidate_samples": Double(watch.candidate.samples), "candidate_hits": Double(watch.candidate.hits),
            "stable_samples": Double(watch.stable.samples), "stable_hits": Double(watch.stable.hits),
            "strata": Double(watch.book.strata.count), "design_effect": effects.measured,
            "cautious_design_effect": effects.cautious,
        ]
        if let threshold = watch.reference.microseconds {
            statistics["stable_p95_ms"] = threshold / 1_000
            statistics["epochs"] = Double(watch.reference.epochs)
        }
        for (place, stratum) in watch.book.strata.enumerated() {
            statistics["stratum_\(place)_candidate_samples"] = Double(stratum.candidateSamples)
            statistics["stratum_\(place)_candidate_hits"] = Double(stratum.candidateHits)
            statistics["stratum_\(place)_stable_samples"] = Double(stratum.stableSamples)
            statistics["stratum_\(place)_stable_hits"] = Double(stratum.stableHits)
        }
        return statistics
    }

    private func summary(_ watch: IncreaseWatch, _ evidence: Evidence, _ figure: Figure) -> String {
        let (ours, theirs) = (watch.candidate, watch.stable)
        let counts =
            "\(Figure.count(ours.hits)) of \(Figure.count(ours.samples)) against \(Figure.count(theirs.hits)) of \(Figure.count(theirs.samples))"
        let what = watch.subject == .errors ? "failed" : "slower than the stable p95 and what is allowed on it"
        guard let seen = evidence.seen else { return "\(counts) \(what)" }
        return "\(figure.text(seen)) \(figure.interval(evidence.lower, evidence.upper)) (\(counts) \(what))"
    }

    private func nothing(_ watch: IncreaseWatch) -> String? {
        if watch.candidate.samples > 0, watch.stable.samples > 0 { return nil }
        if watch.subject != .errors, watch.reference.microseconds == nil {
            return "the stable version's p95 is not known yet: it takes \(StableQuantile.firstWindow) of its answers"
        }
        if watch.candidate.samples == 0 { return noAnswers }
        return "no answers of the stable version to compare with"
    }
}
