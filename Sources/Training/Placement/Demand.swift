/// A kind of accelerator as a node has it: the resource its driver counts (`nvidia.com/gpu`) and the device's model (`H100`).
public struct AcceleratorKind: Hashable, Comparable, Sendable, Codable {
    public var resource: String
    public var model: String

    public init(resource: String, model: String = "") { (self.resource, self.model) = (resource, model) }

    public static func < (a: AcceleratorKind, b: AcceleratorKind) -> Bool { (a.resource, a.model) < (b.resource, b.model) }
    public var text: String { model.isEmpty ? resource : "\(model) (\(resource))" }
}

/// One way to satisfy a rank's wish for accelerators: so many of a kind.
public struct AcceleratorWish: Hashable, Sendable, Codable {
    public enum Kind: Hashable, Sendable, Codable {
        case any
        /// As Kubernetes names it: `nvidia.com/gpu`, `amd.com/gpu`.
        case resource(String)
        /// `H100`, whatever counts it.
        case model(String)
    }
    public var kind: Kind
    /// Devices for each rank, at least 1.
    public var count: Int

    public init(_ kind: Kind, count: Int = 1) {
        precondition(count > 0, "a wish asks for a device at least")
        (self.kind, self.count) = (kind, count)
    }

    public func accepts(_ offered: AcceleratorKind) -> Bool {
        switch kind {
        case .any: true
        case .resource(let name): offered.resource == name
        case .model(let name): offered.model == name
        }
    }

    public var text: String {
        switch kind {
        case .any: count == 1 ? "an accelerator" : "\(count) accelerators"
        case .resource(let name), .model(let name): "\(count) x \(name)"
        }
    }
}

/// What one rank needs of the node it runs on.
public struct Demand: Hashable, Sendable, Codable {
    /// Thousandths of a core.
    public var cpus: Int64
    /// Bytes.
    public var memory: Int64
    /// Any one of these; empty for a rank that needs no accelerator.
    public var accelerators: [AcceleratorWish]

    public init(cpus: Int64 = 0, memory: Int64 = 0, accelerators: [AcceleratorWish] = []) {
        precondition(cpus >= 0 && memory >= 0, "nobody needs less than nothing")
        (self.cpus, self.memory, self.accelerators) = (cpus, memory, accelerators)
    }

    // A queue holds a hundred thousand of these, of a few kinds: what tells most of them apart is enough.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(cpus)
        hasher.combine(memory)
        hasher.combine(accelerators.first?.count ?? 0)
    }

    public var text: String {
        var parts: [String] = []
        if cpus > 0 { parts.append(cpus % 1_000 == 0 ? "\(cpus / 1_000) CPUs" : "\(cpus)m CPUs") }
        if memory > 0 { parts.append("\(memory >> 20) MiB") }
        if !accelerators.isEmpty { parts.append(accelerators.map(\.text).joined(separator: " or ")) }
        return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
    }
}

/// The ranks of a job: all of them are placed, or none.
public struct Gang: Hashable, Sendable {
    /// How the ranks may lie on the nodes.
    public enum Spread: String, Hashable, Sendable, Codable, CaseIterable {
        /// Wherever something is free, in the order of the nodes.
        case count
        /// On one node, the tightest that has room; a gang that fits no node takes nodes that are wholly free.
        case consolidate
        /// On as few nodes as may be: like `consolidate` where that is possible, else the emptiest nodes first.
        case pack
    }
    /// At least one; more than one number for a job that may grow and shrink.
    public var ranks: ClosedRange<Int>
    public var each: Demand
    public var spread: Spread
    /// Where its ranks may be.
    public var nodes: NodeRule
    /// Kinds to try before others, where it may have several: see `Throughputs`.
    public var preference: [AcceleratorKind]

    public init(
        ranks: ClosedRange<Int>, each: Demand, spread: Spread = .pack, nodes: NodeRule = .anywhere,
        preference: [AcceleratorKind] = []
    ) {
        precondition(ranks.lowerBound > 0, "a gang has a rank at least")
        (self.ranks, self.each, self.spread, self.nodes, self.preference) = (ranks, each, spread, nodes, preference)
    }

    // As with demands: gangs that differ in the rest alone are few.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(ranks)
        hasher.combine(each)
        hasher.combine(preference.first)
    }
}
