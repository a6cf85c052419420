/// A part of all units that experiments share out among themselves: two experiments with disjoint ranges of one namespace
/// never meet the same unit.
public struct Namespace: Hashable, Sendable, Codable {
    public var name: String
    /// In basis points: units at `lower` and above, below `upper`.
    public var lower: Int
    public var upper: Int

    public init(name: String, lower: Int, upper: Int) { (self.name, self.lower, self.upper) = (name, lower, upper) }

    /// Whether the range is one: neither empty nor turned round nor outside of 0 to 10 000.
    public var isRange: Bool { lower >= 0 && lower < upper && upper <= TrafficSplit.bucketCount }

    public func overlaps(_ other: Namespace) -> Bool {
        name != other.name || (lower < other.upper && other.lower < upper)
    }

    /// The salt that spreads units over a namespace: independent of every split's.
    var salt: UInt64 { UnitID.mixed(UnitID("namespace/" + name).hash) }

    /// GrowthBook's namespaces: its first hash, seeded with the name, from `lower` to below `upper` as fractions.
    public static func contains(_ value: String, name: String, lower: Double, upper: Double) -> Bool {
        contains(value.utf8, seed: ("__" + name).utf8, lower: lower, upper: upper)
    }

    static func contains(_ value: some Sequence<UInt8>, seed: some Sequence<UInt8>, lower: Double, upper: Double) -> Bool {
        guard let number = PublicHash.unit(version: 1, seed: seed, value: value) else { return false }
        return number >= lower && number < upper
    }
}
