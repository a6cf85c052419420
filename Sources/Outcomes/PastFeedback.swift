public import Faults
public import Routing
import SQL
public import Telemetry

/// What feedback says of units rather than of events: how much units differ, and what each of them was worth before something
/// began. Corrections count once, with their last value.

/// Sums over units: each has a value `a` and a size `b` (its events, or another metric's values), and the figure is the sum of the
/// values over the sum of the sizes.
public struct UnitSpread: Sendable, Equatable {
    public var units = 0.0
    public var values = 0.0
    public var sizes = 0.0
    public var valueSquares = 0.0
    public var products = 0.0
    public var sizeSquares = 0.0

    public init() {}

    public mutating func add(value: Double, size: Double) {
        units += 1
        values += value
        sizes += size
        valueSquares += value * value
        products += value * size
        sizeSquares += size * size
    }

    /// Nil without sizes.
    public var figure: Double? { sizes > 0 ? values / sizes : nil }

    /// The variance of the figure times the units: of one unit, linearised (the delta method). Nil for fewer than two units.
    public var variancePerUnit: Double? {
        guard let figure, units > 1 else { return nil }
        let squares = max(0, valueSquares - 2 * figure * products + figure * figure * sizeSquares)
        return squares * units / (sizes * sizes)
    }
}

/// What units were worth before something began, by unit: two sorted arrays, 12 bytes a unit.
public struct PastValues: Sendable, Equatable {
    private let units: [UInt64]
    private let values: [Float]

    public init(_ values: [UInt64: Double]) {
        let sorted = values.sorted { $0.key < $1.key }
        (units, self.values) = (sorted.map(\.key), sorted.map { Float($0.value) })
    }

    public var count: Int { units.count }

    /// Nil for a unit without a past.
    public subscript(_ unit: UInt64) -> Double? {
        var (low, high) = (0, units.count)
        while low < high {
            let middle = (low + high) / 2
            if units[middle] < unit { low = middle + 1 } else { high = middle }
        }
        return low < units.count && units[low] == unit ? Double(values[low]) : nil
    }
}

extension OutcomeStore {
    /// At most this many events are looked at for what units were worth before.
    static let pastRowsMax: Int64 = 1 << 20

    /// How units of a route differ in a feedback metric, over the time before `now`, as far back as the newest `newest` events
    /// reach. `denominator`: the metric that divides; events are counted where there is none.
    public func spread(
        of route: RouteID, metric: String, over denominator: String? = nil, span: Duration, now: Timestamp, newest: Int64 = 1 << 20
    ) async throws(Fault) -> UnitSpread {
        guard !isClosed else { throw closedFault() }
        let since = Timestamp(milliseconds: now.milliseconds - span.milliseconds)
        return try await feedback.spread(of: route, metric, denominator, since: since, after: feedbackSequence - newest)
    }

    /// The newest values of a feedback metric, at most `limit`, each with its unit.
    public func values(
        of route: RouteID, metric: String, span: Duration, now: Timestamp, limit: Int64 = 1 << 14
    ) async throws(Fault) -> [(unit: UInt64, value: Double)] {
        guard !isClosed else { throw closedFault() }
        let since = Timestamp(milliseconds: now.milliseconds - span.milliseconds)
        return try await feedback.values(of: route, metric, since: since, limit: limit)
    }

    /// Each unit's mean of a feedback metric over the events that followed answers of these variants, up to `cursor`: the newest
    /// million events at most.
    public func pasts(
        of route: RouteID, metric: String, among variants: [VariantID], upTo cursor: Cursor
    ) async throws(Fault) -> PastValues {
        guard !isClosed else { throw closedFault() }
        return PastValues(
            try await feedback.means(
                of: route, metric, among: variants, after: cursor.feedbackSequence - Self.pastRowsMax,
                upTo: cursor.feedbackSequence))
    }

