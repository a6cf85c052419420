/// The fixed draws that a bandit counts: `count` points with one coordinate for each arm, the same on every machine.
///
/// It is a lattice (Korobov): along each arm the points take every value (i + 1/2)/count once, and any two arms are spread
/// evenly over the square, so that counting errs much less than with random points. An arm added later changes no other's points.
public struct DrawLattice: Equatable, Sendable {
    /// Draws are shares of 10 000 basis points, one each, unless said otherwise.
    public static let usualCount = 10_000

    public let count: Int
    private let steps: [Int]
    private let shifts: [Int]

    public init(count: Int = usualCount, arms: Int, seed: UInt64) {
        precondition(count > 1 && arms > 0, "a lattice needs points and arms")
        self.count = count
        steps = DrawLattice.steps(count: count, arms: arms)
        var random = SplitMix64(seed: seed)
        shifts = (0..<arms).map { _ in Int(random.next() % UInt64(count)) }
    }

    /// Which of its `count` equally likely values the arm has in this draw: its quantile is at (rank + 1/2)/count.
    @inline(__always)
    public func rank(draw: Int, arm: Int) -> Int { (draw * steps[arm] + shifts[arm]) % count }

    /// The arm's rank in the draw after the one where it has `rank`: the same, without a division.
    @inline(__always)
    public func next(_ rank: Int, arm: Int) -> Int {
        let next = rank + steps[arm]
        return next < count ? next : next - count
    }

    /// Two arms' points fill the square evenly when the ratio of their steps has a continued fraction of small quotients
    /// (Zaremba 1966): of some candidates, each arm takes the one whose worst ratio to the arms before it is best.
    private static func steps(count: Int, arms: Int) -> [Int] {
        var random = SplitMix64(seed: 0x9e37_79b9_7f4a_7c15)
        var steps = [1]
        while steps.count < arms {
            var best = (step: 1, worst: Int.max)
            for _ in 0..<64 {
                let step = Int(random.next() % UInt64(count))
                guard let inverse = inverse(of: step, modulo: count) else { continue }
                let worst = steps.reduce(0) { max($0, largestQuotient($1 * inverse % count, count)) }
                if worst < best.worst { best = (step, worst) }
            }
            steps.append(best.step)
        }
        return steps
    }

    /// The largest partial quotient of part/whole.
    private static func largestQuotient(_ part: Int, _ whole: Int) -> Int {
        var (a, b, largest) = (whole, part, 0)
        while b > 0 { (a, b, largest) = (b, a % b, max(largest, a / b)) }
        return largest
    }

    /// By Euclid's algorithm; nil where there is none.
    private static func inverse(of value: Int, modulo count: Int) -> Int? {
        var (r, next, s, after) = (count, value, 0, 1)
        while next != 0 {
            let quotient = r / next
            (r, next, s, after) = (next, r - quotient * next, after, s - quotient * after)
        }
        return r == 1 ? (s + count) % count : nil
    }
}
