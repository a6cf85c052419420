import Statistics

/// A contextual choice: each arm's reward is believed to be linear in what describes a request, and the arms' beliefs are
/// compared at the gateway.
///
/// A unit's hash picks one of 10 000 draws, for ever. The draw decides everything that chance decides: whether the unit explores
/// (the floor), which quantile of each arm's belief counts (`linTS`), and who wins a tie. So a unit's answer changes only when
/// the beliefs or what describes it change, and the probability of an arm is the number of draws in which it is chosen.
public struct Scorer: Equatable, Sendable {
    public enum Rule: Equatable, Sendable, Codable {
        /// The upper end of what is believed: mean + alpha * deviation (Li et al. 2010).
        case linUCB(alpha: Double)
        /// A draw of what is believed: mean + alpha * z * deviation, z of the unit's draw and the arm (Agrawal and Goyal 2013).
        case linTS(alpha: Double)
    }

    /// What is believed of one arm's coefficients, the constant term last.
    public struct Arm: Equatable, Sendable {
        public var mean: [Float]
        /// The lower triangle, row by row, of L with L L^T = covariance.
        public var factor: [Float]
        /// A retired arm keeps its number and is never chosen.
        public var isLive: Bool

        public init(mean: [Float], factor: [Float], isLive: Bool = true) {
            precondition(factor.count == mean.count * (mean.count + 1) / 2, "a factor has d (d + 1) / 2 numbers")
            (self.mean, self.factor, self.isLive) = (mean, factor, isLive)
        }
    }

    /// The most numbers that describe a request, the constant not counted.
    public static let featuresMax = 255
    public static let draws = DrawLattice.usualCount

    public let rule: Rule
    public let features: [ScorerFeature]
    public let arms: [Arm]
    /// The least share of each live arm in basis points, whatever describes the request.
    public let floor: Int
    public let seed: UInt64

    private let lattice: DrawLattice
    private let live: [Int]
    /// Draws that explore, for each live arm.
    private let exploring: Int
    /// The rows of all arms' factors one after the other, each padded with zeros to whole vectors.
    private let rows: [SIMD8<Float>]
    /// Where each row of an arm's factor begins, and where the arm ends.
    private let starts: [Int]
    private let means: [Float]

    public init(rule: Rule, features: [ScorerFeature], arms: [Arm], floor: Int, seed: UInt64) {
        let length = features.reduce(1) { $0 + $1.width }
        precondition(length - 1 <= Scorer.featuresMax, "a request is described by at most 255 numbers")
        precondition(arms.allSatisfy { $0.mean.count == length }, "each arm has a mean for each number and the constant")
        precondition(arms.contains(where: \.isLive), "a scorer needs a live arm")
        (self.rule, self.features, self.arms, self.floor, self.seed) = (rule, features, arms, floor, seed)
        lattice = DrawLattice(arms: arms.count, seed: seed)
        live = arms.indices.filter { arms[$0].isLive }
        exploring = min(max(0, floor), Scorer.draws / live.count)
        rows = arms.flatMap { Scorer.padded($0.factor, length) }
        starts = (0..<length).reduce(into: [0]) { $0.append($0[$1] + $1 / 8 + 1) }
        means = arms.flatMap(\.mean)
    }

    /// How many numbers describe a request, the constant not counted.
    public var dimensions: Int { arms[0].mean.count - 1 }

    /// The same scorer, but for what is believed of one arm.
    public func replacing(arm: Int, by belief: Arm) -> Scorer {
        var arms = arms
        arms[arm] = belief
        return Scorer(rule: rule, features: features, arms: arms, floor: floor, seed: seed)
    }

    /// The arm for a unit. Allocates nothing: the gateway asks for it.
    public func choose(unit: UInt64, features: Span<Float>) -> Int { choose(draw: draw(of: unit), features) }

    public func choose(unit: UInt64, features: [Double]) -> Int {
        let numbers = features.map(Float.init)
        return choose(unit: unit, features: numbers.span)
    }

    /// The unit's draw: 10 000 equally likely ones.
    private func draw(of unit: UInt64) -> Int { UnitID(hash: unit).bucket(salt: UnitID.mixed(~seed), of: Scorer.draws) }

    private func choose(draw: Int, _ features: Span<Float>) -> Int {
        if draw < exploring * live.count { return live[draw / exploring] }
        return unsafe Description.read(features, length: dimensions + 1) { request in
            var best = (arm: live[draw % live.count], value: -Float.infinity)
            // Equal values: the first one looked at wins, and who that is goes round with the draw.
            for turn in 0..<live.count {
                let arm = live[(draw + turn) % live.count]
                let belief = unsafe belief(of: arm, request)
                let value = belief.mean + belief.deviation * stretch(draw: draw, arm: arm)
                if value > best.value { best = (arm, value) }
            }
            return best.arm
        }
    }

    /// The probability of each arm for a unit so described, in basis points: exactly the draws in which it is chosen.
    public func propensities(features: Span<Float>) -> [Int] {
        var counts = Array(repeating: 0, count: arms.count)
        for arm in live { counts[arm] = exploring }
        var beliefs = Array(repeating: Belief(mean: 0, deviation: 0), count: arms.count)
        unsafe Description.read(features, length: dimensions + 1) { request in
            for arm in live { unsafe beliefs[arm] = belief(of: arm, request) }
        }
        if case .linUCB(let alpha) = rule {
            // No draw changes a value: where one arm is ahead, it has them all.
            let values = live.map { beliefs[$0].mean + beliefs[$0].deviation * Float(alpha) }
            if let top = values.max(), values.count(where: { $0 == top }) == 1, let place = values.firstIndex(of: top) {
                counts[live[place]] += Scorer.draws - exploring * live.count
                return counts
            }
        }
        for draw in (exploring * live.count)..<Scorer.draws {
            var best = (arm: live[draw % live.count], value: -Float.infinity)
            for turn in 0..<live.count {
                let arm = live[(draw + turn) % live.count]
                let value = beliefs[arm].mean + beliefs[arm].deviation * stretch(draw: draw, arm: arm)
                if value > best.value { best = (arm, value) }
            }
            counts[best.arm] += 1
        }
        return counts
    }

