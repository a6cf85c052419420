/// What each arm's reward is expected to be, for the doubly robust estimate: ridge regression on what described the request, or
/// the arm's mean where nothing did. A row's expectation comes from the rows of other units alone.
enum RewardModel {
    private static let folds = 5

    /// For each row: the expected reward under the wanted probabilities, and the weighted error of what was expected of the arm
    /// that was shown.
    static func scores(_ log: ReplayLog, units: UnitSlots, wanted: [[Double]], weights: [Double]) -> [Double] {
        let width = log.rows.map(\.features.count).min() ?? 0
        let used = width <= Bandit.featuresMax ? width : 0
        var scores = Array(repeating: 0.0, count: log.rows.count)
        for fold in 0..<folds {
            // The ridge draws towards 0: rewards are taken less the mean of all.
            let others = log.rows.indices.filter { units.fold(of: $0, of: folds) != fold }
            guard !others.isEmpty else { continue }
            let center = others.reduce(0) { $0 + log.rows[$1].value } / Double(others.count)
            var evidence = log.arms.map { _ in LinearEvidence(dimensions: used + 1) }
            for row in others {
                evidence[log.rows[row].arm].add(
                    features: log.rows[row].features, value: log.rows[row].value - center, weight: 1, sign: 1, isEmpty: false)
            }
            let means = evidence.map { $0.posterior(today: 1).mean }
            for row in log.rows.indices where units.fold(of: row, of: folds) == fold {
                let x = log.rows[row].features.prefix(used) + [1]
                let expected = means.map { mean in center + zip(mean, x).reduce(0) { $0 + $1.0 * $1.1 } }
                let wish = zip(wanted[row], expected).reduce(0) { $0 + $1.0 * $1.1 }
                scores[row] = wish + weights[row] * (log.rows[row].value - expected[log.rows[row].arm])
            }
        }
        return scores
    }
}
