/// How fast one job is on kinds of accelerators: declared with it or measured on its earlier runs, in any unit of its own.
public struct Throughputs: Hashable, Sendable {
    /// By model (`H100`) or resource (`amd.com/gpu`); above zero.
    private let values: [String: Double]

    public static let unknown = Throughputs([:])

    public init(_ values: [String: Double]) { self.values = values.filter { $0.value > 0 && $0.value.isFinite } }

    public var isKnown: Bool { !values.isEmpty }

    /// As a part of what the job reaches on its fastest kind among `kinds`; nil where nothing is known.
    func relative(on kind: AcceleratorKind, of kinds: [AcceleratorKind]) -> Double? {
        guard let value = self.value(on: kind), let best = kinds.compactMap({ self.value(on: $0) }).max() else { return nil }
        return value / best
    }

    private func value(on kind: AcceleratorKind) -> Double? { values[kind.model] ?? values[kind.resource] }

    /// The kinds that something is known of, the fastest first; of equals the one that comes first.
    func preference(among kinds: [AcceleratorKind]) -> [AcceleratorKind] {
        let known = kinds.enumerated().compactMap { place, kind in value(on: kind).map { (-$0, place) } }
        return known.sorted { $0 < $1 }.map { kinds[$0.1] }
    }
}

/// Who gets which kind, among jobs that start at one moment: two of them change places where both still fit and more is done in
/// all, so that a job that gains little from the faster kind leaves it to one that gains much. Nobody's start is taken away.
struct Matchmaker {
    /// Of the jobs whose throughputs are known, so many are looked at: each is compared with each.
    static let jobsMax = 128

    struct Candidate {
        /// The caller's own word for it.
        let job: Int
        let gang: Gang
        let throughputs: Throughputs
        var placement: Placement
    }

    /// Changes the placements, and the cluster that has them taken, while that helps. `alike`: only such as are of one size change
    /// places, so that what is free stays where it is.
    static func match(_ candidates: inout [Candidate], on cluster: inout Cluster, alike: Bool) {
        guard candidates.count > 1, candidates.count <= jobsMax else { return }
        // Each exchange raises the sum, so it ends; the bound only keeps its cost small.
        var rounds = candidates.count
        while rounds > 0, improve(&candidates, on: &cluster, alike) { rounds -= 1 }
    }

    private static func improve(_ candidates: inout [Candidate], on cluster: inout Cluster, _ alike: Bool) -> Bool {
        var isBetter = false
        for first in candidates.indices {
            for second in candidates.indices where second > first {
                if alike, !areAlike(candidates[first], candidates[second]) { continue }
                if exchange(&candidates, first, second, on: &cluster) { isBetter = true }
            }
        }
        return isBetter
    }

    /// Each finds room exactly where the other was.
    private static func areAlike(_ a: Candidate, _ b: Candidate) -> Bool {
        let (mine, theirs) = (a.placement.seats.map(\.devices?.perRank), b.placement.seats.map(\.devices?.perRank))
        return a.gang.each == b.gang.each && a.gang.nodes == b.gang.nodes
            && a.placement.seats.map(\.ranks) == b.placement.seats.map(\.ranks) && mine == theirs
    }

    private static func exchange(_ candidates: inout [Candidate], _ first: Int, _ second: Int, on cluster: inout Cluster) -> Bool {
        let (a, b) = (candidates[first], candidates[second])
        guard let mine = a.placement.seats.first?.devices?.kind, let theirs = b.placement.seats.first?.devices?.kind,
            mine != theirs,
            let before = worth(a, on: mine, cluster) + worth(b, on: theirs, cluster),
            let after = worth(a, on: theirs, cluster) + worth(b, on: mine, cluster), after > before + 1e-9
        else { return false }
        cluster.giveBack(a.placement)
        cluster.giveBack(b.placement)
        let isSame = areAlike(a, b)
        if let one = isSame ? b.placement : seat(a, on: theirs, cluster) {
            cluster.take(one)
            if let other = isSame ? a.placement : seat(b, on: mine, cluster) {
                cluster.take(other)
                (candidates[first].placement, candidates[second].placement) = (one, other)
                return true
            }
            cluster.giveBack(one)
        }
        cluster.take(a.placement)
        cluster.take(b.placement)
        return false
    }

    /// Its relative throughput for each device that it gets; nil where it is unknown or it does not take that kind.
    private static func worth(_ candidate: Candidate, on kind: Int, _ cluster: Cluster) -> Double? {
        let choices = cluster.choices(for: candidate.gang).compactMap { $0 }
        guard choices.contains(where: { $0.kind == kind }) else { return nil }
        let kinds = choices.map { cluster.kinds[$0.kind] }
        return candidate.throughputs.relative(on: cluster.kinds[kind], of: kinds).map {
            $0 * Double(max(1, candidate.placement.devices))
        }
    }

    /// The same number of ranks on another kind.
    private static func seat(_ candidate: Candidate, on kind: Int, _ cluster: Cluster) -> Placement? {
        let ranks = candidate.placement.ranks
        let look = GangLook(candidate.gang, on: cluster)
        for (choice, index) in zip(look.choices, cluster.indexes(for: look)) where choice?.kind == kind {
            if let seats = index.seats(for: ranks, candidate.gang.spread) {
                return Placement(seats: seats, each: candidate.gang.each, seen: cluster.version)
            }
        }
        return nil
    }
}

/// Adds what is known; nothing where a part is not.
private func + (a: Double?, b: Double?) -> Double? {
    guard let a, let b else { return nil }
    return a + b
}
