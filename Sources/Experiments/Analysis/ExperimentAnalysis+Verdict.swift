import Glibc
import Statistics

extension ExperimentAnalysis {
    /// Where an experiment is judged. Of alpha, four fifths are the primary metric's where there are guardrails, and all of it where
    /// there are none; each part is divided evenly over variants (and guardrails). Secondary metrics decide nothing.
    public func verdict() -> ExperimentVerdict {
        var verdict = ExperimentVerdict(
            outcome: .undecided, reason: "", division: division, readings: readings(), discoveries: discoveries(),
            variants: arms)
        verdict.sampleRatioPValue = shareWatch.pValue
        if let p = shareWatch.pValue, p < ShareWatch.alpha {
            let counts = arms.indices.map { "\(arms[$0]) \(Int(shareWatch.counts[$0]))" }.joined(separator: ", ")
            verdict.blockedBy = "sample ratio: units did not arrive at the planned shares (\(counts))"
            verdict.reason = "no comparison can be trusted while units are missing from a variant"
            verdict.stillNeeded = "find out why units are lost or counted twice, then begin anew"
            return verdict
        }
        if let stop = hurtGuardrail(verdict.readings) {
            (verdict.outcome, verdict.stoppedBy) = (.worse, stop)
            (verdict.winner, verdict.reason) = (arms[control], stop)
            return verdict
        }
        judge(&verdict)
        return verdict
    }

    private var primaryAlpha: Double {
        decision.alpha * (metrics.guardrails.isEmpty ? 1 : 0.8) / Double(rivalsEver)
    }

    private var guardrailAlpha: Double {
        decision.alpha * 0.2 / Double(max(1, metrics.guardrails.count)) / Double(rivalsEver)
    }

    /// Those that were retired had their part of alpha, and do not give it back.
    private var rivalsEver: Int { max(1, arms.count - 1) }

    /// The most that the chance of any false winner comes to when variants join: each one's part was spent before or after, so
    /// that those of n variants and of one more are at most all of alpha and an (n + 1)th.
    private var alphaWithJoined: Double {
        let last = rivalsEver
        return decision.alpha * ((last - (joined ?? 0) + 1)...last).reduce(1.0) { $0 + 1 / Double($1) }
    }

    private var division: String {
        let shares = metrics.guardrails.isEmpty ? "all of alpha" : "four fifths of alpha"
        let guards = metrics.guardrails.isEmpty ? "" : "; one fifth over \(metrics.guardrails.count) guardrails and the variants"
        let secondary = metrics.secondary.isEmpty ? "" : "; secondary metrics by e-BH"
        let later = joined.map { joined in
            "; \(joined) of them joined later: over the whole experiment at most \(Self.figure(alphaWithJoined)) in place of \(Self.figure(decision.alpha))"
        }
        return "primary metric: \(shares), divided over \(rivalsEver) variants\(later ?? "")\(guards)\(secondary)"
    }

    private func readings() -> [MetricReading] {
        evidence.enumerated().map { place, evidence in
            let isGuard = (1...metrics.guardrails.count + 1).contains(place) && place <= metrics.guardrails.count
            let alpha = place == 0 ? primaryAlpha : isGuard ? guardrailAlpha : decision.alpha
            return evidence.reading(alpha: alpha, adaptive: isAdaptive)
        }
    }

    /// Secondary metrics and variants whose differences stand together.
    private func discoveries() -> [String] {
        let secondary = evidence.dropFirst(1 + metrics.guardrails.count)
        let asked = secondary.flatMap { evidence in rivals.map { (evidence, $0) } }
        let values = asked.map { evidence, arm in evidence.comparison(of: arm, alpha: decision.alpha).logWealth(against: Line()) }
        let stands = Multiplicity.discoveries(logValues: values, alpha: decision.alpha)
        return zip(asked, stands).filter(\.1).map { "\($0.0.0.metric.name) of \(arms[$0.0.1])" }
    }

    /// A guardrail is hurt when it is proven that the figure is worse than control's by more than is allowed.
    private func hurtGuardrail(_ readings: [MetricReading]) -> String? {
        for (place, guardrail) in metrics.guardrails.enumerated() {
            let isUp = guardrail.metric.direction == .up
            for arm in rivals {
                let reading = readings[1 + place].arms[arm]
                guard let interval = reading.relativeInterval, let change = reading.relativeDifference else { continue }
                let least = isUp ? interval.upper.map { -$0 } : interval.lower
                guard let least, least > guardrail.maximumHarm else { continue }
                return """
                    \(guardrail.metric.name) of \(arms[arm]) is \(Self.percent(abs(change))) worse than control's, \
                    at least \(Self.percent(least)), and \(Self.percent(guardrail.maximumHarm)) is allowed
                    """
            }
        }
        return nil
    }

