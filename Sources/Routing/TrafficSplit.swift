/// The shares of a route's variants, in basis points (sum 10 000), as owners of 10 000 buckets.
///
/// Buckets have a fixed order, by salted hash. At first the variants own it in one run each, by number. A move hands over
/// only as many buckets as shares moved: a variant gives to a higher-numbered one from the end of what it owns, and to a
/// lower-numbered one from the beginning. So between two variants a share is always the same set of units however it was
/// reached: a candidate's 5 % contain its 1 %, and going back to 1 % gives back exactly the others.
public struct TrafficSplit: Equatable, Sendable {
    public static let bucketCount = 10_000

    public private(set) var salt: UInt64
    /// `owners[bucket]` is the variant that answers the bucket's units.
    public private(set) var owners: [UInt8]

    init(salt: UInt64, owners: [UInt8]) {
        precondition(owners.count == TrafficSplit.bucketCount, "a split has 10 000 buckets")
        (self.salt, self.owners) = (salt, owners)
    }

    /// The first split of a route: salt from its name.
    public init(route: String, shares: [VariantID: Int]) {
        TrafficSplit.check(shares)
        self.init(salt: UnitID.mixed(UnitID(route).hash), owners: Array(repeating: 0, count: TrafficSplit.bucketCount))
        var rest = bucketsInOrder()[...]
        for (variant, share) in shares.sorted(by: { $0.key < $1.key }) {
            for bucket in rest.prefix(share) { owners[bucket] = variant.number }
            rest = rest.dropFirst(share)
        }
    }

    /// Where the traffic split is decided: same unit, same salt, same variant, on every machine.
    public func variant(for unit: UnitID) -> VariantID { VariantID(owners[unit.bucket(salt: salt, of: owners.count)]) }

    /// Basis points per variant; a variant without a bucket is not in it.
    public var shares: [VariantID: Int] {
        var counts: [VariantID: Int] = [:]
        for (number, count) in ownedCounts().enumerated() where count > 0 { counts[VariantID(UInt8(number))] = count }
        return counts
    }

    /// Moves to new shares and hands over only as many buckets as shares moved. Variants that are not named get nothing.
    public mutating func move(to shares: [VariantID: Int]) {
        TrafficSplit.check(shares)
        let flows = self.flows(to: shares)
        if flows.isEmpty { return }
        var owned: [[Int]] = Array(repeating: [], count: 256)  // each in bucket order
        for bucket in bucketsInOrder() { owned[Int(owners[bucket])].append(bucket) }
        for (giver, givenTo) in Dictionary(grouping: flows, by: \.from).sorted(by: { $0.key < $1.key }) {
            var mine = owned[Int(giver)][...]
            // Lower-numbered receivers take from the beginning, lowest first; higher-numbered from the end, highest first.
            for flow in givenTo.filter({ $0.to < giver }).sorted(by: { $0.to < $1.to }) {
                for bucket in mine.prefix(flow.count) { owners[bucket] = flow.to }
                mine = mine.dropFirst(flow.count)
            }
            for flow in givenTo.filter({ $0.to > giver }).sorted(by: { $0.to > $1.to }) {
                for bucket in mine.suffix(flow.count) { owners[bucket] = flow.to }
                mine = mine.dropLast(flow.count)
            }
        }
    }

    private struct Flow {
        var from: UInt8
        var to: UInt8
        var count: Int
    }

    /// Who gives how many buckets to whom: losers and gainers matched in order of their numbers, so that the way back is
    /// the same matching turned round.
    private func flows(to shares: [VariantID: Int]) -> [Flow] {
        let have = ownedCounts()
        let surplus = (0..<256).map { have[$0] - (shares[VariantID(UInt8($0))] ?? 0) }
        var flows: [Flow] = []
        var gainers = surplus.indices.filter { surplus[$0] < 0 }.map { (number: $0, wants: -surplus[$0]) }[...]
        for loser in surplus.indices where surplus[loser] > 0 {
            var left = surplus[loser]
            while left > 0, var gainer = gainers.popFirst() {
                let count = min(left, gainer.wants)
                flows.append(Flow(from: UInt8(loser), to: UInt8(gainer.number), count: count))
                left -= count
                gainer.wants -= count
                if gainer.wants > 0 { gainers.insert(gainer, at: gainers.startIndex) }
            }
        }
        return flows
    }

    private func ownedCounts() -> [Int] {
        var counts = Array(repeating: 0, count: 256)
        for owner in owners { counts[Int(owner)] += 1 }
        return counts
    }

    /// All buckets by the upper 50 bits of their salted hash; equal ones by number (the lower 14 bits of the word sorted).
    private func bucketsInOrder() -> [Int] {
        let start = UnitID.mixed(~salt)
        var words = (0..<UInt64(TrafficSplit.bucketCount)).map { UnitID.mixed($0 &+ start) & ~0x3fff | $0 }
        words.sort()
        return words.map { Int($0 & 0x3fff) }
    }

    private static func check(_ shares: [VariantID: Int]) {
        precondition(shares.values.allSatisfy { $0 >= 0 }, "a share is not negative")
        precondition(shares.values.reduce(0, +) == bucketCount, "shares sum to 10 000 basis points")
    }
}
