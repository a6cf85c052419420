import Statistics
import Testing

/// Published figures, reproduced.
@Suite struct VectorTests {
    @Test func `the normal mixture at V 100 and alpha 5 %`() {
        let mixture = NormalMixture(tightestAt: 100, alpha: 0.05)
        #expect(abs(mixture.rho - 12.60056) < 5e-6)
        #expect(abs(mixture.logWealth(sum: 10, variance: 100) + 0.6510052) < 5e-8)
        #expect(abs(mixture.bound(variance: 100, alpha: 0.05) - 30.35209) < 5e-6)
    }

    @Test func `the asymptotic confidence sequence as GrowthBook has it`() {
        #expect(abs(AsymptoticSequence.halfWidth(count: 1_000, deviation: 2, rho: 0.1, alpha: 0.05) - 0.19212803857737148) < 1e-12)
    }

    @Test func `the distances between two histograms`() {
        let (current, reference) = ([16.0, 18, 16, 14, 12, 12], [16.0, 16, 16, 16, 16, 8])
        #expect(abs(Divergence.populationStability(current, reference: reference) - 0.037218) < 5e-7)
        #expect(abs(Divergence.kullbackLeibler(current, reference: reference) - 0.018910) < 5e-7)
        #expect(abs(Divergence.jensenShannon(current, reference: reference) - 0.068048) < 5e-7)
        #expect(Divergence.jensenShannon(current, reference: current) == 0)
    }

    @Test func `a sample ratio of 1000 to 1200 at 50/50`() throws {
        let p = try #require(SampleRatio.pValue(counts: [1_000, 1_200], shares: [0.5, 0.5]))
        #expect(abs(p - 2.0079e-5) < 5e-10)
        #expect(abs(SampleRatio.logWealth(counts: [1_000, 1_200], shares: [0.5, 0.5]) - 7.140301875986552) < 1e-9)
        #expect(SampleRatio.logWealth(counts: [1_000, 1_000], shares: [0.5, 0.5]) < 0)
        #expect(SampleRatio.logWealth(counts: [5, 1], shares: [1, 0]) == .infinity)
        #expect(SampleRatio.pValue(counts: [0, 0], shares: [1, 1]) == nil)
    }

    @Test func `Wald's bound for a tenfold regression of 0.5 % at a 10 % canary is about 850 requests`() {
        let (share, base, worse) = (0.1, 0.005, 0.05)
        let errors = share * worse + (1 - share) * base
        let information = errors * Wald.divergence(share * worse / errors, from: share)
        #expect(abs(Wald.samples(information: information, alpha: 0.01) - 850) < 5)
        // Some power given up makes it shorter.
        #expect(Wald.samples(information: information, alpha: 0.01, beta: 0.05) < 800)
    }
}
