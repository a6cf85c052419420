import JSON
import Routing
import Statistics
import Testing

@Suite struct ScorerTests {
    /// Arms with beliefs of the seed's over `count` numbers.
    private func scorer(
        _ rule: Scorer.Rule, arms: Int, count: Int, floor: Int = 0, seed: UInt64, retired: Int? = nil
    ) -> Scorer {
        var random = SplitMix64(seed: seed)
        let features = (0..<count).map {
            ScorerFeature(name: "f\($0)", source: .json(pointer: "/\($0)"), kind: .number(center: 0, scale: 1))
        }
        let beliefs = (0..<arms).map { arm in
            Scorer.Arm(
                mean: (0...count).map { _ in Float(random.unit() - 0.5) },
                factor: (0..<((count + 1) * (count + 2) / 2)).map { _ in Float(random.unit() - 0.4) }, isLive: arm != retired)
        }
        return Scorer(rule: rule, features: features, arms: beliefs, floor: floor, seed: seed)
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    func `an arm's value is its mean and so many deviations, whatever the number of features`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let count = Int.random(in: 0...80, using: &random)
        let x = (0..<count).map { _ in random.unit() < 0.3 ? 0 : random.unit() * 2 - 1 }
        let scorer = scorer(.linUCB(alpha: 0.7), arms: 4, count: count, seed: seed)
        // The plain formula, in double precision.
        let values = scorer.arms.map { arm in
            let x = x + [1]
            let mean = zip(arm.mean, x).reduce(0) { $0 + Double($1.0) * $1.1 }
            let squares = (0...count).reduce(0.0) { sum, column in
                let part = (column...count).reduce(0.0) { $0 + Double(arm.factor[$1 * ($1 + 1) / 2 + column]) * x[$1] }
                return sum + part * part
            }
            return mean + 0.7 * squares.squareRoot()
        }
        let order = values.indices.sorted { values[$0] > values[$1] }
        guard values[order[0]] - values[order[1]] > 1e-4 else { return }
        for _ in 0..<20 { #expect(scorer.choose(unit: random.next(), features: x) == order[0], "seed \(seed)") }
        #expect(scorer.propensities(features: x)[order[0]] == 10_000)
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func `propensities are what units meet`(seed: UInt64) {
        var random = SplitMix64(seed: seed ^ 99)
        let scorer = scorer(
            seed % 2 == 0 ? .linTS(alpha: 0.5) : .linUCB(alpha: 0.5), arms: 3, count: 4, floor: 400, seed: seed,
            retired: seed % 3 == 0 ? 1 : nil)
        let x = (0..<4).map { _ in random.unit() * 2 - 1 }
        let propensities = scorer.propensities(features: x)
        #expect(propensities.reduce(0, +) == 10_000)
        #expect(propensities.indices.allSatisfy { scorer.arms[$0].isLive ? propensities[$0] >= 400 : propensities[$0] == 0 })
        var counts = [0, 0, 0]
        let units = 6_000
        for _ in 0..<units { counts[scorer.choose(unit: random.next(), features: x)] += 1 }
        for arm in 0..<3 {
            let p = Double(propensities[arm]) / 10_000
            let error = Double(counts[arm]) - p * Double(units)
            #expect(abs(error) <= 5 * (Double(units) * p * (1 - p)).squareRoot(), "seed \(seed): \(propensities) \(counts)")
        }
    }

    @Test func `a draw counts the belief's own probabilities`() {
        // Two arms with one number each: the difference of their values is normal with deviation sqrt(2).
        let arms = [Scorer.Arm(mean: [0.0], factor: [1]), Scorer.Arm(mean: [1.0], factor: [1])]
        let scorer = Scorer(rule: .linTS(alpha: 1), features: [], arms: arms, floor: 0, seed: 4)
        // Phi(1/sqrt 2) = .76025
        #expect(abs(scorer.propensities(features: [])[1] - 7_602) <= 15)
    }

    @Test func `arms believed alike share the units`() {
        let arms = Array(repeating: Scorer.Arm(mean: [0.3, 0.1], factor: [0.5, 0.2, 0.4]), count: 4)
        let features = [ScorerFeature(name: "x", source: nil, kind: .flag)]
        for rule in [Scorer.Rule.linUCB(alpha: 1), .linTS(alpha: 1)] {
            let shares = Scorer(rule: rule, features: features, arms: arms, floor: 0, seed: 1).propensities(features: [1])
            #expect(shares.allSatisfy { abs($0 - 2_500) <= 40 }, "\(shares)")
        }
    }

    @Test func `a belief that moves a little moves few units`() {
        let before = scorer(.linTS(alpha: 0.5), arms: 3, count: 6, seed: 11)
        var arm = before.arms[1]
        arm.mean[0] += 0.01
        let after = before.replacing(arm: 1, by: arm)
        var random = SplitMix64(seed: 2)
        let x = (0..<6).map { _ in random.unit() }
        let moved = (0..<4_000).count { _ in
            let unit = random.next()
            return before.choose(unit: unit, features: x) != after.choose(unit: unit, features: x)
        }
        #expect(moved < 60, "\(moved) of 4 000")
        #expect(before.choose(unit: 5, features: x) == before.choose(unit: 5, features: x))
    }

    @Test func `missing and impossible numbers choose some live arm`() {
        let scorer = scorer(.linTS(alpha: 0.5), arms: 3, count: 5, seed: 6, retired: 0)
        #expect(scorer.choose(unit: 1, features: []) != 0)
        #expect(scorer.choose(unit: 2, features: [.nan, .infinity, 1, 1, 1]) != 0)
        #expect(scorer.choose(unit: 3, features: [1, 1, 1, 1, 1, 7, 7, 7]) != 0)
    }

    @Test func `it survives being written down, to the bit`() throws {
        let scorer = scorer(.linUCB(alpha: 0.25), arms: 3, count: 9, floor: 100, seed: 8, retired: 2)
        let json = JSONValue(encoding: scorer)
        #expect(try json.decoded(as: Scorer.self) == scorer)
        guard case .object(var broken) = json else { return }
        broken["arms"] = []
        #expect(throws: (any Error).self) { try JSONValue.object(broken).decoded(as: Scorer.self) }
    }
}

@Suite struct ScorerFeatureTests {
    private func encoded(_ kind: ScorerFeature.Kind, _ text: String) -> [Float] {
        let feature = ScorerFeature(name: "f", source: .header("X-F"), kind: kind)
        var numbers = Array(repeating: Float(9), count: feature.width + 1)
        var span = numbers.mutableSpan
        let end = feature.encode(feature.value(of: text), into: &span, at: 0)
        return end == feature.width && numbers.last == 9 ? Array(numbers.dropLast()) : []
    }

    @Test(arguments: [
        ("12", 0.2 as Float), ("-12.5e1", -13.5), ("+7.25", -0.275), ("", 0), ("12 ", 0), ("1e", 0), (".5", -0.95), ("1.2.3", 0),
        ("1e999", 1_000), ("-1e999", -1_000), ("123456789012345678901234567890", 1_000), ("0x10", 0), ("nan", 0), ("1e-400", -1),
    ])
    func `a number is centred and scaled`(text: String, wanted: Float) {
        #expect(abs(encoded(.number(center: 10, scale: 10), text)[0] - wanted) < 1e-6, "\(text)")
    }

    @Test func `a listed word is one of several, another is none of them`() {
        #expect(encoded(.category(["free", "pro", "team"]), "pro") == [0, 1, 0])
        #expect(encoded(.category(["free", "pro", "team"]), "Pro") == [0, 0, 0])
        let hashed = encoded(.hashed(slots: 8), "anything")
        #expect(hashed.reduce(0, +) == 1 && hashed == encoded(.hashed(slots: 8), "anything"))
    }

    @Test(arguments: [
        ("true", 1 as Float), ("false", 0), ("1", 1), ("0", 0), ("yes", 1), ("NO", 0), ("on", 1), ("off", 0), ("?", 0),
    ])
    func `a flag is true or false`(text: String, wanted: Float) {
        #expect(encoded(.flag, text) == [wanted])
    }
}
