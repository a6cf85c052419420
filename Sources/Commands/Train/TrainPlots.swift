import JSON
import Telemetry

/// Bars of a job's report: each a whole that is split, its parts in the order of the legend.
enum TrainPlots {
    private static let (width, left, row) = (880.0, 96.0, 30.0)

    /// What of their steps' time the ranks computed, waited for gradients, and did otherwise.
    static func steps(_ report: JSONValue) -> String {
        let rows = (report["per_rank"]?.arrayValue ?? []).compactMap { rank -> (String, [Double])? in
            guard let compute = rank["compute_share"]?.numberValue, let wait = rank["wait_share"]?.numberValue else { return nil }
            let rest = max(0, 1 - compute - wait)
            return ("rank \(rank["rank"]?.integerValue ?? 0)", [compute, wait, rest])
        }
        return bars(rows)
    }
    static let stepParts = ["computing", "waiting for gradients", "input and the rest"]

    /// What of a job's time it waited, began, trained and ended.
    static func phases(_ report: JSONValue) -> String {
        let seconds = TrainReport.phases.map { report["phases"]?["\($0)_s"]?.numberValue ?? 0 }
        let whole = seconds.reduce(0, +)
        return whole > 0 ? bars([(TrainReport.time(whole), seconds.map { $0 / whole })]) : ""
    }

    static func legend(_ parts: [String]) -> String {
        let items = parts.enumerated().map { place, part in
            "<i style=\"background:\(ExperimentPage.colour(place + 1))\"></i>\(ExperimentPage.escaped(part))"
        }
        return "<div class=\"legend\">\(items.joined())</div>"
    }

    private static func bars(_ rows: [(name: String, shares: [Double])]) -> String {
        guard !rows.isEmpty else { return "" }
        var parts = ["<svg viewBox=\"0 0 \(Int(width)) \(Int(row) * rows.count)\" role=\"img\">"]
        for (place, bar) in rows.enumerated() {
            let top = Int(row) * place
            parts.append(
                "<text x=\"\(Int(left - 8))\" y=\"\(top + 20)\" text-anchor=\"end\">\(ExperimentPage.escaped(bar.name))</text>")
            var x = left
            for (part, share) in bar.shares.enumerated() where share > 0 {
                let wide = share * (width - left - 12)
                parts.append(
                    "<rect x=\"\(Int(x.rounded()))\" y=\"\(top + 4)\" width=\"\(Int(wide.rounded()))\" height=\"22\" fill=\"\(ExperimentPage.colour(part + 1))\"/>"
                )
                if wide > 44 {
                    parts.append(
                        "<text x=\"\(Int((x + wide / 2).rounded()))\" y=\"\(top + 20)\" text-anchor=\"middle\" style=\"fill:#fff\">\(Int((share * 100).rounded())) %</text>"
                    )
                }
                x += wide
            }
        }
        return parts.joined() + "</svg>"
    }
}