    private func judge(_ verdict: inout ExperimentVerdict) {
        let primary = verdict.readings[0]
        let sign: Double = metrics.primary.direction == .up ? 1 : -1
        let read = rivals.map { primary.arms[$0] }
        let standings = Dictionary(uniqueKeysWithValues: rivals.map { ($0, evidence[0].standing(of: $0, alpha: primaryAlpha)) })
        let better = read.filter { standings[$0.arm] == .better }
        if let best = better.max(by: { sign * ($0.difference ?? 0) < sign * ($1.difference ?? 0) }) {
            (verdict.outcome, verdict.winner) = (.better, arms[best.arm])
            verdict.reason = "\(arms[best.arm]) beats control: \(metrics.primary.name) \(Self.span(best))"
        } else if !read.isEmpty, standings.values.allSatisfy({ $0 == .worse }) {
            (verdict.outcome, verdict.winner) = (.worse, arms[control])
            verdict.reason = "\(read.map { "\(arms[$0.arm]) \(Self.span($0))" }.joined(separator: ", ")): worse than control"
        } else if !read.isEmpty, standings.values.allSatisfy({ $0 == .worse || $0 == .equivalent }) {
            let effect = Self.figure(metrics.primary.minimumEffect ?? 0)
            verdict.outcome = .equivalent
            verdict.reason = "no variant is better than control by as much as \(effect) in \(metrics.primary.name)"
        } else {
            undecided(&verdict, read)
        }
    }

    private func undecided(_ verdict: inout ExperimentVerdict, _ read: [ArmReading]) {
        let leading = read.filter { $0.difference != nil }.max { ($0.probabilityBest ?? 0) < ($1.probabilityBest ?? 0) }
        guard let leading, let difference = leading.difference else {
            verdict.reason = "nothing was observed yet of control and a variant both"
            verdict.stillNeeded = "values of \(metrics.primary.name) of every variant"
            return
        }
        verdict.reason = "\(metrics.primary.name) of \(arms[leading.arm]): \(Self.span(leading)), which may be nothing"
        let effect = max(abs(difference), metrics.primary.minimumEffect ?? 0)
        let comparison = evidence[0].comparison(of: leading.arm, alpha: primaryAlpha)
        let seen = Double(leading.units + verdict.readings[0].arms[control].units)
        guard let needed = Self.unitsMore(for: effect, comparison, seen: seen, alpha: primaryAlpha, power: decision.power) else {
            verdict.stillNeeded = "no difference to speak of so far: more units, or a larger minimum effect"
            return
        }
        // Beside these two, the other variants take their part of the traffic.
        let all = needed * Double(rivals.count + 1) / 2
        verdict.unitsNeeded = Int(min(all, 1e15))
        let assumed = effect > abs(difference) ? "the minimum effect" : "the difference seen"
        verdict.stillNeeded = "about \(max(1, Int(min(all, 1e15)))) more units, if the truth is \(assumed)"
    }

    /// Units of both beyond those seen, until this effect is told from none with this power: variances as they are now.
    static func unitsMore(
        for effect: Double, _ comparison: any Comparison, seen: Double, alpha: Double, power: Double
    ) -> Double? {
        let error = comparison.standardError
        guard effect > 0, error > 0, error.isFinite, seen > 0 else { return nil }
        let perUnit = error * error * seen / 4
        guard let all = SampleSize.sequential(effect: effect, variances: (perUnit, perUnit), alpha: alpha, power: power) else {
            return nil
        }
        return max(0, all - seen)
    }

    // MARK: words

    private static func span(_ reading: ArmReading) -> String {
        let (lower, upper) = (reading.lower.map(signed) ?? "...", reading.upper.map(signed) ?? "...")
        return "\(signed(reading.difference ?? 0)) [\(lower), \(upper)]"
    }

    private static func signed(_ value: Double) -> String { (value > 0 ? "+" : "") + figure(value) }
    private static func percent(_ fraction: Double) -> String { figure(fraction * 100) + " %" }

    /// Three digits that say something.
    static func figure(_ value: Double) -> String {
        guard value != 0, value.isFinite else { return value == 0 ? "0" : "\(value)" }
        let places = max(0, min(12, 2 - Int(log10(abs(value)).rounded(.down))))
        let power = pow(10.0, Double(places))
        let rounded = (value * power).rounded() / power
        return rounded == rounded.rounded() && abs(rounded) < 1e15 ? String(Int(rounded)) : "\(rounded)"
    }
}
