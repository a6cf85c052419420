import Arguments
import JSON

/// `openclaw train explain NAME`
enum TrainExplain {
    static let command = Command(
        "train explain", summary: "Why a job waits and until when, or why it was placed where it is",
        parameters: [.operand("NAME", "The job")]
    ) { invocation in
        let path = "/api/v1/jobs/\(APIClient.segment(invocation.operand("NAME")))/explain"
        let explained = try await APIClient(invocation).get(path)
        Output(invocation).show(explained) { style in text(explained, style) }
    }

    /// What each term of the policy makes of its place.
    private static func standing(_ explained: JSONValue, _ style: Style) -> [String] {
        guard let standing = explained["standing"] else { return [] }
        var lines: [String] = []
        if let points = standing["points"]?.numberValue { lines.append("  points   \(Figures.value(points, unit: ""))") }
        for term in standing["terms"]?.arrayValue ?? [] {
            let (name, because) = (term["term"]?.stringValue ?? "", term["because"]?.stringValue ?? "")
            guard let weight = term["weight"]?.numberValue, let factor = term["factor"]?.numberValue else {
                lines.append("           \(name): \(because)")
                continue
            }
            let figures = [weight, factor, weight * factor].map { Figures.value($0, unit: "") }
            lines.append("           \(name) \(figures[0]) x \(figures[1]) = \(figures[2])  (\(because))")
        }
        return lines
    }

    static func text(_ explained: JSONValue, _ style: Style) -> String {
        let name = TrainScreen.name(explained)
        var lines: [String] = []
        if let waits = explained["waits"]?.stringValue {
            let until = explained["until"]?.stringValue.map { "about \(Figures.moment($0))" } ?? "not known"
            lines.append("\(style.strong(name)) \(style.open("waits")): \(waits)")
            lines.append("  until    \(until)")
            if let place = explained["queue_place"]?.integerValue {
                let length = explained["queue_length"]?.integerValue.map { " of \($0)" } ?? ""
                lines.append("  place    \(place)\(length) in the queue, by policy \(explained["policy"]?.stringValue ?? "")")
            }
        } else {
            lines.append("\(style.strong(name)) is \(TrainScreen.state(explained))")
            if let because = explained["placed_because"]?.stringValue { lines.append("  placed   \(because)") }
            if let because = explained["because"]?.stringValue { lines.append("  because  \(because)") }
            if let cause = explained["first_cause"]?["text"]?.stringValue { lines.append("  first    \(style.bad(cause))") }
        }
        lines += standing(explained, style)
        if let because = explained["resized_because"]?.stringValue { lines.append("  resized  \(because)") }
        if let scaling = explained["scaling"] {
            let why = (scaling["why_not"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: "; ")
            lines.append("  scales   \(why.isEmpty ? "while it trains" : "at a checkpoint, not while it trains: \(why)")")
        }
        if let asked = explained["asked"]?.stringValue { lines.append("  asked    \(asked)") }
        lines += TrainScreen.changes(explained)
        lines.append("  needs    \(explained["needs"]?.stringValue ?? "")")
        let nodes = (explained["nodes"]?.arrayValue ?? []).map { node in
            "\(node["name"]?.stringValue ?? "") \(node["health"]?.stringValue ?? ""), \(node["ranks"]?.integerValue ?? 0) ranks"
        }
        lines.append("  nodes    \(nodes.joined(separator: "; "))")
        lines.append("  proof    openclaw audit prove \(explained["entry"]?.integerValue ?? 0)")
        return lines.joined(separator: "\n")
    }
}
