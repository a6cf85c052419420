import Statistics
import Testing

@Suite struct GammaFunctionTests {
    /// mpmath, 40 digits.
    @Test(arguments: [
        (0.5, 0.572364942924700087), (1e-9, 20.7232658363691954), (1, 0), (2.5, 0.28468287047291916), (9.99, 12.7793152143501934),
        (10, 12.8018274800814696), (100.25, 360.284559637764235), (1e9, 19723265827.5037168),
    ])
    func `ln Gamma agrees with forty-digit arithmetic`(x: Double, expected: Double) {
        #expect(abs(GammaFunction.log(x) - expected) <= 4e-15 * max(1, abs(expected)))
    }

    @Test(arguments: [
        (0.5, 0.5, 1.14472988584940017), (0.001, 3, 6.90625590360740255), (5, 20, -12.2667913805648795),
        (5e6, 9.95e8, -31479072.7381961584), (0.005, 0.995, 5.29835849023793917), (1e9, 1e9, -1386294370.21601141),
        (15, 0.3, 0.290412935592571716),
    ])
    func `ln B does not cancel, however large its arguments`(a: Double, b: Double, expected: Double) {
        #expect(abs(GammaFunction.logBeta(a, b) - expected) <= 1e-14 * max(1, abs(expected)))
        #expect(GammaFunction.logBeta(a, b) == GammaFunction.logBeta(b, a))
    }

    @Test(arguments: [(0.5, 9.0909090909, 2.007865612445655e-05), (2.5, 1, 0.8491450360846096), (50, 80, 0.0001307839765914092)])
    func `the upper incomplete gamma function agrees with scipy`(a: Double, x: Double, expected: Double) throws {
        let seen = try #require(GammaFunction.upperTail(shape: a, x))
        #expect(abs(seen / expected - 1) < 1e-11)
    }
}

@Suite struct BetaDistributionTests {
    @Test(arguments: [
        (2, 3, 0.5, false, -0.37469344944141069), (0.5, 3000.5, 0.01, true, -32.444983012981645),
        (30.5, 9970.5, 0.005, false, -0.0011876155414270395), (10.005, 1990.995, 0.005, true, -0.78033250894659697),
        (0.005, 0.995, 0.005, true, -3.6426186022391309), (500, 500, 0.5, false, -0.69314718055994531),
    ])
    func `tails agree with forty-digit arithmetic`(a: Double, b: Double, x: Double, isUpper: Bool, expected: Double) throws {
        let beta = BetaDistribution(a: a, b: b)
        let seen = try #require(isUpper ? beta.logUpperTail(x) : beta.logLowerTail(x))
        #expect(abs(seen - expected) <= 1e-11 * max(1, abs(expected)))
    }

    @Test func `a tail that no Double can hold still has its logarithm`() throws {
        // P(Beta(1, 2000) > 1/2) = 2^-2000.
        let tail = try #require(BetaDistribution(a: 1, b: 2_000).logUpperTail(0.5))
        #expect(abs(tail + 2_000 * 0.693147180559945309) < 1e-9)
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func `both tails sum to one and the lower one grows`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let beta = BetaDistribution(a: 0.01 + 50 * random.unit(), b: 0.01 + 500 * random.unit())
        var last = -Double.infinity
        for step in 1..<20 {
            let x = Double(step) / 20
            let lower = try #require(beta.logLowerTail(x))
            let upper = try #require(beta.logUpperTail(x))
            #expect(abs(exponential(lower) + exponential(upper) - 1) < 1e-10)
            #expect(lower >= last)
            last = lower
        }
    }

    @Test func `a billion samples at one in a billion are computed, not overflowed`() throws {
        let beta = BetaDistribution(a: 1.5, b: 1e9)
        let lower = try #require(beta.logLowerTail(1e-9))
        let upper = try #require(beta.logUpperTail(1e-9))
        // Beta(1.5, n) at 1/n tends to Gamma(1.5) at 1: P = 0.42759.
        #expect(abs(exponential(lower) - 0.4275932955) < 1e-6)
        #expect(abs(exponential(lower) + exponential(upper) - 1) < 1e-9)
    }
}
