public import Faults
import Glibc
public import Routing
public import Telemetry

/// What a route saw lately: what a plan counts with.
public struct RecentTraffic: Sendable, Equatable {
    public var requests: Int64 = 0
    /// Different units, within about 1 %.
    public var units: Double = 0
    /// From the first request that was looked at to now.
    public var milliseconds: Int64 = 0
    /// The newest answers and what requests to models used, in no order, at most `newestMax` of each.
    public var newest: [Exposure] = []
    public var newestUsages: [Usage] = []
    public static let newestMax = 1 << 14
    public init() {}
}

extension OutcomeStore {
    /// At most this many of the newest exposures are looked at.
    public static let recentSlotsMax: Int64 = 1 << 20

    /// What a route saw in the time before `now`, as far back as `span` or the `newest` exposures (of all routes) reach.
    public func traffic(
        of route: RouteID, span: Duration, now: Timestamp, newest: Int64 = recentSlotsMax
    ) async throws(Fault) -> RecentTraffic {
        guard !isClosed else { throw closedFault() }
        var (traffic, units) = (RecentTraffic(), DistinctUnits())
        var usages: Int64 = 0
        var first = now
        let since = Timestamp(milliseconds: now.milliseconds - span.milliseconds)
        let end = exposures.endSlot
        var slot = exposures.start(ofNewest: min(newest, Self.recentSlotsMax))
        while slot < end {
            slot = exposures.occupied(from: slot)
            slot = try exposures.scan(from: slot, to: min(end, slot + Self.slotsPerWalk), withUsage: true) { _, record in
                if record.isUsage {
                    guard let usage = record.usage, usage.route == route, usage.at >= since else { return true }
                    RecentTraffic.keep(usage, in: &traffic.newestUsages, after: usages)
                    usages += 1
                    return true
                }
                guard record.route == route, record.at >= since, let exposure = record.exposure else { return true }
                first = min(first, exposure.at)
                RecentTraffic.keep(exposure, in: &traffic.newest, after: traffic.requests)
                traffic.requests += 1
                units.insert(exposure.unit)
                return true
            }
            await Task.yield()
        }
        (traffic.units, traffic.milliseconds) = (units.count, max(0, now.milliseconds - first.milliseconds))
        return traffic
    }
}

extension RecentTraffic {
    /// A ring of the newest.
    fileprivate static func keep<T>(_ item: T, in ring: inout [T], after count: Int64) {
        if ring.count < newestMax { ring.append(item) } else { ring[Int(count) % newestMax] = item }
    }
}

/// How many different units there were, from a bitmap of their hashes (linear counting, Whang et al. 1990): 512 KiB, and an
/// error of about 1 % up to some ten million.
private struct DistinctUnits {
    private static let bits = 1 << 22
    private var words = [UInt64](repeating: 0, count: DistinctUnits.bits / 64)
    private var used = 0

    mutating func insert(_ unit: UInt64) {
        let bit = Int((unit &* 0x9e37_79b9_7f4a_7c15) >> 42)
        let mask: UInt64 = 1 << UInt64(bit & 63)
        if words[bit >> 6] & mask == 0 {
            words[bit >> 6] |= mask
            used += 1
        }
    }
    var count: Double {
        let free = max(1, DistinctUnits.bits - used)
        return Double(DistinctUnits.bits) * log(Double(DistinctUnits.bits) / Double(free))
    }
}
