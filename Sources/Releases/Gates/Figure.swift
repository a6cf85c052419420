/// Numbers as people read them: `2 113`, `0.64 %`, `41 ms`, `0.961`, `1.42x`.
struct Figure {
    let unit: String
    let limit: Double

    init(_ gate: Gate) { (unit, limit) = (gate.unit, gate.limit) }

    /// A measured value: as many digits as the limit makes worth reading.
    func text(_ value: Double) -> String {
        switch unit {
        case "fraction":
            var decimals = limit < 0.1 ? 2 : 1
            while decimals < 6, limit * 100 * Self.power(decimals) < 10 { decimals += 1 }
            return Self.fixed(value * 100, value * 100 >= 10 ? 1 : decimals) + " %"
        case "ms":
            // Time-outs are recorded as slower than anything.
            if value >= 4_000_000 { return "a time-out" }
            return Self.fixed(value, value >= 10 ? 0 : value >= 1 ? 1 : 2) + " ms"
        case "ratio": return Self.fixed(value, value >= 10 ? 1 : 2) + "x"
        default: return Self.fixed(value, 3)
        }
    }

    /// The limit as it would be written in a file.
    var limitText: String {
        switch unit {
        case "fraction": Self.shortest(limit * 100) + " %"
        case "ms": Self.shortest(limit) + " ms"
        case "ratio": Self.shortest(limit) + "x"
        default: Self.shortest(limit)
        }
    }

    func interval(_ lower: Double?, _ upper: Double?) -> String {
        "[\(lower.map(text) ?? "open"), \(upper.map(text) ?? "open")]"
    }

    /// `2 113`.
    static func count(_ value: Int64) -> String {
        var digits = String(value.magnitude)
        var groups: [String] = []
        while digits.count > 3 {
            groups.insert(String(digits.suffix(3)), at: 0)
            digits.removeLast(3)
        }
        return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: " ")
    }

    /// A projection, to two digits: `60`, `450`, `1 200`.
    static func about(_ value: Double) -> String {
        let whole = max(1, min(value.rounded(.up), 1e15))
        var unit = 1.0
        while whole / unit >= 100 { unit *= 10 }
        return count(Int64((whole / unit).rounded(.up) * unit))
    }

    static func fixed(_ value: Double, _ decimals: Int) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        let scaled = Int64((abs(value) * power(decimals)).rounded())
        let whole = count(scaled / Int64(power(decimals)))
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard decimals > 0 else { return sign + whole }
        let fraction = String(scaled % Int64(power(decimals)))
        return sign + whole + "." + String(repeating: "0", count: decimals - fraction.count) + fraction
    }

    /// At most six decimals, no trailing zeros.
    static func shortest(_ value: Double) -> String {
        var text = fixed(value, 6)
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return text
    }

    private static func power(_ decimals: Int) -> Double { (0..<decimals).reduce(1.0) { power, _ in power * 10 } }
}
