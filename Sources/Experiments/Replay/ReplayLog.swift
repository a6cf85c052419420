public import Faults
import JSON
import Routing

/// What an experiment recorded, as off-policy evaluation needs it: who saw what, with which probability, and what came of it.
public struct ReplayLog: Equatable, Sendable {
    public struct Row: Equatable, Sendable {
        public var unit: UInt64
        public var arm: Int
        /// The probability this arm had for this unit then, 0 < p <= 1.
        public var propensity: Double
        public var value: Double
        /// What described the request, as the bandit saw it; empty where nothing did.
        public var features: [Double]

        public init(unit: UInt64, arm: Int, propensity: Double, value: Double, features: [Double] = []) {
            (self.unit, self.arm, self.propensity, self.value, self.features) = (unit, arm, propensity, value, features)
        }
    }

    public var arms: [String]
    /// In the order of the exposures.
    public var rows: [Row]
    /// Exposures that are not evaluated: set by hand (propensity 0), or nothing came of them.
    public var overrides = 0
    public var unanswered = 0

    public init(arms: [String], rows: [Row]) { (self.arms, self.rows) = (arms, rows) }
}

// MARK: - Reading an export

extension ReplayLog {
    /// Which lines of an export become rows.
    public struct Reading: Sendable {
        /// The metric whose values are the rewards.
        public var metric: String
        /// The value of an exposure that nothing came of; nil leaves it out. Zero is right for what is only reported when it
        /// happens; leaving out is right only where an answer is as likely after each arm.
        public var missing: Double?

        public init(metric: String, missing: Double? = nil) { (self.metric, self.missing) = (metric, missing) }
    }

    /// The most exposures one evaluation takes.
    public static let rowsMax = 5_000_000

