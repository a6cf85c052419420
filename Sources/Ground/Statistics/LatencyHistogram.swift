import Glibc

/// Logarithmic bins with relative error 1 % by construction (DDSketch, Masson, Rim and Lee 2019): gamma = (1 + 0.01)/(1 - 0.01).
/// Fixed size (about 9 KB), mergeable, no allocation after `init` while it is not shared. Values are microseconds.
///
/// Bin `i` counts the values in (gamma^(i-1), gamma^i]; bin 0 counts 1; zero has a counter of its own.
public struct LatencyHistogram: Sendable, Equatable, Codable {
    /// What a quantile may be off by, relative to the true one.
    public static let relativeError = 0.01

    private static let gamma = (1 + relativeError) / (1 - relativeError)
    private static let binsPerNat = 1 / log(gamma)
    /// Enough for `UInt32.max`: ceil(ln(2^32) / ln(gamma)) and bin 0.
    private static let binCount = Int((32 * log(2.0) * binsPerNat).rounded(.up)) + 1

    private var bins: [UInt64]
    private var zeros: UInt64 = 0
    public private(set) var count: UInt64 = 0
    public private(set) var sum: UInt64 = 0

    public init() { bins = Array(repeating: 0, count: Self.binCount) }

    /// Where a latency is counted: one logarithm and four additions.
    public mutating func record(_ microseconds: UInt32) {
        count &+= 1
        sum &+= UInt64(microseconds)
        guard microseconds > 0 else {
            zeros &+= 1
            return
        }
        bins[Self.bin(of: microseconds)] &+= 1
    }

    /// Adds what another one (of another loop or gateway) has counted: exact, in any order.
    public mutating func merge(_ other: LatencyHistogram) {
        count &+= other.count
        sum &+= other.sum
        zeros &+= other.zeros
        for i in bins.indices { bins[i] &+= other.bins[i] }
    }

    /// The value at rank floor(q (count - 1)), within 1 %. Nil when empty. `q` in 0...1.
    public func quantile(_ q: Double) -> Double? {
        precondition(q >= 0 && q <= 1, "a quantile is asked for outside 0...1")
        guard count > 0 else { return nil }
        let rank = UInt64((q * Double(count - 1)).rounded(.down))
        var seen = zeros
        if rank < seen { return 0 }
        for i in bins.indices {
            seen += bins[i]
            if rank < seen { return Self.middle(of: i) }
        }
        return Self.middle(of: bins.count - 1)
    }

    /// How many values lie in bins that end at or below `microseconds` (within 1 %): cumulative buckets for Prometheus.
    public func count(atMost microseconds: UInt32) -> UInt64 {
        guard microseconds > 0 else { return zeros }
        return bins[...Self.bin(of: microseconds)].reduce(zeros, +)
    }

    private static func bin(of microseconds: UInt32) -> Int {
        // Rounding may move a value that lies on an edge by one bin: the edge is then its neighbour's too, within 1 % + 1e-12.
        min(Int((log(Double(microseconds)) * binsPerNat).rounded(.up)), binCount - 1)
    }

    /// The value whose relative distance to both ends of the bin is the same.
    private static func middle(of bin: Int) -> Double { 2 * exp(Double(bin) / binsPerNat) / (1 + gamma) }
}
