extension Verdict {
    /// For `release explain`: what would have changed this verdict, from its evidence alone.
    public var whatWouldChange: String {
        guard let measure = Gate.Measure(rawValue: gate) else { return "nothing is known of the gate \(gate)" }
        let gate = Gate(measure, limit: limit)
        let figure = Figure(gate)
        return switch outcome {
        case .fail: failed(measure, figure)
        case .pass: passed(measure, figure)
        case .undecided: undecided(measure)
        }
    }

    private func failed(_ measure: Gate.Measure, _ figure: Figure) -> String {
        let bound = measure.isAtLeast ? "at least" : "at most"
        let head = "would have passed with \(bound) \(figure.limitText)"
        guard let end = measure.isAtLeast ? evidence.lower : evidence.upper else { return head }
        let other = measure.isAtLeast ? "at or below" : "at or above"
        return "\(head), or under a limit \(other) \(figure.text(end))"
    }

    private func passed(_ measure: Gate.Measure, _ figure: Figure) -> String {
        guard let end = measure.isAtLeast ? evidence.lower : evidence.upper else { return "a stricter limit was not examined" }
        return "would not have passed under a limit \(measure.isAtLeast ? "above" : "below") \(figure.text(end))"
    }

    private func undecided(_ measure: Gate.Measure) -> String {
        let noun = measure == .quality ? "labels" : measure == .coverage ? "requests to the candidate" : "answers"
        guard evidence.samples > 0 else { return "would be decided by \(noun): there are none yet" }
        guard let more = evidence.statistics[Finding.moreNeeded] else {
            return "no number of \(noun) within reach: what was seen is too close to the limit"
        }
        return "would be decided by about \(Figure.about(more)) more \(noun) like those seen"
    }
}
