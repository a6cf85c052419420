import JSON
import Routing
import Telemetry
import YAML

/// How figures are written for people: `2 113`, `25 %`, `3 m 12 s`.
enum Figures {
    /// Thousands apart, so that a long number can be read.
    static func count(_ value: Int64) -> String {
        var groups: [Substring] = []
        var digits = Substring(String(value.magnitude))
        while digits.count > 3 {
            groups.insert(digits.suffix(3), at: 0)
            digits = digits.dropLast(3)
        }
        return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: " ")
    }

    /// A share: `25 %`, `0.5 %`.
    static func share(_ fraction: Double) -> String { Share.text(Int((fraction * 10_000).rounded())) }

    /// `9.4 s`, `41 s`, `3 m 12 s`, `1 h 5 m`.
    static func duration(_ duration: Duration) -> String {
        let milliseconds = duration.milliseconds
        let seconds = milliseconds / 1_000
        switch seconds {
        case ..<10: return "\(milliseconds / 1_000).\((milliseconds % 1_000) / 100) s"
        case ..<60: return "\(seconds) s"
        case ..<3_600: return seconds % 60 == 0 ? "\(seconds / 60) m" : "\(seconds / 60) m \(seconds % 60) s"
        case ..<86_400: return seconds % 3_600 < 60 ? "\(seconds / 3_600) h" : "\(seconds / 3_600) h \(seconds % 3_600 / 60) m"
        default: return seconds % 86_400 < 3_600 ? "\(seconds / 86_400) d" : "\(seconds / 86_400) d \(seconds % 86_400 / 3_600) h"
        }
    }

    /// A measured value in its unit, with as many digits as say something: `41 ms`, `0.09 %`, `0.961`, `1.4x`.
    static func value(_ value: Double, unit: String) -> String {
        switch unit {
        case "ms": "\(significant(value, value < 10 ? 1 : 0)) ms"
        case "fraction": "\(percent(value)) %"
        case "ratio": "\(significant(value, 2))x"
        default: significant(value, 3)
        }
    }

    /// The same without the unit, for the ends of an interval.
    static func bare(_ value: Double, unit: String) -> String {
        switch unit {
        case "ms": significant(value, value < 10 ? 1 : 0)
        case "fraction": "\(percent(value)) %"
        default: significant(value, unit == "ratio" ? 2 : 3)
        }
    }

    /// `[38, 47]`; an open end is `...`.
    static func interval(_ lower: Double?, _ upper: Double?, unit: String) -> String {
        guard lower != nil || upper != nil else { return "" }
        return "[\(lower.map { bare($0, unit: unit) } ?? "..."), \(upper.map { bare($0, unit: unit) } ?? "...")]"
    }

    private static func percent(_ fraction: Double) -> String {
        let percent = fraction * 100
        return significant(percent, percent < 10 && percent != percent.rounded() ? 2 : percent == percent.rounded() ? 0 : 1)
    }

    /// A number of which nothing is known, as a loss: three digits that say something, however small it is.
    static func measured(_ value: Double) -> String {
        guard value != 0, value.isFinite, abs(value) < 0.01 else { return significant(value, 3) }
        guard abs(value) >= 1e-4 else {
            var (digits, power) = (value, 0)
            while abs(digits) < 1 { (digits, power) = (digits * 10, power - 1) }
            return "\(significant(digits, 2))e\(power)"
        }
        return significant(value, 5)
    }

    /// At most `decimals` decimals, without trailing zeros.
    static func significant(_ value: Double, _ decimals: Int) -> String {
        guard value.isFinite else { return value < 0 ? "-inf" : "inf" }
        guard abs(value) < 1e15 else { return "\(value)" }
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        let scaled = Int64((abs(value) * scale).rounded())
        let (whole, rest) = scaled.quotientAndRemainder(dividingBy: Int64(scale))
        var text = (value < 0 && scaled != 0 ? "-" : "") + count(whole)
        guard rest != 0 else { return text }
        var digits = String(rest)
        digits = String(repeating: "0", count: decimals - digits.count) + digits
        while digits.hasSuffix("0") { digits.removeLast() }
        text += "." + digits
        return text
    }

    /// `02:18:00`, in UTC, where the day is clear.
    static func clock(_ rfc3339: String) -> String {
        guard let start = rfc3339.firstIndex(of: "T") else { return rfc3339 }
        return String(rfc3339[rfc3339.index(after: start)...].prefix(8))
    }

    /// `2026-11-21 02:18:00 Z`
    static func moment(_ rfc3339: String) -> String {
        guard let dot = rfc3339.firstIndex(of: ".") else { return rfc3339 }
        return rfc3339[..<dot].replacing("T", with: " ") + " Z"
    }
}