    /// Each unit's mean of what the gateway itself measured on a route up to `cursor`: of its newest million answers at most.
    public func pasts(
        of route: RouteID, upTo cursor: Cursor, value: @Sendable (Exposure) -> Double?
    ) async throws(Fault) -> PastValues {
        guard !isClosed else { throw closedFault() }
        var sums: [UInt64: (sum: Double, count: Double)] = [:]
        var slot = max(exposures.firstSlot, cursor.exposureSequence - Self.pastRowsMax)
        let end = min(cursor.exposureSequence, exposures.endSlot)
        while slot < end {
            slot = exposures.occupied(from: slot)
            guard slot < end else { break }
            slot = try exposures.scan(from: slot, to: min(end, slot + Self.slotsPerWalk)) { _, record in
                guard record.route == route, let exposure = record.exposure, let value = value(exposure) else { return true }
                let known = sums[exposure.unit] ?? (0, 0)
                sums[exposure.unit] = (known.sum + value, known.count + 1)
                return true
            }
            await Task.yield()
        }
        return PastValues(sums.mapValues { $0.sum / $0.count })
    }
}

extension FeedbackTable {
    /// What a row adds: a correction the difference to what it replaced.
    private static let worth = "value - coalesce(previous, 0)"

    func spread(
        of route: RouteID, _ metric: String, _ denominator: String?, since: Timestamp, after: Int64
    ) async throws(Fault) -> UnitSpread {
        let size =
            denominator == nil
            ? "sum(previous IS NULL)" : "sum(CASE WHEN metric = ?2 THEN \(Self.worth) ELSE 0 END)"
        let rows = try await database.read { session throws(Fault) in
            try session.rows(
                """
                SELECT count(*), sum(a), sum(b), sum(a * a), sum(a * b), sum(b * b) FROM (
                    SELECT sum(CASE WHEN metric = ?1 THEN \(Self.worth) ELSE 0 END) AS a, \(size) AS b FROM feedback
                    WHERE metric IN (?1, ?2) AND route = ?3 AND sequence > ?4 AND at >= ?5 GROUP BY unit)
                """,
                [
                    .text(metric), .text(denominator ?? metric), .integer(Int64(route.number)), .integer(after),
                    .integer(since.milliseconds),
                ])
        }
        var spread = UnitSpread()
        guard let row = rows.first, row.count == 6, let units = row[0].integerValue, units > 0 else { return spread }
        spread.units = Double(units)
        spread.values = row[1].numberValue
        spread.sizes = row[2].numberValue
        spread.valueSquares = row[3].numberValue
        spread.products = row[4].numberValue
        spread.sizeSquares = row[5].numberValue
        return spread
    }

    func values(
        of route: RouteID, _ metric: String, since: Timestamp, limit: Int64
    ) async throws(Fault) -> [(unit: UInt64, value: Double)] {
        try await database.read { session throws(Fault) in
            try session.rows(
                """
                SELECT unit, value FROM feedback WHERE route = ? AND metric = ? AND at >= ? ORDER BY sequence DESC LIMIT ?
                """, [.integer(Int64(route.number)), .text(metric), .integer(since.milliseconds), .integer(limit)]
            ).compactMap { row in
                guard row.count == 2, let unit = row[0].integerValue, let value = row[1].realValue else { return nil }
                return (UInt64(bitPattern: unit), value)
            }
        }
    }

    func means(
        of route: RouteID, _ metric: String, among variants: [VariantID], after: Int64, upTo: Int64
    ) async throws(Fault) -> [UInt64: Double] {
        guard !variants.isEmpty else { return [:] }
        // Numbers of one byte: nothing that a user wrote stands in the statement.
        let list = variants.map { String($0.number) }.joined(separator: ", ")
        let rows = try await database.read { session throws(Fault) in
            try session.rows(
                """
                SELECT unit, sum(\(Self.worth)) / sum(previous IS NULL) FROM feedback
                WHERE route = ? AND metric = ? AND sequence > ? AND sequence <= ? AND variant IN (\(list))
                GROUP BY unit HAVING sum(previous IS NULL) > 0
                """, [.integer(Int64(route.number)), .text(metric), .integer(after), .integer(upTo)])
        }
        var means: [UInt64: Double] = [:]
        for row in rows {
            guard row.count == 2, let unit = row[0].integerValue, let mean = row[1].realValue, mean.isFinite else { continue }
            means[UInt64(bitPattern: unit)] = mean
        }
        return means
    }
}

extension SQLValue {
    /// A sum of whole numbers is a whole number.
    fileprivate var numberValue: Double { realValue ?? integerValue.map(Double.init) ?? 0 }
}
