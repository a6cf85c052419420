import Experiments
import Routing
import Statistics

/// Handwritten digits as a contextual bandit: an image comes, one of ten digits is said, and only whether it was right is heard.
struct DigitStream {
    let images: [[Float]]
    let labels: [Int]
    let allocation: Allocation
    private let features: [ScorerFeature]

    /// Rows of the label and the pixels (0 to 16), with commas between.
    init?(csv: String, allocation: Allocation) {
        var (images, labels): ([[Float]], [Int]) = ([], [])
        for line in csv.split(separator: "\n") {
            let numbers = line.split(separator: ",").compactMap { Float(String($0)) }
            guard numbers.count > 1, numbers.count == (images.first?.count).map({ $0 + 1 }) ?? numbers.count else { return nil }
            labels.append(Int(numbers[0]))
            images.append(Array(numbers.dropFirst()))
        }
        guard let width = images.first?.count, labels.allSatisfy((0..<10).contains) else { return nil }
        (self.labels, self.allocation) = (labels, allocation)
        features = (0..<width).map { .init(name: "p\($0)", source: .json(pointer: "/\($0)"), kind: .number(center: 0, scale: 1)) }
        self.images = images
    }

    /// Wrong answers in one pass over the images, in an order of the seed's.
    func errors(seed: UInt64) -> Int { pass(seed: seed).errors }

    private func pass(seed: UInt64) -> (errors: Int, scorer: Scorer) {
        var random = SplitMix64(seed: seed)
        var bandit = Bandit(allocation, arms: 10, seed: seed, features: features.reduce(0) { $0 + $1.width })
        guard var scorer = bandit.scorer(features: features, at: 0) else { preconditionFailure("warm-up must be 0") }
        var errors = 0
        for row in images.indices.shuffled(using: &random) {
            let image = images[row]
            let arm = scorer.choose(unit: random.next(), features: image.span)
            let isRight = arm == labels[row]
            errors += isRight ? 0 : 1
            bandit.reward(arm: arm, value: isRight ? 1 : 0, features: image.map(Double.init), at: 0)
            scorer = scorer.replacing(arm: arm, by: bandit.scorerArm(arm, at: 0))
        }
        return (errors, scorer)
    }

    /// Nanoseconds of one decision with what was learned in one pass.
    func decisionCost() -> Double {
        let scorer = pass(seed: 1).scorer
        var sum = 0
        let cost = Stopwatch.nanoseconds(each: images.count) {
            for row in images.indices {
                let image = images[row]
                sum += scorer.choose(unit: UInt64(row), features: image.span)
            }
        }
        precondition(sum >= 0)
        return cost
    }
}
