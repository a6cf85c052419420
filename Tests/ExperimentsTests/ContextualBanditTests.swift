import Experiments
import JSON
import Routing
import Statistics
import Testing

@Suite struct ContextualBanditTests {
    private let features = [
        ScorerFeature(name: "x", source: .json(pointer: "/x"), kind: .number(center: 0, scale: 1)),
        ScorerFeature(name: "plan", source: .header("X-Plan"), kind: .category(["free", "paid"])),
    ]

    private func bandit(_ strategy: Allocation.Strategy = .linTS, warmUp: Int = 0, discount: Int64? = nil) -> Bandit {
        Bandit(
            Allocation(strategy: strategy, floor: 0, warmUp: warmUp, discount: discount, exploration: 0.25), arms: 2, seed: 3,
            features: 3)
    }

    @Test(arguments: [Allocation.Strategy.linUCB, .linTS])
    func `it learns whom each arm suits`(strategy: Allocation.Strategy) throws {
        var bandit = bandit(strategy)
        var random = SplitMix64(seed: 1)
        var wrong = 0
        for i in 0..<600 {
            let x = random.unit() * 2 - 1
            let isPaid = random.next() % 2 == 0
            let context = [x, isPaid ? 0 : 1, isPaid ? 1 : 0]
            let scorer = try #require(bandit.scorer(features: features, at: 0))
            let arm = scorer.choose(unit: random.next(), features: context)
            // Arm 1 suits paying users with x > -0.2, and free ones with x > 0.5.
            let gain = isPaid ? x + 0.2 : x - 0.5
            let chance = arm == 1 ? 0.5 + 0.4 * gain : 0.5
            if i >= 400, (arm == 1) != (gain > 0), abs(gain) > 0.4 { wrong += 1 }
            bandit.reward(arm: arm, value: random.unit() < chance ? 1 : 0, features: context, at: 0)
        }
        #expect(wrong < 40, "\(wrong) of some 120 clear cases in the last 200")
    }

    @Test func `the belief is ridge regression's`() throws {
        var bandit = bandit()
        var random = SplitMix64(seed: 8)
        var rows: [([Double], Double)] = []
        for _ in 0..<50 {
            let x = [random.unit(), random.unit() * 3 - 1, Double(random.next() % 2)]
            let value = random.unit()
            rows.append((x, value))
            bandit.reward(arm: 1, value: value, features: x, at: 0)
        }
        let arm = bandit.scorerArm(1, at: 0)
        // The gradient of |y - Xm|^2 + |m|^2 is zero at the mean.
        var gradient = arm.mean.map { -Double($0) }
        var precision = (0..<4).map { row in (0..<4).map { row == $0 ? 1.0 : 0 } }
        for (x, value) in rows {
            let x = x + [1]
            let error = value - zip(x, arm.mean).reduce(0) { $0 + $1.0 * Double($1.1) }
            for i in 0..<4 {
                gradient[i] += error * x[i]
                for j in 0..<4 { precision[i][j] += x[i] * x[j] }
            }
        }
        #expect(gradient.allSatisfy { abs($0) < 1e-4 }, "\(gradient)")
        // L L^T times the precision is one.
        func l(_ row: Int, _ column: Int) -> Double { column <= row ? Double(arm.factor[row * (row + 1) / 2 + column]) : 0 }
        for i in 0..<4 {
            for j in 0..<4 {
                let product = (0..<4).reduce(0.0) { sum, k in
                    sum + (0..<4).reduce(0.0) { $0 + l(i, $1) * l(k, $1) } * precision[k][j]
                }
                #expect(abs(product - (i == j ? 1 : 0)) < 1e-4)
            }
        }
    }

    @Test func `a reward taken back was never there, with and without discount`() {
        for discount in [nil, 5_000] as [Int64?] {
            var bandit = bandit(discount: discount)
            for i in 0..<40 {
                bandit.reward(arm: i % 2, value: Double(i % 3), features: [0.1 * Double(i), 1, 0], at: Int64(i) * 100)
            }
            var other = bandit
            for i in 0..<30 { other.reward(arm: 0, value: 9, features: [Double(i), -1, 2], at: Int64(i) * 70) }
            for i in 0..<30 { other.retract(arm: 0, value: 9, features: [Double(i), -1, 2], at: Int64(i) * 70) }
            let (one, two) = (bandit.scorerArm(0, at: 5_000), other.scorerArm(0, at: 5_000))
            #expect(zip(one.mean, two.mean).allSatisfy { abs($0 - $1) < 1e-4 })
            #expect(zip(one.factor, two.factor).allSatisfy { abs($0 - $1) < 1e-4 })
            var empty = self.bandit(discount: discount)
            let start = empty
            empty.reward(arm: 1, value: 1, features: [4, 4, 4], at: 77)
            empty.retract(arm: 1, value: 1, features: [4, 4, 4], at: 77)
            #expect(empty == start)
        }
    }

    @Test func `before warm-up all arms have an equal chance, whatever was earned`() throws {
        var bandit = bandit(warmUp: 10)
        #expect(bandit.scorer(features: features, at: 0)?.propensities(features: [0, 0, 1]) == [5_000, 5_000])
        for i in 0..<19 { bandit.reward(arm: i % 2, value: Double(i % 2), features: [0, 0, 1], at: 0) }
        #expect(bandit.scorer(features: features, at: 0)?.propensities(features: [0, 0, 1]) == [5_000, 5_000])
        bandit.reward(arm: 1, value: 1, features: [0, 0, 1], at: 0)
        let warm = try #require(bandit.scorer(features: features, at: 0)?.propensities(features: [0, 0, 1]))
        #expect(warm[1] > 9_000)
        #expect(Bandit(Allocation(strategy: .thompson), arms: 2, seed: 1).scorer(features: [], at: 0) == nil)
    }

    @Test func `arms come and go live`() throws {
        var bandit = bandit()
        for i in 0..<60 { bandit.reward(arm: i % 2, value: i % 2 == 0 ? 0.9 : 0.1, features: [1, 1, 0], at: 0) }
        bandit.addArm()
        let three = try #require(bandit.scorer(features: features, at: 0))
        #expect(three.arms.count == 3)
        // Nothing is known of the new one: it is tried.
        #expect(three.propensities(features: [1, 1, 0])[2] > 50)
        bandit.retireArm(0)
        let without = try #require(bandit.scorer(features: features, at: 0)).propensities(features: [1, 1, 0])
        #expect(without[0] == 0 && without.reduce(0, +) == 10_000)
    }

    @Test func `rewards of any scale are explored in their own unit`() throws {
        var (small, large) = (bandit(), bandit())
        var random = SplitMix64(seed: 4)
        for i in 0..<200 {
            let (x, reward) = ([random.unit(), 1.0, 0.0], random.unit() * 2 - 0.5)
            small.reward(arm: i % 2, value: reward, features: x, at: 0)
            large.reward(arm: i % 2, value: reward * 1_000, features: x, at: 0)
        }
        let context = [0.5, 1.0, 0.0]
        let one = try #require(small.scorer(features: features, at: 0)).propensities(features: context)
        let two = try #require(large.scorer(features: features, at: 0)).propensities(features: context)
        #expect(zip(one, two).allSatisfy { abs($0 - $1) <= 20 }, "\(one) and \(two)")
    }

    @Test func `it survives being written down`() throws {
        var bandit = bandit()
        for i in 0..<20 { bandit.reward(arm: i % 2, value: 0.3 * Double(i), features: [0.1 * Double(i), 1, 0], at: 0) }
        #expect(try JSONValue(encoding: bandit).decoded(as: Bandit.self) == bandit)
    }
}
