import Glibc

/// Did the variants get the shares they were meant to get? A sample ratio mismatch makes every comparison void.
public enum SampleRatio {
    /// Pearson's chi-square against the planned shares: for one look at a finished sample. Nil when there is nothing to test.
    public static func pValue(counts: [Double], shares: [Double]) -> Double? {
        precondition(counts.count == shares.count, "one share a count")
        let (total, weight) = (counts.reduce(0, +), shares.reduce(0, +))
        guard counts.count > 1, total > 0, weight > 0 else { return nil }
        var statistic = 0.0
        for (count, share) in zip(counts, shares) {
            let expected = total * share / weight
            guard expected > 0 else { return count > 0 ? 0 : nil }
            statistic += (count - expected) * (count - expected) / expected
        }
        return GammaFunction.upperTail(shape: Double(counts.count - 1) / 2, statistic / 2)
    }

    /// ln of the wealth against the planned shares, for any number of looks: a Dirichlet mixture over the shares, centred on
    /// the plan (Lindon and Malek 2022). `concentration` is the weight of the plan in samples.
    public static func logWealth(counts: [Double], shares: [Double], concentration: Double = 100) -> Double {
        precondition(counts.count == shares.count && concentration > 0, "one share a count")
        let weight = shares.reduce(0, +)
        var wealth = GammaFunction.log(concentration) - GammaFunction.log(concentration + counts.reduce(0, +))
        for (count, share) in zip(counts, shares) {
            let planned = share / weight
            guard planned > 0 else {
                if count > 0 { return .infinity }  // the plan says never
                continue
            }
            let alpha = concentration * planned
            wealth += GammaFunction.log(alpha + count) - GammaFunction.log(alpha) - count * log(planned)
        }
        return wealth
    }
}