    /// Reads `openclaw experiment export`: lines of JSON, or CSV with a line of names. Outcomes are joined to the exposure of
    /// their request, or where they belong to a unit to its exposure of that time; several of one exposure add up, and a
    /// correction takes the place of what it corrects. Lines of other metrics are skipped.
    public init(export text: String, reading: Reading) throws(Fault) {
        var join = Join(reading: reading)
        let lines = text.utf8.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D })
        guard let first = lines.first else { throw ReplayLog.unreadable(line: 1, "The file is empty.") }
        if first.first == UInt8(ascii: "{") {
            for (index, line) in lines.enumerated() {
                guard let value = try? JSONValue(parsing: Array(line)), value.objectValue != nil else {
                    throw ReplayLog.unreadable(line: index + 1, "It is no JSON object.")
                }
                try join.take(line: index + 1) { name in value[name] }
            }
        } else {
            let names = ReplayLog.cells(first)
            var places: [String: Int] = [:]
            for (place, name) in names.enumerated() { places[name] = place }
            for (index, line) in lines.enumerated().dropFirst() {
                let cells = ReplayLog.cells(line)
                try join.take(line: index + 1) { name in
                    guard let place = places[name], cells.indices.contains(place), !cells[place].isEmpty else { return nil }
                    let text = cells[place]
                    if name == "features" { return try? JSONValue(parsing: Array(text.utf8)) }
                    return Double(text).map { .number($0) } ?? .string(text)
                }
            }
        }
        self = join.log
        if rows.isEmpty {
            throw Fault(
                .failed, what: "There is nothing to replay.",
                why: "No exposure in the file has a probability and a value of '\(reading.metric)'.",
                fix: "Export the experiment again, or name the metric that was reported; `missing` counts silence as a value.")
        }
    }

    /// Exposures by what their outcomes name, until all lines are read.
    private struct Join {
        let reading: Reading
        var arms: [String] = []
        private var numbers: [String: Int] = [:]
        private var rows: [(row: Row, values: Double, count: Int)] = []
        private var byRequest: [String: Int] = [:]
        private var byUnit: [String: Int] = [:]
        private var overrides = 0

        init(reading: Reading) { self.reading = reading }

        mutating func take(line: Int, _ field: (String) -> JSONValue?) throws(Fault) {
            // A file of one's own has the value on the exposure's line.
            let kind = field("kind")?.stringValue ?? "exposure"
            if kind == "outcome" { return try outcome(line: line, field) }
            guard kind == "exposure" else { return }
            guard let unit = ReplayLog.text(field("unit")), let variant = ReplayLog.text(field("variant")) else {
                throw ReplayLog.unreadable(line: line, "An exposure needs `unit` and `variant`.")
            }
            guard let propensity = field("propensity")?.numberValue, (0...1).contains(propensity) else {
                throw ReplayLog.unreadable(line: line, "`propensity` is the probability the variant had, from 0 to 1.")
            }
            if propensity == 0 {
                overrides += 1
                return
            }
            guard rows.count < rowsMax else {
                throw Fault(
                    .limitReached, what: "The file has too many exposures.", why: "At most \(rowsMax) are evaluated at once.",
                    fix: "Evaluate a part of them.")
            }
            let features = field("features")?.arrayValue?.map { $0.numberValue ?? 0 } ?? []
            let value = field("value")?.numberValue ?? field(reading.metric)?.numberValue
            let row = Row(
                unit: UnitID(unit).hash, arm: number(of: variant), propensity: propensity, value: 0, features: features)
            if let request = ReplayLog.text(field("request")) { byRequest[request] = rows.count }
            byUnit[unit] = rows.count
            rows.append((row, value ?? 0, value == nil ? 0 : 1))
        }

        private mutating func outcome(line: Int, _ field: (String) -> JSONValue?) throws(Fault) {
            guard field("metric")?.stringValue == reading.metric else { return }
            guard let value = field("value")?.numberValue else {
                throw ReplayLog.unreadable(line: line, "An outcome needs a number as its `value`.")
            }
            let request = ReplayLog.text(field("request"))
            let place = request.map { byRequest[$0] } ?? ReplayLog.text(field("unit")).flatMap { byUnit[$0] }
            guard let place else { return }
            rows[place].values += value - (field("replaces")?.numberValue ?? 0)
            rows[place].count += 1
        }

        private mutating func number(of variant: String) -> Int {
            if let known = numbers[variant] { return known }
            numbers[variant] = arms.count
            arms.append(variant)
            return arms.count - 1
        }

        var log: ReplayLog {
            var log = ReplayLog(arms: arms, rows: [])
            log.overrides = overrides
            for (row, values, count) in rows {
                guard let value = count > 0 ? values : reading.missing else {
                    log.unanswered += 1
                    continue
                }
                var row = row
                row.value = value
                log.rows.append(row)
            }
            return log
        }
    }

    private static func text(_ value: JSONValue?) -> String? {
        switch value {
        case .string(let text): text
        case .integer, .number: value?.canonicalText
        default: nil
        }
    }

    /// One line of CSV (RFC 4180), without line ends in quotes.
    private static func cells(_ line: Substring.UTF8View) -> [String] {
        var (cells, cell, isQuoted) = ([String](), [UInt8](), false)
        var last: UInt8 = 0
        for byte in line {
            switch byte {
            case 0x22:
                // A quote doubled inside quotes is one.
                if !isQuoted, last == 0x22 { cell.append(byte) }
                isQuoted.toggle()
            case 0x2C where !isQuoted:
                cells.append(String(decoding: cell, as: UTF8.self))
                cell = []
            default: cell.append(byte)
            }
            last = byte
        }
        return cells + [String(decoding: cell, as: UTF8.self)]
    }

    private static func unreadable(line: Int, _ why: String) -> Fault {
        Fault(
            .usage, what: "Line \(line) of the export cannot be read.", why: why,
            fix: "Give what `openclaw experiment export` writes, or lines with unit, variant, propensity and value.")
    }
}
