import JSON
import Statistics
import Testing

@Suite struct ClusteredRateTests {
    @Test func `units that never repeat count in full`() {
        var random = SplitMix64(seed: 1)
        var counts = ClusteredRate()
        for _ in 0..<5_000 { counts.add(unit: random.next(), hit: random.unit() < 0.02) }
        // Cells are shared by chance; the estimate corrects for it within about a percent.
        #expect(counts.designEffect(at: 0.02) < 1.05)
        #expect(counts.cautiousDesignEffect(at: 0.02) < 1.05)
        #expect(abs(counts.meanClusterSize - 1) < 0.05)
    }

    @Test func `far more units than cells still count in full`() {
        var random = SplitMix64(seed: 2)
        var counts = ClusteredRate()
        for _ in 0..<400_000 { counts.add(unit: random.next(), hit: random.unit() < 0.02) }
        #expect(counts.designEffect(at: 0.02) < 1.1)
        #expect(counts.meanClusterSize < 1.5)
    }

    @Test func `one user who sends everything counts once`() {
        var counts = ClusteredRate()
        for _ in 0..<1_000 { counts.add(unit: 42, hit: true) }
        #expect(abs(counts.designEffect(at: 0.01) - 1_000) < 1)
    }

    @Test func `clean users who repeat count as at most four clean requests each`() {
        var counts = ClusteredRate()
        for request in 0..<100_000 { counts.add(unit: UInt64(request % 100), hit: false) }
        let effective = 100_000 / counts.cautiousDesignEffect(at: 0.01)
        #expect(effective <= 410 && effective > 220)
    }

    @Test func `users who repeat but err alike keep their weight`() {
        var random = SplitMix64(seed: 3)
        var counts = ClusteredRate()
        for request in 0..<100_000 { counts.add(unit: UInt64(request % 2_000), hit: random.unit() < 0.01) }
        #expect(counts.designEffect(at: 0.01) < 1.2)
        #expect(counts.cautiousDesignEffect(at: 0.01) < 1.2)
    }

    @Test func `what is written and read again goes on the same`() throws {
        var random = SplitMix64(seed: 4)
        var counts = ClusteredRate()
        for _ in 0..<3_000 { counts.add(unit: random.next() % 500, hit: random.unit() < 0.1) }
        var restored = try JSONValue(encoding: counts).decoded(as: ClusteredRate.self)
        #expect(restored == counts)
        for _ in 0..<3_000 {
            let (unit, hit) = (random.next() % 500, random.unit() < 0.1)
            counts.add(unit: unit, hit: hit)
            restored.add(unit: unit, hit: hit)
        }
        #expect(restored == counts)
    }
}

@Suite struct ClusteredMeanTests {
    @Test func `labels of different users count in full, of one user once`() {
        var random = SplitMix64(seed: 1)
        var (different, same) = (ClusteredMean(limit: 0.9), ClusteredMean(limit: 0.9))
        for _ in 0..<3_000 {
            let value = random.unit() < 0.9 ? 1.0 : 0
            different.add(unit: random.next(), value)
            same.add(unit: 7, 0)
        }
        #expect(different.designEffect < 1.05)
        #expect(abs(same.designEffect / 3_000 - 1) < 0.001)
        #expect(same.cautiousDesignEffect > 2_900)
    }

    @Test func `what is written and read again is the same`() throws {
        var random = SplitMix64(seed: 4)
        var mean = ClusteredMean(limit: 0.9)
        for _ in 0..<2_000 { mean.add(unit: random.next() % 300, random.unit()) }
        #expect(try JSONValue(encoding: mean).decoded(as: ClusteredMean.self) == mean)
    }
}
