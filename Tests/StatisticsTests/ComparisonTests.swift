import JSON
import Statistics
import Testing

private func near(_ a: Double, _ b: Double, _ tolerance: Double = 1e-9) -> Bool { abs(a - b) <= tolerance * max(1, abs(b)) }

/// Always-valid comparisons of two variants, and the textbook tests beside them.
@Suite struct ComparisonTests {
    @Test func `the normal and Student's distributions are those of the tables`() {
        #expect(near(NormalDistribution.quantile(1e-10), -6.361340902404056))
        #expect(near(NormalDistribution.quantile(0.975), 1.959963984540054))
        #expect(near(StudentDistribution(degrees: 7.3).twoSided(2.5), 0.03965023466560043))
        #expect(near(StudentDistribution(degrees: 3).twoSided(-0.1), 0.9266523488008059))
        #expect(abs(StudentDistribution(degrees: 12).twoSided(30) / 1.1773181907018936e-12 - 1) < 1e-9)
        #expect(near(StudentDistribution(degrees: 7.3).critical(0.05), 2.3450667365477034))
    }

    @Test func `Welch's test and two proportions are those of the tables`() throws {
        let (own, other) = ([1.0, 2, 3, 4, 7, 9, 11], [0.5, 1, 2, 2, 3, 4])
        func summary(_ values: [Double]) -> (mean: Double, variance: Double, count: Double) {
            let mean = values.reduce(0, +) / Double(values.count)
            return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1), Double(values.count))
        }
        let welch = try #require(FixedHorizon.welch(own: summary(own), other: summary(other), alpha: 0.05))
        #expect(near(welch.statistic, 2.1080960910283193) && near(welch.pValue, 0.07008211726999856))
        #expect(near(welch.lower, -0.33656368601726694) && near(welch.upper, 6.741325590779171))
        let proportions = try #require(FixedHorizon.twoProportions(own: (60, 500), other: (40, 480), alpha: 0.05))
        #expect(near(proportions.statistic, 1.8956089610817244) && near(proportions.pValue, 0.058011771451123434))
    }

    @Test func `the chance to be best and the expected loss are those of the integrals`() {
        let rates = Belief.compare([.ofRate(hits: 60, of: 500), .ofRate(hits: 40, of: 480)])
        #expect(near(rates[0].best, 0.9706244396711118, 1e-4) && near(rates[0].best + rates[1].best, 1))
        #expect(near(rates[0].loss, 0.00022126573185071718, 1e-5) && near(rates[1].loss, 0.03667296929105787, 1e-4))
        let normals: [Belief] = [.normal(mean: 1, deviation: 3), .normal(mean: 2, deviation: 4)]
        #expect(near(Belief.compare(normals)[1].best, NormalDistribution.lowerTail(0.2), 1e-4))
        #expect(near(Belief.compare(normals, isUp: false)[0].best, NormalDistribution.lowerTail(0.2), 1e-4))
    }

    /// The claim "no difference" with every assignment of N samples of which K hit, weighted by its chance.
    @Test(arguments: [(20, 5, 0.5), (40, 3, 0.1), (60, 30, 0.3)])
    func `the wealth against no difference has mean one over the coins`(samples: Int, hits: Int, share: Double) {
        func chance(_ k: Int, _ n: Int) -> Double {
            (0..<k).reduce(1) { $0 * Double(n - $1) / Double($1 + 1) }
        }
        func power(_ base: Double, _ exponent: Int) -> Double { (0..<exponent).reduce(1) { product, _ in product * base } }
        var mean = 0.0
        for ownHits in 0...hits {
            for ownMisses in 0...samples - hits {
                var stratum = RateStratum()
                stratum.shares = share * Double(samples)
                (stratum.samples, stratum.hits) = (Double(ownHits + ownMisses), Double(ownHits))
                stratum.controlHits = Double(hits - ownHits)
                stratum.controlSamples = Double(samples) - stratum.samples
                let weight =
                    chance(ownHits, hits) * power(share, ownHits) * power(1 - share, hits - ownHits)
                    * chance(ownMisses, samples - hits) * power(share, ownMisses) * power(1 - share, samples - hits - ownMisses)
                let wealth = exponential(
                    RateComparison(strata: [stratum], plannedSamples: 100, alpha: 0.05).logWealth(against: Line()))
                mean += weight * wealth
            }
        }
        #expect(mean > 0.8 && mean < 1.03, "\(mean)")
    }

    @Test func `an interval leaves no difference out exactly when its p-value is below alpha`() throws {
        for hits in stride(from: 40.0, through: 120, by: 5) {
            var stratum = RateStratum()
            (stratum.shares, stratum.samples, stratum.controlSamples) = (1_000, 1_000, 1_000)
            (stratum.hits, stratum.controlHits) = (hits, 70)
            let comparison = RateComparison(strata: [stratum], alpha: 0.05)
            let interval = comparison.interval(alpha: 0.05)
            #expect(interval.contains(comparison.difference))
            #expect(interval.contains(0) == (comparison.pValue > 0.05), "\(hits)")
            let relative = try #require(comparison.relativeInterval(alpha: 0.05))
            #expect(relative.contains(0) == (comparison.pValue > 0.05), "\(hits)")
        }
    }

    private func moments(_ values: [Double]) -> UnitMoments {
        var moments = UnitMoments(offset: values[0])
        for value in values { moments.add(x: 1, y: value) }
        for value in values { moments.addTails(x: 1, y: value) }
        return moments
    }

    @Test func `a difference of means is found, and not by a handful of units`() {
        let (low, high) = ((0..<2_000).map { Double($0 % 7) }, (0..<2_000).map { Double($0 % 7) + 1 })
        let found = MeanComparison(treated: moments(high), control: moments(low), alpha: 0.05)
        #expect(near(found.difference, 1) && found.pValue < 1e-6 && found.interval(alpha: 0.05).contains(1))
        // Six units that all agree say nothing yet.
        let few = MeanComparison(treated: moments([1, 1, 1]), control: moments([0, 0, 0]), alpha: 0.05)
        #expect(few.pValue > 0.9 && few.interval(alpha: 0.05) == OpenInterval(lower: nil, upper: nil))
    }

    @Test func `a quantile is that of the order statistics, and a shift of it is found`() throws {
        let values = (1...101).map(Double.init)
        #expect(EmpiricalDistribution(of: values).quantile(0.95) == 96)
        #expect(EmpiricalDistribution(of: [1, 2, 3, 10]).quantile(0.5) == 2.5)
        let many = (0..<4_000).map { Double($0 * 7_919 % 4_000) }
        let comparison = QuantileComparison(
            0.5, treated: EmpiricalDistribution(of: many.map { $0 + 400 }), control: EmpiricalDistribution(of: many), alpha: 0.05)
        #expect(near(comparison.difference, 400) && comparison.pValue < 0.01)
        let interval = comparison.interval(alpha: 0.05)
        #expect(interval.contains(400) && !interval.contains(0) && interval.isWithin(0, 800))
        let same = QuantileComparison(
            0.5, treated: EmpiricalDistribution(of: many), control: EmpiricalDistribution(of: many), alpha: 0.05)
        #expect(same.pValue == 1 && same.interval(alpha: 0.05).contains(0))
        // Values that are all alike have one quantile, whatever their number.
        let alike = EmpiricalDistribution(of: Array(repeating: 3.0, count: 500))
        #expect(alike.quantile(0.9) == 3 && alike.share(at: 3) == (0, 1) && alike.share(at: 2) == (0, 0))
    }

    @Test func `a histogram answers within one percent and forgets what is taken back`() throws {
        var histogram = ValueHistogram()
        for value in 1...1_000 { histogram.add(Double(value) * 3.7) }
        let before = histogram
        histogram.add(-12.5)
        histogram.add(-12.5, sign: -1)
        #expect(histogram == before)
        let median = try #require(histogram.distribution().quantile(0.5))
        #expect(abs(median / 1_851 - 1) < 0.01)
        let read = try JSONValue(encoding: histogram).decoded(as: ValueHistogram.self)
        #expect(read == histogram)
    }

    @Test func `claims fall together only as far as alpha allows`() {
        #expect(Multiplicity.discoveries(logValues: [5, 1, 0], alpha: 0.05) == [true, false, false])
        #expect(Multiplicity.discoveries(logValues: [3.5, 3.5, 0], alpha: 0.05) == [true, true, false])
        #expect(Multiplicity.discoveries(logValues: [3.5, 0, 0], alpha: 0.05) == [false, false, false])
        #expect(zip(Multiplicity.holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]).allSatisfy { near($0, $1) })
    }

    @Test func `a sample size is that of the textbook, and of a test at every look a half more or so`() throws {
        let fixed = SampleSize.fixed(effect: 0.02, variances: (0.09, 0.09), alpha: 0.05, power: 0.8)
        #expect(abs(fixed - 3_532) < 1)
        let sequential = try #require(
            SampleSize.sequential(effect: 0.02, variances: (0.09, 0.09), alpha: 0.05, power: 0.8))
        #expect(sequential > 2 * fixed && sequential < 5 * fixed)
    }

    @Test func `units that arrive at the shares they were promised raise no alarm, and lost ones do`() {
        var (lawful, losing, moving) = (ShareWatch(arms: 2), ShareWatch(arms: 2), ShareWatch(arms: 2))
        for unit in 0..<10_000 {
            lawful.add(arm: unit % 2, shares: [1, 1])
            // Every tenth unit of the second variant is lost.
            if unit % 2 == 0 || unit % 20 != 1 { losing.add(arm: unit % 2, shares: [1, 1]) }
            let share = unit < 5_000 ? 5 : 2
            moving.add(arm: unit % 10 < share ? 1 : 0, shares: [Double(10 - share), Double(share)])
        }
        #expect((lawful.pValue ?? 0) == 1 && (moving.pValue ?? 0) == 1 && (losing.pValue ?? 1) < ShareWatch.alpha)
    }
}
