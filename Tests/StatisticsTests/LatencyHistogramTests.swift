import Statistics
import Testing

@Suite struct LatencyHistogramTests {
    @Test func `an empty histogram has no quantile`() {
        #expect(LatencyHistogram().quantile(0.5) == nil)
        #expect(LatencyHistogram().count == 0)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `every quantile is within 1 % of the true one, whatever the spread`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var histogram = LatencyHistogram()
        var values: [UInt32] = []
        for _ in 0..<5_000 {
            // Log-uniform over the whole range: 0 to 2^32 - 1.
            let value = UInt32.random(in: 0...UInt32.max, using: &random) >> UInt32.random(in: 0...31, using: &random)
            values.append(value)
            histogram.record(value)
        }
        values.sort()
        for q in stride(from: 0.0, through: 1, by: 0.01) {
            let truth = Double(values[Int((q * Double(values.count - 1)).rounded(.down))])
            let seen = histogram.quantile(q) ?? -1
            #expect(abs(seen - truth) <= truth * (LatencyHistogram.relativeError + 1e-9), "q \(q)")
        }
        #expect(histogram.count == 5_000)
        #expect(histogram.sum == values.reduce(0) { $0 + UInt64($1) })
    }

    @Test func `merging two is counting both`() {
        var random = SplitMix64(seed: 7)
        var (left, right, both) = (LatencyHistogram(), LatencyHistogram(), LatencyHistogram())
        for i in 0..<2_000 {
            let value = UInt32.random(in: 0...3_000_000, using: &random)
            if i % 3 == 0 { left.record(value) } else { right.record(value) }
            both.record(value)
        }
        left.merge(right)
        #expect(left == both)
    }

    @Test func `zero and the greatest value have their places`() {
        var histogram = LatencyHistogram()
        histogram.record(0)
        histogram.record(.max)
        #expect(histogram.quantile(0) == 0)
        #expect(abs((histogram.quantile(1) ?? 0) / Double(UInt32.max) - 1) <= 0.01 + 1e-9)
        #expect(histogram.count(atMost: 0) == 1)
        #expect(histogram.count(atMost: .max) == 2)
    }

    @Test func `cumulative counts grow with the bound and end at the count`() {
        var histogram = LatencyHistogram()
        for value in stride(from: UInt32(1), through: 100_000, by: 7) { histogram.record(value) }
        var last: UInt64 = 0
        for bound in stride(from: UInt32(0), through: 101_000, by: 500) {
            #expect(histogram.count(atMost: bound) >= last)
            last = histogram.count(atMost: bound)
        }
        #expect(last == histogram.count)
    }
}
