import JSON
import Telemetry

/// A drawing of 880 by 240 units: time from left to right, a value from bottom to top.
private struct Plot {
    static let (width, height, left, right, top, bottom) = (880.0, 240.0, 56.0, 12.0, 12.0, 28.0)
    let from: Int64
    let to: Int64
    let low: Double
    let high: Double

    func x(_ at: Int64) -> Double {
        Plot.left + (to > from ? Double(at - from) / Double(to - from) : 0) * (Plot.width - Plot.left - Plot.right)
    }
    func y(_ value: Double) -> Double {
        Plot.height - Plot.bottom - (value - low) / (high > low ? high - low : 1) * (Plot.height - Plot.top - Plot.bottom)
    }
    func point(_ at: Int64, _ value: Double) -> String { "\(Figures.plain(x(at))),\(Figures.plain(y(value)))" }

    func framed(_ inside: String, ticks: [(Double, String)]) -> String {
        var parts = ["<svg viewBox=\"0 0 \(Int(Plot.width)) \(Int(Plot.height))\" role=\"img\">"]
        for (value, text) in ticks {
            let at = Figures.plain(y(value))
            parts.append(
                "<line class=\"axis\" x1=\"\(Int(Plot.left))\" x2=\"\(Int(Plot.width - Plot.right))\" y1=\"\(at)\" y2=\"\(at)\"/>")
            parts.append(
                "<text x=\"\(Int(Plot.left - 8))\" y=\"\(at)\" text-anchor=\"end\" dy=\"4\">\(ExperimentPage.escaped(text))</text>")
        }
        let span = Figures.duration(.milliseconds(to - from))
        parts.append("<text x=\"\(Int(Plot.left))\" y=\"\(Int(Plot.height - 8))\">0</text>")
        parts.append("<text x=\"\(Int(Plot.width - Plot.right))\" y=\"\(Int(Plot.height - 8))\" text-anchor=\"end\">\(span)</text>")
        return parts.joined() + inside + "</svg>"
    }
}

/// The shares of the variants over time, as steps: a share holds until it is moved.
enum SharePlot {
    static func svg(_ report: JSONValue) -> String {
        let points = (report["course"]?["shares"]?.arrayValue ?? []).compactMap { point -> (at: Int64, shares: [Double])? in
            guard let at = ExperimentPage.moment(point["at"]) else { return nil }
            return (at.milliseconds, (point["shares"]?.arrayValue ?? []).compactMap(\.numberValue))
        }
        guard let first = points.first, let last = points.last else { return "" }
        let end =
            (ExperimentPage.moment(report["ended_at"]) ?? ExperimentPage.moment(report["reported_at"]))?.milliseconds ?? last.at
        let plot = Plot(from: first.at, to: max(end, last.at), low: 0, high: 1)
        let lines = first.shares.indices.map { place -> String in
            var steps: [String] = []
            for (index, point) in points.enumerated() where point.shares.indices.contains(place) {
                if index > 0, points[index - 1].shares.indices.contains(place) {
                    steps.append(plot.point(point.at, points[index - 1].shares[place]))
                }
                steps.append(plot.point(point.at, point.shares[place]))
            }
            if last.shares.indices.contains(place) { steps.append(plot.point(plot.to, last.shares[place])) }
            return
                "<polyline fill=\"none\" stroke=\"\(ExperimentPage.colour(place))\" stroke-width=\"2\" points=\"\(steps.joined(separator: " "))\"/>"
        }
        return plot.framed(lines.joined(), ticks: [(0, "0 %"), (0.5, "50 %"), (1, "100 %")])
    }
}

/// The difference from control over time, and what it lies within.
enum DifferencePlot {
    private struct Point {
        var at: Int64
        var difference: Double
        var lower: Double
        var upper: Double
    }

    static func svg(_ report: JSONValue) -> String {
        let points = (report["course"]?["differences"]?.arrayValue ?? []).compactMap { point -> Point? in
            guard let at = ExperimentPage.moment(point["at"]), let difference = point["difference"]?.numberValue,
                let lower = point["lower"]?.numberValue, let upper = point["upper"]?.numberValue
            else { return nil }
            return Point(at: at.milliseconds, difference: difference, lower: lower, upper: upper)
        }
        guard points.count > 1, let first = points.first, let last = points.last else { return "" }
        // The first intervals are wide, and would hide the ones that matter: they run out of the picture.
        let widest = points.map { max(abs($0.lower), abs($0.upper)) }.sorted()[points.count / 2] * 1.6
        let reach = max(widest, abs(last.difference) * 1.2, 1e-12)
        let plot = Plot(from: first.at, to: last.at, low: -reach, high: reach)
        func clipped(_ value: Double) -> Double { min(reach, max(-reach, value)) }
        let upper = points.map { plot.point($0.at, clipped($0.upper)) }
        let lower = points.reversed().map { plot.point($0.at, clipped($0.lower)) }
        let middle = points.map { plot.point($0.at, clipped($0.difference)) }
        let colour = ExperimentPage.colour(1)
        let figures = ExperimentFigures(metric: ExperimentScreen.primary(report) ?? .null)
        return plot.framed(
            "<polygon fill=\"\(colour)\" opacity=\"0.18\" points=\"\((upper + lower).joined(separator: " "))\"/>"
                + "<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\" points=\"\(middle.joined(separator: " "))\"/>",
            ticks: [(-reach / 1.25, figures.difference(-reach / 1.25)), (0, "0"), (reach / 1.25, figures.difference(reach / 1.25))])
    }
}

/// One value over time; `marks` are moments that something happened at, with a letter or two each.
enum CurvePlot {
    static func svg(_ curve: JSONValue, marks: [(at: Int64, text: String)] = []) -> String {
        let points = (curve.arrayValue ?? []).compactMap { point -> (at: Int64, value: Double)? in
            guard let at = ExperimentPage.moment(point["at"]), let value = point["value"]?.numberValue else { return nil }
            return (at.milliseconds, value)
        }
        guard points.count > 1, let first = points.first, let last = points.last else { return "" }
        let (low, high) = (points.map(\.value).min() ?? 0, points.map(\.value).max() ?? 1)
        let plot = Plot(from: first.at, to: last.at, low: low, high: high)
        let line = points.map { plot.point($0.at, $0.value) }.joined(separator: " ")
        let marked = marks.filter { (first.at...last.at).contains($0.at) }.map { mark in
            let x = Figures.plain(plot.x(mark.at))
            return "<line stroke=\"var(--bad)\" stroke-dasharray=\"3 3\" x1=\"\(x)\" x2=\"\(x)\" y1=\"12\" y2=\"212\"/>"
                + "<text x=\"\(x)\" y=\"22\" dx=\"4\">\(ExperimentPage.escaped(mark.text))</text>"
        }
        return plot.framed(
            marked.joined()
                + "<polyline fill=\"none\" stroke=\"\(ExperimentPage.colour(1))\" stroke-width=\"2\" points=\"\(line)\"/>",
            ticks: [(low, tick(low)), (high, tick(high))])
    }

    /// Decimals only where they tell something, so that a thousand and its unit fit beside the plot.
    private static func tick(_ value: Double) -> String {
        abs(value) < 10 ? Figures.measured(value) : Figures.significant(value, 0)
    }
}

extension Figures {
    /// A coordinate: two decimals, no thousands apart.
    fileprivate static func plain(_ value: Double) -> String {
        let hundredths = Int64((value * 100).rounded())
        let rest = abs(hundredths % 100)
        return "\(hundredths < 0 ? "-" : "")\(abs(hundredths / 100)).\(rest < 10 ? "0" : "")\(rest)"
    }
}
