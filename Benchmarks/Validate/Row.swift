import Glibc
import JSON

/// One line of the table.
struct Row: Sendable {
    var scenario: String
    var measure: String
    var runs: Int
    var value: Double
    var lower: Double
    var upper: Double
    var promise: Double?
    /// A rate misses its promise when even its lower end is above it; a median, when it is.
    var isKept: Bool
    var detail: String

    var json: JSONValue {
        [
            "scenario": .string(scenario), "measure": .string(measure), "runs": .integer(Int64(runs)), "value": .number(value),
            "lower": .number(lower), "upper": .number(upper), "promise": promise.map { .number($0) } ?? .null,
            "kept": .bool(isKept),
            "detail": .string(detail),
        ]
    }
}

extension Row {
    /// How often something happened that must not.
    static func rate(_ scenario: String, _ measure: String, happened: Int, of runs: Int, promise: Double?) -> Row {
        let (lower, upper) = wilson(happened, runs)
        return Row(
            scenario: scenario, measure: measure, runs: runs, value: Double(happened) / Double(runs), lower: lower, upper: upper,
            promise: promise, isKept: promise.map { lower <= $0 } ?? true, detail: "\(happened) of \(runs)")
    }

    /// The median number of samples as a multiple of Wald's bound; runs that never decided count as infinite.
    static func multiple(_ scenario: String, _ measure: String, samples: [Double], runs: Int, wald: Double, promise: Double?) -> Row
    {
        let sorted = (samples + Array(repeating: Double.infinity, count: runs - samples.count)).sorted()
        func order(_ place: Double) -> Double { sorted[min(max(Int(place), 0), runs - 1)] / wald }
        // Distribution-free: the ranks n/2 -+ 0.98 sqrt(n).
        let spread = 0.98 * Double(runs).squareRoot()
        let median = order(Double(runs) / 2)
        let mean = samples.count == runs ? String(Int(samples.reduce(0, +) / Double(runs))) : "-"
        return Row(
            scenario: scenario, measure: measure, runs: runs, value: median, lower: order(Double(runs) / 2 - spread),
            upper: order(Double(runs) / 2 + spread), promise: promise, isKept: promise.map { median <= $0 } ?? true,
            detail: "median \(median.isFinite ? String(Int(median * wald)) : "never"), mean \(mean), Wald \(Int(wald))")
    }

    /// The 95 % interval of a proportion (Wilson 1927).
    static func wilson(_ hits: Int, _ runs: Int) -> (Double, Double) {
        let (n, p, z) = (Double(runs), Double(hits) / Double(runs), 1.959_964)
        let center = (p + z * z / (2 * n)) / (1 + z * z / n)
        let half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
        return (max(0, center - half), min(1, center + half))
    }
}

/// The table for people.
struct Table {
    let rows: [Row]

    var text: String {
        let header = ["scenario", "measure", "runs", "seen", "95 %", "promise", "", ""]
        let lines = [header] + rows.map(cells)
        let widths = header.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { line in
            line.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return (2...3).contains(column) ? padding + cell : cell + padding
            }.joined(separator: "  ").trimmingEnd
        }.joined(separator: "\n")
    }

    private func cells(_ row: Row) -> [String] {
        let isMultiple = row.measure.hasPrefix("median")
        func figure(_ value: Double) -> String {
            guard value.isFinite else { return "never" }
            return isMultiple ? fixed(value, 2) + "x" : fixed(value * 100, 2) + " %"
        }
        return [
            row.scenario, row.measure, String(row.runs), figure(row.value), "[\(figure(row.lower)), \(figure(row.upper))]",
            row.promise.map { "<= " + figure($0) } ?? "", row.promise == nil ? "" : row.isKept ? "ok" : "MISSED", row.detail,
        ]
    }

    private func fixed(_ value: Double, _ decimals: Int) -> String {
        let power = (0..<decimals).reduce(1) { power, _ in power * 10 }
        let scaled = Int((value * Double(power)).rounded())
        let fraction = String(scaled % power)
        return "\(scaled / power)." + String(repeating: "0", count: decimals - fraction.count) + fraction
    }
}

extension String {
    fileprivate var trimmingEnd: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
