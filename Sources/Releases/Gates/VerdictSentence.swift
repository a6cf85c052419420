/// One sentence for a person about one verdict.
struct VerdictSentence {
    let gate: Gate
    let outcome: VerdictOutcome
    let finding: Finding
    let budget: ErrorBudget

    var text: String {
        ([head] + finding.notes).joined(separator: "; ")
    }

    private var head: String {
        let figure = Figure(gate)
        switch outcome {
        case .pass: return "\(summary(figure)) is \(gate.measure.isAtLeast ? relation(above: true) : "below") \(figure.limitText)"
        case .fail: return "\(summary(figure)) is \(gate.measure.isAtLeast ? "below" : "above") \(figure.limitText)"
        case .undecided: return finding.nothing ?? undecided(figure)
        }
    }

    private func relation(above: Bool) -> String { gate.measure == .coverage ? "at least" : "above" }

    private func summary(_ figure: Figure) -> String {
        let evidence = finding.evidence.agreeing(with: outcome, gate)
        let seen = evidence.seen.map(figure.text)
        switch gate.measure {
        case .coverage: return "\(seen ?? "nothing") (\(finding.summary ?? ""))"
        case .errorRateIncrease, .p95Increase:
            guard let seen else { return finding.summary ?? "" }
            return "\(seen) \(figure.interval(evidence.lower, evidence.upper)) over \(counted)"
        case .p50Latency, .p95Latency, .p99Latency, .errorRate, .quality:
            return "\(seen ?? "nothing") \(figure.interval(evidence.lower, evidence.upper)) over \(counted)"
        }
    }

    private var counted: String { "\(Figure.count(finding.evidence.samples)) \(finding.noun)" }

    private func undecided(_ figure: Figure) -> String {
        let noun = gate.measure == .quality ? "labels" : finding.noun
        guard let more = finding.evidence.statistics[Finding.moreNeeded] else {
            return "\(summary(figure)): too close to \(figure.limitText) to say how many more \(noun) it takes"
        }
        if gate.measure == .coverage {
            return "needs about \(Figure.about(more)) more requests to the candidate: it has \(summary(figure))"
        }
        return "needs about \(Figure.about(more)) more \(noun)"
    }
}
