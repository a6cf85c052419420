import Statistics
import Testing

@Suite struct RateTestTests {
    /// Direct integration of the restricted mixtures in forty digits.
    @Test(arguments: [
        (0, 913, 0.005, -3.37740784627574, 3.69300449432618), (3, 60, 0.005, 2.96668856994911, -1.87991990156158),
        (7, 66, 0.005, 13.2979962882543, -2.67133435034837), (0, 100, 0.05, -3.01317040678417, 4.19274532265914),
        (12, 40, 0.05, 11.3594772824328, -3.08973730525612),
    ])
    func `both wealths are the restricted beta-binomial mixtures`(
        hits: Double, total: Double, limit: Double, above: Double, below: Double
    ) {
        let test = RateTest(limit: limit)
        #expect(abs(test.logWealthAbove(hits: hits, of: total) - above) < 1e-9)
        #expect(abs(test.logWealthBelow(hits: hits, of: total) - below) < 1e-9)
    }

    @Test func `a clean rate passes half a percent after 913 requests at 2.5 %`() {
        let test = RateTest(limit: 0.005)
        let first = (1...2_000).first { test.logWealthBelow(hits: 0, of: Double($0)) >= 3.688879454113936 }
        #expect(first == 913)
    }

    @Test func `nothing seen is no evidence`() {
        #expect(RateTest(limit: 0.01).logWealthAbove(hits: 0, of: 0) == 0)
        #expect(RateTest(limit: 0.01).logWealthBelow(hits: 0, of: 0) == 0)
    }

    @Test(arguments: [0.000_001, 0.005, 0.05, 0.5, 0.99])
    func `wealth is a martingale: its mean over the next sample, at the limit, is what it is now`(limit: Double) {
        let test = RateTest(limit: limit)
        for (hits, total) in [(0.0, 1.0), (0, 50), (1, 10), (7, 100), (60, 100)] where hits <= total {
            for wealth in [test.logWealthAbove(hits:of:), test.logWealthBelow(hits:of:)] {
                let now = wealth(hits, total)
                let next =
                    limit * exponential(wealth(hits + 1, total + 1) - now) + (1 - limit)
                    * exponential(wealth(hits, total + 1) - now)
                #expect(abs(next - 1) < 1e-8, "limit \(limit), \(hits) of \(total)")
            }
        }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func `one more hit is never evidence of a lower rate, one more miss never of a higher one`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let test = RateTest(limit: 0.001 + 0.9 * random.unit())
        let total = Double(Int.random(in: 1...5_000, using: &random))
        let hits = (total * random.unit()).rounded()
        let now = (above: test.logWealthAbove(hits: hits, of: total), below: test.logWealthBelow(hits: hits, of: total))
        #expect(test.logWealthAbove(hits: hits + 1, of: total + 1) >= now.above - 1e-9)
        #expect(test.logWealthBelow(hits: hits + 1, of: total + 1) <= now.below + 1e-9)
        #expect(test.logWealthAbove(hits: hits, of: total + 1) <= now.above + 1e-9)
        #expect(test.logWealthBelow(hits: hits, of: total + 1) >= now.below - 1e-9)
    }

    @Test func `a tail that underflows is no evidence, and never a pass`() {
        // Far above the limit: the mass below it is less than e^-10000.
        let test = RateTest(limit: 0.005)
        for total in [3_800.0, 100_000, 1e7, 1e9] {
            #expect(test.logWealthBelow(hits: total / 2, of: total) < 0)
            #expect(test.logWealthBelow(hits: total, of: total) < 0)
            #expect(test.logWealthAbove(hits: 0, of: total) < 0)
            #expect(test.logWealthAbove(hits: total / 2, of: total) > 1_000)
        }
    }

    @Test func `a billion samples at one in a billion`() {
        let test = RateTest(limit: 1e-9)
        #expect(abs(test.logWealthAbove(hits: 1, of: 1e9)) < 10)
        #expect(test.logWealthAbove(hits: 40, of: 1e9) > 50)
        #expect(test.logWealthBelow(hits: 0, of: 1e10) > 5)
        #expect(RateInterval.upper(hits: 1, of: 1e9, alpha: 0.025) < 2e-8)
        #expect(RateInterval.lower(hits: 40, of: 1e9, alpha: 0.025) > 1e-8)
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    func `an end of the interval passes a limit exactly when the test at that limit decides`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let total = Double(Int.random(in: 1...3_000, using: &random))
        let hits = (total * random.unit() * random.unit()).rounded()
        let (lower, upper) = (
            RateInterval.lower(hits: hits, of: total, alpha: 0.025), RateInterval.upper(hits: hits, of: total, alpha: 0.025)
        )
        #expect(lower <= hits / total && hits / total <= upper)
        for _ in 0..<10 {
            let limit = 0.001 + 0.998 * random.unit()
            let test = RateTest(limit: limit)
            guard abs(limit - lower) > 1e-5, abs(limit - upper) > 1e-5 else { continue }
            #expect((test.logWealthAbove(hits: hits, of: total) >= 3.688879454113936) == (limit < lower))
            #expect((test.logWealthBelow(hits: hits, of: total) >= 3.688879454113936) == (limit > upper))
        }
    }

    @Test func `the interval keeps its promise at every look`() {
        let (runs, alpha) = (150, 0.05)
        var missed = 0
        for run in 0..<runs {
            var random = SplitMix64(seed: UInt64(run))
            let test = RateTest(limit: 0.1)
            var hits = 0.0
            for sample in 1...200 {
                if random.unit() < 0.1 { hits += 1 }
                let isInside =
                    test.logWealthAbove(hits: hits, of: Double(sample)) < 3.688879454113936
                    && test.logWealthBelow(hits: hits, of: Double(sample)) < 3.688879454113936
                if !isInside {
                    missed += 1
                    break
                }
            }
        }
        #expect(Double(missed) / Double(runs) < alpha + 0.053)  // three standard errors
    }
}
