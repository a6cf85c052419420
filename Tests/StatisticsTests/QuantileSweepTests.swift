import Glibc
import Statistics
import Testing

@Suite struct QuantileSweepTests {
    /// Quantiles of the log odds of a share that is Beta(a, b).
    private func logOdds(_ a: Double, _ b: Double, count: Int) -> [Double] {
        let (top, mode) = (a / (a + b), PortableMath.log(a / b))
        return QuantileSweep(mode: mode, scale: 1) { y in
            a * (y - mode) - (a + b) * PortableMath.log(1 + top * (PortableMath.exp(y - mode) - 1))
        }.quantiles(count: count)
    }

    @Test(arguments: [
        (1.0, 1.0), (0.5, 0.5), (2, 30), (1, 1_000), (0.5, 10_000), (40, 1), (500, 9_500), (30_000, 1_000_000), (7.3, 7.3),
        (1_000_000, 12),
    ])
    func `a sweep over a beta finds the quantiles that the incomplete beta function has`(a: Double, b: Double) throws {
        let beta = BetaDistribution(a: a, b: b)
        let count = 10_000
        let quantiles = logOdds(a, b, count: count)
        for i in [0, 1, 10, 100, 999, 2_500, 5_000, 7_777, 9_900, 9_990, 9_999] {
            let (wanted, odds) = ((Double(i) + 0.5) / Double(count), Glibc.exp(quantiles[i]))
            // The smaller tail, so that nothing is lost near 0 and 1.
            let isLow = wanted < 0.5
            let tail = isLow ? beta.logLowerTail(odds / (1 + odds)) : beta.logUpperTail(odds / (1 + odds))
            let error = Glibc.exp(try #require(tail)) / (isLow ? wanted : 1 - wanted) - 1
            #expect(abs(error) < 3e-5, "Beta(\(a), \(b)) at \(wanted): off by \(error)")
        }
        #expect(zip(quantiles, quantiles.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test func `the normal's quantiles are the published ones`() {
        let quantiles = QuantileSweep(mode: 0, scale: 30) { -$0 * $0 / 2 }.quantiles(count: 1_000)
        // At .0005, .0255, .5005, .9745, .9995.
        for (i, wanted) in [
            (0, -3.290_526_731), (25, -1.951_479_6), (500, 0.001_253_314_5), (974, 1.951_479_6), (999, 3.290_526_731),
        ] {
            #expect(abs(quantiles[i] - wanted) < 3e-6, "\(i): \(quantiles[i])")
        }
        #expect((0..<500).allSatisfy { abs(quantiles[$0] + quantiles[999 - $0]) < 1e-9 })
    }

    @Test func `a first guess of the width does not matter`() {
        let near = QuantileSweep(mode: 2, scale: 1) { -($0 - 2) * ($0 - 2) / 2 }.quantiles(count: 99)
        for scale in [1e-9, 1e-3, 40, 1e9] {
            let far = QuantileSweep(mode: 2, scale: scale) { -($0 - 2) * ($0 - 2) / 2 }.quantiles(count: 99)
            #expect(zip(near, far).allSatisfy { abs($0 - $1) < 1e-6 }, "scale \(scale)")
        }
    }
}
