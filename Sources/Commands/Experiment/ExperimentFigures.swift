import JSON

/// How the figures of an experiment are written: differences with their sign, shares in points, a chance in percent.
struct ExperimentFigures {
    let metric: JSONValue
    var isShare: Bool { metric["type"]?.stringValue == "binary" }

    /// `+3.1 points`, `-12.4`
    func difference(_ value: Double) -> String { "\(bare(value))\(isShare ? " points" : "")" }

    /// `[+0.4, +5.9]`; an open end is `...`.
    func interval(_ ends: JSONValue?) -> String {
        guard let ends = ends?.arrayValue, ends.count == 2 else { return "" }
        let texts = ends.map { $0.numberValue.map(bare) ?? "..." }
        return "[\(texts[0]), \(texts[1])]"
    }

    /// A variant's own figure: `61.2 %`, `318`.
    func mean(_ value: Double) -> String { isShare ? "\(Figures.significant(value * 100, 1)) %" : Self.digits(value) }

    private func bare(_ value: Double) -> String {
        let shown = isShare ? value * 100 : value
        return (shown > 0 ? "+" : "") + (isShare ? Figures.significant(shown, 1) : Self.digits(shown))
    }

    /// Three digits that say something.
    static func digits(_ value: Double) -> String {
        switch abs(value) {
        case 100...: Figures.significant(value, 0)
        case 10...: Figures.significant(value, 1)
        case 1...: Figures.significant(value, 2)
        case 0.01...: Figures.significant(value, 4)
        default: Figures.significant(value, 6)
        }
    }

    /// `+2 %`, of a relative difference.
    static func percent(_ fraction: Double) -> String { "\(fraction > 0 ? "+" : "")\(Figures.significant(fraction * 100, 1)) %" }

    /// `1.2 %`, `less than 0.1 %`.
    static func chance(_ fraction: Double) -> String {
        fraction < 0.001 ? "less than 0.1 %" : "\(Figures.significant(fraction * 100, 1)) %"
    }

    /// `p 0.003`, `p < 0.0001`
    static func pValue(_ value: Double) -> String { value < 0.0001 ? "< 0.0001" : Figures.significant(value, 4) }

    /// Eight heights, oldest first: `▂▂▃▅▆▇█`. Values are fractions; at most `width` of them, spread over all.
    static func sparkline(_ values: [Double], width: Int) -> String {
        let heights = Array("▁▂▃▄▅▆▇█")
        let shown = values.count <= width ? values : (0..<width).map { values[$0 * (values.count - 1) / max(1, width - 1)] }
        return String(shown.map { heights[min(7, max(0, Int($0 * 8)))] })
    }

    /// `██████▌             `: a share of `width` cells, to half a cell.
    static func bar(_ fraction: Double, width: Int) -> String {
        let halves = Int((max(0, min(1, fraction)) * Double(2 * width)).rounded())
        let full = String(repeating: "█", count: halves / 2) + (halves % 2 == 1 ? "▌" : "")
        return full + String(repeating: "░", count: width - halves / 2 - halves % 2)
    }
}
