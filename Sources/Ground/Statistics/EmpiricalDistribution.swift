import Glibc

/// A distribution function made of observed values: straight between its knots, upright where many values are equal.
public struct EmpiricalDistribution: Sendable, Equatable {
    /// Rising, with the share of the values at or below each; a value that stands twice is a jump.
    public let values: [Double]
    public let shares: [Double]
    /// As many independent observations say as much.
    public let effective: Double

    public init(values: [Double], shares: [Double], effective: Double) {
        precondition(values.count == shares.count, "one share a value")
        (self.values, self.shares, self.effective) = (values, shares, effective)
    }

    /// All values, sorted here. Quantiles are those of most programs: straight between the order statistics (type 7 of Hyndman
    /// and Fan 1996).
    public init(of sample: [Double], effective: Double? = nil) {
        let last = Double(max(1, sample.count - 1))
        values = sample.sorted()
        shares = sample.count == 1 ? [0.5] : sample.indices.map { Double($0) / last }
        self.effective = effective ?? Double(sample.count)
    }

    /// Nil when empty.
    public func quantile(_ q: Double) -> Double? {
        guard let first = values.first, let last = values.last else { return nil }
        let index = Self.place(of: q, in: shares)
        if index == 0 { return first }
        if index == shares.count { return last }
        let (low, high) = (shares[index - 1], shares[index])
        let part = high > low ? (q - low) / (high - low) : 1
        return values[index - 1] + part * (values[index] - values[index - 1])
    }

    /// About how far the q-quantile is off by chance: from the places one standard error of its share to both sides.
    public func standardError(of q: Double) -> Double {
        guard effective > 1 else { return 0 }
        let off = min((q * (1 - q) / effective).squareRoot(), 0.5)
        return ((quantile(min(1, q + off)) ?? 0) - (quantile(max(0, q - off)) ?? 0)) / 2
    }

    /// The shares below and at or below a value: the two differ where many values are equal.
    public func share(at value: Double) -> (below: Double, atMost: Double) {
        guard !values.isEmpty else { return (0, 1) }
        let from = Self.place(of: value, in: values)
        var end = from
        while end < values.count, values[end] == value { end += 1 }
        if end > from {
            return (from == 0 ? 0 : shares[from], end == values.count ? 1 : shares[end - 1])
        }
        if from == 0 { return (0, 0) }
        if from == values.count { return (1, 1) }
        let part = (value - values[from - 1]) / (values[from] - values[from - 1])
        let share = shares[from - 1] + part * (shares[from] - shares[from - 1])
        return (share, share)
    }

    /// The first index whose element is not below `target`.
    private static func place(of target: Double, in sorted: [Double]) -> Int {
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < target { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Twice the log-likelihood ratio against "the q-quantile is `value`".
    func deviance(of q: Double, at value: Double) -> Double {
        let (below, atMost) = share(at: value)
        if below <= q, q <= atMost { return 0 }
        return 2 * effective * Wald.divergence(min(1, max(0, q < below ? below : atMost)), from: q)
    }
}

/// Numbers of any size in logarithmic bins, each at most 1 % wide: what a quantile needs, in memory that depends on how far apart
/// the values lie and not on how many there are.
public struct ValueHistogram: Sendable, Equatable, Codable {
    private static let gamma = 1.01
    private static let perNat = 1 / log(gamma)
    /// Values closer to zero than this are zero; bins begin here.
    private static let least = 1e-9
    private static let binsMax = 6_000

    private var bins: [Int32: Double] = [:]
    public private(set) var weight = 0.0
    public private(set) var weightSquares = 0.0

    public init() {}

    /// `sign` -1 takes a value back.
    public mutating func add(_ value: Double, weight: Double = 1, sign: Double = 1) {
        let bin = Self.bin(of: value)
        let after = (bins[bin] ?? 0) + sign * weight
        bins[bin] = after > 1e-9 ? after : nil
        self.weight += sign * weight
        weightSquares += sign * weight * weight
    }

    private static func bin(of value: Double) -> Int32 {
        let size = abs(value)
        guard size > least else { return 0 }
        let place = 1 + min(Int32((log(size / least) * perNat).rounded(.down)), Int32(binsMax - 1))
        return value < 0 ? -place : place
    }

    /// Where a bin begins and ends.
    private static func edges(_ bin: Int32) -> (Double, Double) {
        guard bin != 0 else { return (0, 0) }
        let (near, far) = (least * exp(Double(abs(bin) - 1) / perNat), least * exp(Double(abs(bin)) / perNat))
        return bin > 0 ? (near, far) : (-far, -near)
    }

    /// `designEffect`: by how much repeating units inflate the variance of a share.
    public func distribution(designEffect: Double = 1) -> EmpiricalDistribution {
        var values: [Double] = []
        var shares: [Double] = []
        var sum = 0.0
        for (bin, count) in bins.sorted(by: { $0.key < $1.key }) {
            let (start, end) = Self.edges(bin)
            values += [start, end]
            shares.append(sum / weight)
            sum += count
            shares.append(sum / weight)
        }
        let effective = weightSquares > 0 ? weight * weight / weightSquares : 0
        return EmpiricalDistribution(values: values, shares: shares, effective: effective / designEffect)
    }
}

extension ValueHistogram {
    private enum Key: String, CodingKey { case weight, weightSquares, bins, counts }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        let sorted = bins.sorted { $0.key < $1.key }
        try container.encode(weight, forKey: .weight)
        try container.encode(weightSquares, forKey: .weightSquares)
        try container.encode(sorted.map(\.key), forKey: .bins)
        try container.encode(sorted.map(\.value), forKey: .counts)
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        weight = try container.decode(Double.self, forKey: .weight)
        weightSquares = try container.decode(Double.self, forKey: .weightSquares)
        let keys = try container.decode([Int32].self, forKey: .bins)
        let counts = try container.decode([Double].self, forKey: .counts)
        guard keys.count == counts.count, Set(keys).count == keys.count else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: container.codingPath, debugDescription: "bins and counts of a histogram do not match"))
        }
        bins = Dictionary(uniqueKeysWithValues: zip(keys, counts))
    }
}
