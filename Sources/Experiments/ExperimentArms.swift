public import Routing

/// Every variant that an experiment has had, in the order they appeared: what is counted and weighed goes by these numbers. The
/// first is control. A variant that is retired keeps its number, and its figures.
public struct ExperimentArms: Sendable, Equatable {
    public struct Arm: Sendable, Equatable {
        public let variant: ExperimentSpec.VariantSpec
        /// As its route knows it; nil until it is there.
        public internal(set) var id: VariantID?
        /// It is tried no more.
        public internal(set) var isRetired = false
        /// The first table in which it had no share, once it is retired.
        public internal(set) var goneAt: Int64?

        init(_ variant: ExperimentSpec.VariantSpec) { self.variant = variant }
    }

    public private(set) var all: [Arm]
    /// How many there were at the beginning.
    public let begun: Int

    public init(_ variants: [ExperimentSpec.VariantSpec]) { (all, begun) = (variants.map(Arm.init), variants.count) }

    public var count: Int { all.count }
    /// The numbers of those that are tried now.
    public var live: [Int] { all.indices.filter { !all[$0].isRetired } }
    public var names: [String] { all.map(\.variant.name) }

    /// The number of a variant that is tried now.
    public func place(of name: String) -> Int? { live.first { all[$0].variant.name == name } }

    /// Returns its number.
    mutating func add(_ variant: ExperimentSpec.VariantSpec) -> Int {
        all.append(Arm(variant))
        return all.count - 1
    }

    mutating func retire(_ place: Int) { all[place].isRetired = true }
    mutating func note(_ id: VariantID, of place: Int) { all[place].id = id }
    mutating func noteGone(_ place: Int, at table: Int64) { all[place].goneAt = table }
    mutating func note(_ layer: ExperimentLayer) { for (place, id) in layer.arms.enumerated() { all[place].id = id } }

    /// These basis points, in proportion, over the variants that are tried now: none of them below `floor`, 10 000 in sum.
    func spread(_ wanted: [Int], floor: Int) -> [Int] {
        LawfulShares.basisPoints(
            all.indices.map { wanted.indices.contains($0) ? Double(wanted[$0]) : 0 }, live: live, floor: floor)
    }
}
