import Statistics
import Testing

@Suite struct RateRatioTests {
    private func stratum(_ candidate: (hits: Int64, samples: Int64), _ stable: (hits: Int64, samples: Int64)) -> RatioStratum {
        var stratum = RatioStratum()
        (stratum.candidateHits, stratum.candidateSamples) = candidate
        (stratum.stableHits, stratum.stableSamples) = stable
        return stratum
    }

    @Test func `no hits and no samples are no evidence`() {
        let test = RateRatioTest(limit: 2)
        #expect(test.logWealthAbove([]) == 0)
        #expect(abs(test.logWealthAbove([stratum((0, 100), (0, 900))])) < 1e-12)
        #expect(abs(test.logWealthBelow([stratum((0, 100), (0, 900))])) < 1e-12)
    }

    @Test func `a stratum with one side only says nothing`() {
        let test = RateRatioTest(limit: 1)
        let compared = stratum((12, 300), (8, 2_700))
        let alone = stratum((50, 1_000), (0, 0))
        #expect(test.logWealthAbove([compared, alone]) == test.logWealthAbove([compared]))
    }

    @Test func `ten times as often is found, and equally often is not`() {
        #expect(RateRatioTest(limit: 1).logWealthAbove([stratum((8, 100), (7, 900))]) > 6)
        #expect(RateRatioTest(limit: 1).logWealthAbove([stratum((5, 1_000), (45, 9_000))]) < 0)
        #expect(RateRatioTest(limit: 2).logWealthBelow([stratum((20, 5_000), (40, 5_000))]) > 3)
    }

    @Test func `moving the share costs nothing`() {
        let whole = RateRatioTest(limit: 1).logWealthAbove([stratum((40, 1_000), (40, 9_000))])
        let parts = RateRatioTest(limit: 1).logWealthAbove((0..<10).map { _ in stratum((4, 100), (4, 900)) })
        #expect(abs(whole - parts) < 1e-9)
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `the wealth against equally often is at most one in the mean`(seed: UInt64) {
        // Exact: hypergeometric over all ways the candidate could have had its share of the hits.
        var random = SplitMix64(seed: seed)
        let (candidate, stable) = (Int.random(in: 1...60, using: &random), Int.random(in: 1...60, using: &random))
        let hits = Int.random(in: 0...min(20, candidate + stable), using: &random)
        var (above, below, mass) = (0.0, 0.0, 0.0)
        func logChoose(_ n: Int, _ k: Int) -> Double {
            GammaFunction.log(Double(n + 1)) - GammaFunction.log(Double(k + 1)) - GammaFunction.log(Double(n - k + 1))
        }
        for own in max(0, hits - stable)...min(hits, candidate) {
            let weight = exponential(
                logChoose(candidate, own) + logChoose(stable, hits - own) - logChoose(candidate + stable, hits))
            let seen = [stratum((Int64(own), Int64(candidate)), (Int64(hits - own), Int64(stable)))]
            mass += weight
            above += weight * exponential(RateRatioTest(limit: 1).logWealthAbove(seen))
            below += weight * exponential(RateRatioTest(limit: 1).logWealthBelow(seen))
        }
        #expect(abs(mass - 1) < 1e-9)
        #expect(above <= 1 + 1e-9 && below <= 1 + 1e-9)
    }

    @Test func `the interval holds the ratio seen and opens upward while the stable version has no hit`() throws {
        let interval = RatioInterval(
            [stratum((12, 300), (8, 2_700))], designEffect: 1, cautious: 1, alphaBelow: 0.025, alphaAbove: 0.025)
        let seen = try #require(RateRatioTest.seen([stratum((12, 300), (8, 2_700))]))
        #expect(abs(seen - 13.5) < 1e-9)
        #expect(interval.lower < seen && interval.lower > 2)
        #expect(try #require(interval.upper) > seen)
        let open = RatioInterval(
            [stratum((3, 300), (0, 2_700))], designEffect: 1, cautious: 1, alphaBelow: 0.025, alphaAbove: 0.025)
        #expect(open.upper == nil)
        #expect(RateRatioTest.seen([stratum((3, 300), (0, 2_700))]) == nil)
    }

    @Test func `errors that cluster in users weigh less`() {
        var random = SplitMix64(seed: 9)
        var (ours, theirs) = (ClusteredRate(), ClusteredRate())
        for request in 0..<9_000 {
            // One user in a hundred makes all the errors.
            let unit = random.next() % 1_000
            let hit = unit < 10 && random.unit() < 0.5
            if request % 10 == 0 { ours.add(unit: unit + 1_000, hit: hit) } else { theirs.add(unit: unit, hit: hit) }
        }
        let seen = [stratum((ours.hits, ours.samples), (theirs.hits, theirs.samples))]
        #expect(RateRatioTest(limit: 1).designEffect(seen, candidate: ours, stable: theirs) > 1.3)
    }
}
