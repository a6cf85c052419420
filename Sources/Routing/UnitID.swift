/// Who is assigned: the 64-bit hash of a user id, session or request id. Public and stable: FNV-1a 64 over the bytes.
public struct UnitID: Hashable, Sendable {
    public let hash: UInt64
    public init(hash: UInt64) { self.hash = hash }
    @inlinable
    public init(_ bytes: some Sequence<UInt8>) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        self.hash = hash
    }
    public init(_ text: String) { self.init(text.utf8) }

    /// The bucket of this unit under a salt, in 0..<count: the finaliser of MurmurHash3 over hash XOR salt, then modulo.
    public func bucket(salt: UInt64, of count: Int) -> Int { Int(UnitID.mixed(hash ^ salt) % UInt64(count)) }

    /// The 64-bit finaliser of MurmurHash3: every input bit moves every output bit.
    static func mixed(_ word: UInt64) -> UInt64 {
        var x = word
        x ^= x >> 33
        x = x &* 0xff51_afd7_ed55_8ccd
        x ^= x >> 33
        x = x &* 0xc4ce_b9fe_1a85_ec53
        x ^= x >> 33
        return x
    }
}