    public func propensities(features: [Double]) -> [Int] {
        let numbers = features.map(Float.init)
        return propensities(features: numbers.span)
    }

    /// How many deviations above its mean an arm counts in a draw.
    private func stretch(draw: Int, arm: Int) -> Float {
        switch rule {
        case .linUCB(let alpha): Float(alpha)
        case .linTS(let alpha): Float(alpha) * Scorer.normals[lattice.rank(draw: draw, arm: arm)]
        }
    }

    /// The standard normal's quantiles at (i + 1/2)/10 000.
    private static let normals = QuantileSweep(mode: 0, scale: 1) { -$0 * $0 / 2 }.quantiles(count: draws).map(Float.init)
}

// MARK: - What is believed of one request

extension Scorer {
    private struct Belief {
        var mean: Float
        var deviation: Float
    }

    /// What describes a request, without its zeros, and room to add up in: all on the stack.
    @unsafe private struct Description {
        let rows: UnsafeMutableBufferPointer<UInt8>
        let values: UnsafeMutableBufferPointer<Float>
        let count: Int
        let sums: UnsafeMutableBufferPointer<SIMD8<Float>>

        /// Numbers that are missing are 0; the constant 1 stands behind them.
        static func read<R>(_ features: Span<Float>, length: Int, _ body: (Description) -> R) -> R {
            // A KiB each at most: more would not be on the stack.
            unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length) { rows in
                unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: length) { values in
                    unsafe withUnsafeTemporaryAllocation(of: SIMD8<Float>.self, capacity: (length + 7) / 8) { sums in
                        var count = 0
                        for row in 0..<min(length - 1, features.count) where features[row] != 0 {
                            unsafe rows.initializeElement(at: count, to: UInt8(truncatingIfNeeded: row))
                            unsafe values.initializeElement(at: count, to: features[row])
                            count += 1
                        }
                        unsafe rows.initializeElement(at: count, to: UInt8(truncatingIfNeeded: length - 1))
                        unsafe values.initializeElement(at: count, to: 1)
                        return unsafe body(Description(rows: rows, values: values, count: count + 1, sums: sums))
                    }
                }
            }
        }
    }

    /// Mean x.mu and deviation |L^T x| of an arm's reward: L's rows are added up, each as often as its feature says.
    @unsafe private func belief(of arm: Int, _ request: Description) -> Belief {
        let (length, count) = unsafe (starts.count - 1, request.count)
        let wide = (length + 7) / 8
        for i in 0..<wide { unsafe request.sums.initializeElement(at: i, to: .zero) }
        unsafe rows.withUnsafeBufferPointer { rows in unsafe add(rows.baseAddress! + arm * starts[length], request) }
        var (mean, squares) = (Float(0), SIMD8<Float>.zero)
        for at in 0..<count { unsafe mean += request.values[at] * means[arm * length + Int(request.rows[at])] }
        for i in 0..<wide { unsafe squares += request.sums[i] * request.sums[i] }
        return Belief(mean: mean, deviation: squares.sum().squareRoot())
    }

    /// Adds up the rows that a request names. Every row named is one of the arm's, and none is longer than the sums.
    @unsafe private func add(_ arm: UnsafePointer<SIMD8<Float>>, _ request: Description) {
        let (sums, count) = unsafe (request.sums.baseAddress!, request.count)
        var at = 0
        // Four rows in one go, as far as the shortest reaches: the sums are then read and written a quarter as often.
        while at + 3 < count {
            let (first, second) = unsafe (Int(request.rows[at]), Int(request.rows[at + 1]))
            let (third, fourth) = unsafe (Int(request.rows[at + 2]), Int(request.rows[at + 3]))
            let (w, x) = unsafe (request.values[at], request.values[at + 1])
            let (y, z) = unsafe (request.values[at + 2], request.values[at + 3])
            let (p, q) = unsafe (arm + starts[first], arm + starts[second])
            let (r, s) = unsafe (arm + starts[third], arm + starts[fourth])
            let common = first / 8 + 1
            for i in 0..<common { unsafe sums[i] += (p[i] * w + q[i] * x) + (r[i] * y + s[i] * z) }
            for i in common..<max(common, second / 8 + 1) { unsafe sums[i] += q[i] * x }
            for i in common..<max(common, third / 8 + 1) { unsafe sums[i] += r[i] * y }
            for i in common..<max(common, fourth / 8 + 1) { unsafe sums[i] += s[i] * z }
            at += 4
        }
        while at < count {
            let (row, x) = unsafe (Int(request.rows[at]), request.values[at])
            let p = unsafe arm + starts[row]
            for i in 0..<(row / 8 + 1) { unsafe sums[i] += p[i] * x }
            at += 1
        }
    }

    private static func padded(_ factor: [Float], _ length: Int) -> [SIMD8<Float>] {
        var rows: [SIMD8<Float>] = []
        var place = 0
        for row in 0..<length {
            for start in stride(from: 0, through: row, by: 8) {
                var vector = SIMD8<Float>.zero
                for i in start...min(start + 7, row) { vector[i - start] = factor[place + i] }
                rows.append(vector)
            }
            place += row + 1
        }
        return rows
    }
}
