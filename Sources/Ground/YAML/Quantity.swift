/// Texts with units, as users write them in files and on the command line.
public enum Quantity {
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ]
    private static let durationDaysMax: Int64 = 36_500

    /// `250ms`, `20s`, `5m`, `2h`, `1d`, `0.5s`, and sums from large to small such as `1h30m` or `3m 12s`. Nil when it is none
    /// of these, finer than a millisecond or longer than 100 years.
    public static func duration(_ text: String) -> Duration? {
        var rest = text[...]
        var total: Int64 = 0
        var units = Self.units[...]
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
            rest.removeFirst(number.count)
            let name = rest.prefix { $0.isLetter }
            rest.removeFirst(name.count)
            guard let place = units.firstIndex(where: { $0.name == name }),
                let part = milliseconds(number, of: units[place].milliseconds)
            else { return nil }
            total += part
            units = units[(place + 1)...]
            if rest.first == " ", rest.count > 1 { rest.removeFirst() }
        }
        guard !text.isEmpty, total <= durationDaysMax * 86_400_000 else { return nil }
        return .milliseconds(total)
    }

    private static func milliseconds(_ number: Substring, of unit: Int64) -> Int64? {
        guard let first = number.first, first != ".", number.last != ".", let count = Double(number) else { return nil }
        let exact = count * Double(unit)
        guard exact <= Double(durationDaysMax * 86_400_000), abs(exact - exact.rounded()) < 1e-6 else { return nil }
        return Int64(exact.rounded())
    }

    /// `5%`, `0.5 %` -> 0.05, 0.005. Nil without the percent sign.
    public static func percentage(_ text: String) -> Double? {
        guard text.last == "%" else { return nil }
        let number = text.dropLast(text.hasSuffix(" %") ? 2 : 1)
        guard number.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }), number.first != ".",
            number.last != ".", let value = Double(number)
        else { return nil }
        // Dividing keeps 0.5 % at 0.005, where multiplying by 0.01 would not.
        return value / 100
    }

    /// How a person writes a duration: `20s`, `3m 12s`, `1h 5m`. The two largest units are enough; below a minute, tenths of
    /// a second, and below a second, milliseconds.
    public static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1_000 + attoseconds / 1_000_000_000_000_000
        if milliseconds < 0 { return "-" + text(.milliseconds(-milliseconds)) }
        if milliseconds < 1_000 { return milliseconds == 0 ? "0s" : "\(milliseconds)ms" }
        if milliseconds < 60_000 {
            let tenths = milliseconds % 1_000 / 100
            return tenths == 0 ? "\(milliseconds / 1_000)s" : "\(milliseconds / 1_000).\(tenths)s"
        }
        let first = units.firstIndex { milliseconds >= $0.milliseconds } ?? 0
        let second = units[first + 1]
        let rest = milliseconds % units[first].milliseconds / second.milliseconds
        let large = "\(milliseconds / units[first].milliseconds)\(units[first].name)"
        return rest == 0 ? large : "\(large) \(rest)\(second.name)"
    }
}
