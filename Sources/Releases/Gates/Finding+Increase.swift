import Glibc
import Statistics

extension GateBoard {
    func finding(_ gate: Gate, _ watch: IncreaseWatch) -> Finding {
        let shown = watch.shown
        let (ours, theirs) = (shown.candidate, shown.stable)
        let effects = (measured: shown.designEffect(watch.test), cautious: shown.cautiousDesignEffect(watch.test))
        let alphas = (fail: budget.failAlpha, pass: budget.passAlpha)
        var evidence = Evidence(
            seen: nil, lower: nil, upper: nil, samples: ours.samples, logWealthAgainstGood: watch.logWealthAgainstGood,
            logWealthAgainstBad: watch.logWealthAgainstBad, statistics: watch.all.statistics(watch.test))
        if let crowd = watch.crowd {
            evidence.statistics.merge(crowd.statistics(watch.test, prefix: Finding.crowd)) { $1 }
        }
        if let threshold = watch.reference.microseconds {
            evidence.statistics["stable_p95_ms"] = threshold / 1_000
            evidence.statistics["epochs"] = Double(watch.reference.epochs)
        }
        if ours.hits + theirs.hits > 0 {
            switch watch.subject {
            case .errors:
                let interval = RatioInterval(
                    shown.book.strata, designEffect: effects.measured, cautious: effects.cautious, alphaBelow: alphas.fail,
                    alphaAbove: alphas.pass)
                evidence.seen = RateRatioTest.seen(shown.book.strata)
                (evidence.lower, evidence.upper) = (interval.lower, interval.upper)
            case .slower:
                (evidence.seen, evidence.lower, evidence.upper) = latencyRatios(shown, watch.test, effects, alphas)
            }
        }
        if ours.samples > 0, theirs.samples > 0 {
            evidence.statistics[Finding.moreNeeded] = Projection.more(samples: Double(ours.samples), budget) { scale, isHarm in
                isHarm ? watch.logWealthAgainstGood(scale: scale) : watch.logWealthAgainstBad(scale: scale)
            }
        }
        return Finding(
            evidence: evidence, noun: "answers", summary: summary(shown, watch.subject, evidence, Figure(gate)),
            nothing: nothing(watch),
            notes: crowdNotes(watch.all.samples, watch.crowd?.samples, shown: shown.samples, "answers")
                ?? repetition(effects.cautious, Double(shown.samples), "answers"))
    }

    /// The candidate's p95 as a multiple of the stable one, and the multiples at which the number of slower answers would just
    /// decide, with all strata taken as one: for display.
    private func latencyRatios(
        _ shown: IncreaseWatch.Sample, _ test: RateRatioTest, _ effects: (measured: Double, cautious: Double),
        _ alphas: (fail: Double, pass: Double)
    ) -> (Double?, Double?, Double?) {
        var pooled = shown.book.strata.filter { $0.share > 0 && $0.share < 1 }.reduce(into: RatioStratum()) { $0.merge($1) }
        guard pooled.candidateSamples > 0, pooled.stableSamples > 0, let relative = shown.relative else { return (nil, nil, nil) }
        let total = Double(pooled.candidateSamples)
        func multiple(_ slower: Double) -> Double? {
            relative.quantile(min(1, max(0, 1 - slower / total))).map { $0 / IncreaseWatch.relativeUnit }
        }
        let equal = Double(pooled.stableHits) / Double(pooled.stableSamples) * total
        func wealths(_ hits: Double) -> (good: Double, bad: Double) {
            pooled.candidateHits = Int64(hits)
            return (
                test.logWealthAbove([pooled], designEffect: effects.measured),
                test.logWealthBelow([pooled], designEffect: effects.cautious)
            )
        }
        let most = Bisection.edge(from: equal, to: total) { wealths($0).good >= -log(alphas.fail) }
        let least = Bisection.edge(from: 0, to: equal) { wealths($0).bad < -log(alphas.pass) }
        let isLowerKnown = wealths(total).good >= -log(alphas.fail)
        let isUpperKnown = wealths(0).bad >= -log(alphas.pass)
        return (multiple(equal), isLowerKnown ? multiple(most) : nil, isUpperKnown ? multiple(least) : nil)
    }

    private func summary(
        _ shown: IncreaseWatch.Sample, _ subject: IncreaseWatch.Subject, _ evidence: Evidence, _ figure: Figure
    ) -> String {
        let (ours, theirs) = (shown.candidate, shown.stable)
        let counts =
            "\(Figure.count(ours.hits)) of \(Figure.count(ours.samples)) against \(Figure.count(theirs.hits)) of \(Figure.count(theirs.samples))"
        let what = subject == .errors ? "failed" : "slower than the stable p95 and what is allowed on it"
        guard let seen = evidence.seen else { return "\(counts) \(what)" }
        return "\(figure.text(seen)) \(figure.interval(evidence.lower, evidence.upper)) (\(counts) \(what))"
    }

    private func nothing(_ watch: IncreaseWatch) -> String? {
        if watch.all.candidate.samples > 0, watch.all.stable.samples > 0 { return nil }
        if watch.subject != .errors, watch.reference.microseconds == nil {
            return "the stable version's p95 is not known yet: it takes \(StableQuantile.firstWindow) of its answers"
        }
        if watch.all.candidate.samples == 0 { return noAnswers }
        return "no answers of the stable version to compare with"
    }
}

extension IncreaseWatch.Sample {
    var samples: Int64 { candidate.samples + stable.samples }

    fileprivate func statistics(_ test: RateRatioTest, prefix: String = "") -> [String: Double] {
        var statistics = [
            prefix + "candidate_samples": Double(candidate.samples), prefix + "candidate_hits": Double(candidate.hits),
            prefix + "stable_samples": Double(stable.samples), prefix + "stable_hits": Double(stable.hits),
            prefix + "strata": Double(book.strata.count), prefix + "design_effect": designEffect(test),
            prefix + "cautious_design_effect": cautiousDesignEffect(test),
        ]
        for (place, stratum) in book.strata.enumerated() {
            let name = "\(prefix)stratum_\(place)_"
            statistics[name + "candidate_samples"] = Double(stratum.candidateSamples)
            statistics[name + "candidate_hits"] = Double(stratum.candidateHits)
            statistics[name + "stable_samples"] = Double(stratum.stableSamples)
            statistics[name + "stable_hits"] = Double(stratum.stableHits)
        }
        return statistics
    }
}
