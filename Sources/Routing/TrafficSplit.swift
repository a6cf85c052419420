/// Who is assigned: the 64-bit hash of a user id, session or request id. Public and stable: FNV-1a 64 over the bytes.
public struct UnitID: Hashable, Sendable {
    public let hash: UInt64
    public init(hash: UInt64) { self.hash = hash }
    public init(_ bytes: some Sequence<UInt8>) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        self.hash = hash
    }
    public init(_ text: String) { self.init(text.utf8) }

    /// The bucket of this unit under a salt, in 0..<count: the finaliser of MurmurHash3 over hash XOR salt, then modulo.
    public func bucket(salt: UInt64, of count: Int) -> Int {
        var x = hash ^ salt
        x ^= x >> 33
        x = x &* 0xff51_afd7_ed55_8ccd
        x ^= x >> 33
        x = x &* 0xc4ce_b9fe_1a85_ec53
        x ^= x >> 33
        return Int(x % UInt64(count))
    }
}

/// The shares of a route's variants, in basis points (sum 10 000), as owners of 10 000 buckets.
public struct TrafficSplit: Equatable, Sendable, Codable {
    public static let bucketCount = 10_000

    public private(set) var salt: UInt64
    /// `owners[bucket]` is the variant that answers the bucket's units.
    public private(set) var owners: [UInt8]

    /// The first split of a route: salt from its name.
    public init(route: String, shares: [VariantID: Int]) { preconditionFailure("contract") }

    /// Where the traffic split is decided: same unit, same salt, same variant, on every machine.
    public func variant(for unit: UnitID) -> VariantID { VariantID(owners[unit.bucket(salt: salt, of: owners.count)]) }

    /// Moves to new shares and hands over only as many buckets as shares moved (lowest salted hash first).
    public mutating func move(to shares: [VariantID: Int]) { preconditionFailure("contract") }

    /// Basis points per variant.
    public var shares: [VariantID: Int] { preconditionFailure("contract") }
}
