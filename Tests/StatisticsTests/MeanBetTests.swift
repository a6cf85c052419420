import Statistics
import Testing

@Suite struct MeanBetTests {
    @Test func `capitals are what was bet, multiplied`() {
        var bet = MeanBet(limit: 0.5)
        // The first bets are zero: nothing is known.
        bet.add(1)
        #expect(bet.logWealthAbove == 0)
        #expect(bet.logWealthBelow == 0)
        // Past mean (0.5 + 1)/2 = 0.75, variance (0.25 + 0.25)/2 = 0.25: fraction 0.25/0.3125 = 0.8 (the cap is 0.5/0.5 = 1).
        bet.add(1)
        #expect(abs(bet.logWealthAbove - 0.336472236621213) < 1e-12)  // ln(1 + 0.8 * 0.5)
        #expect(bet.logWealthBelow == 0)
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `no sequence of values can ruin a capital`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var bet = MeanBet(limit: 0.01 + 0.98 * random.unit())
        for step in 0..<2_000 { bet.add(step % 500 < 250 ? 0 : random.unit() < 0.5 ? 1 : random.unit()) }
        #expect(bet.logWealthAbove.isFinite && bet.logWealthBelow.isFinite)
        for _ in 0..<200 { bet.add(1) }
        #expect(bet.logWealthAbove.isFinite && bet.logWealthBelow.isFinite)
    }

    @Test func `a mean above the limit makes one capital rich and the other poor`() {
        var random = SplitMix64(seed: 3)
        var bet = MeanBet(limit: 0.85)
        for _ in 0..<2_000 { bet.add(random.unit() < 0.95 ? 1 : 0) }
        #expect(bet.logWealthAbove > 20)
        #expect(bet.logWealthBelow <= 0)
    }

    @Test func `at the limit neither capital grows twentyfold more often than promised`() {
        var crossed = 0
        for seed in 0..<1_000 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            var bet = MeanBet(limit: 0.9)
            for _ in 0..<1_000 {
                bet.add(random.unit() < 0.9 ? 1 : 0)
                if bet.logWealthBelow >= 2.995732273553991 {  // ln 20
                    crossed += 1
                    break
                }
            }
        }
        #expect(crossed <= 70)  // 5 %, and three standard errors
    }

    @Test func `the interval for display covers the mean and narrows`() {
        var random = SplitMix64(seed: 5)
        var interval = EmpiricalBernstein(alpha: 0.05)
        #expect(interval.interval() == (0, 1))
        var widths: [Double] = []
        for step in 1...4_000 {
            interval.add(random.unit() < 0.6 ? 1 : 0)
            let (lower, upper) = interval.interval()
            #expect(lower <= 0.6 && 0.6 <= upper)
            if [100, 1_000, 4_000].contains(step) { widths.append(upper - lower) }
        }
        #expect(widths[1] < widths[0] / 2 && widths[2] < widths[1] / 1.5)
        #expect(interval.interval(designEffect: 4).upper > interval.interval().upper)
    }
}
