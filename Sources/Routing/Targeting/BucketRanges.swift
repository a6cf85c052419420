/// Which part of the numbers from 0 to 1 belongs to which variation, as GrowthBook's SDKs cut it: coverage shrinks each
/// variation's range from its end, so that raising it only adds units.
public enum BucketRanges {
    /// One variation's part: from `lower` to below `upper`.
    public struct Range: Equatable, Sendable, Codable {
        public var lower: Double
        public var upper: Double
        public init(_ lower: Double, _ upper: Double) { (self.lower, self.upper) = (lower, upper) }

        public func contains(_ number: Double) -> Bool { number >= lower && number < upper }
    }

    /// The ranges of `count` variations. Coverage is held between 0 and 1; weights that are missing, too few or do not add up
    /// to 1 (within a hundredth) are taken as equal.
    public static func make(count: Int, coverage: Double? = nil, weights: [Double]? = nil) -> [Range] {
        let coverage = min(max(coverage ?? 1, 0), 1)
        var used = equalWeights(count)
        if let weights, weights.count == count, (0.99...1.01).contains(weights.reduce(0, +)) { used = weights }
        var start = 0.0
        return used.map { weight in
            defer { start += weight }
            return Range(start, start + coverage * weight)
        }
    }

    /// The variation that a number falls to; nil when it falls to none.
    public static func choose(_ number: Double, _ ranges: [Range]) -> Int? { ranges.firstIndex { $0.contains(number) } }

    public static func equalWeights(_ count: Int) -> [Double] {
        count > 0 ? Array(repeating: 1 / Double(count), count: count) : []
    }
}
