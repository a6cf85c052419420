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

    static func text(_ explained: JSONValue, _ style: Style) -> String {
        let name = TrainScreen.name(explained)
        var lines: [String] = []
        if let waits = explained["waits"]?.stringValue {
            let until = explained["until"]?.stringValue.map { "about \(Figures.moment($0))" } ?? "not known"
            lines.append("\(style.strong(name)) \(style.open("waits")): \(waits)")
            lines.append("  until    \(until)")
            if let place = explained["queue_place"]?.integerValue {
                lines.append("  place    \(place) in the queue, by policy \(explained["policy"]?.stringValue ?? "")")
            }
        } else {
            lines.append("\(style.strong(name)) is \(TrainScreen.state(explained))")
            if let because = explained["placed_because"]?.stringValue { lines.append("  placed   \(because)") }
            if let because = explained["because"]?.stringValue { lines.append("  because  \(because)") }
            if let cause = explained["first_cause"]?["text"]?.stringValue { lines.append("  first    \(style.bad(cause))") }
        }
        lines.append("  needs    \(explained["needs"]?.stringValue ?? "")")
        let nodes = (explained["nodes"]?.arrayValue ?? []).map { node in
            "\(node["name"]?.stringValue ?? "") \(node["health"]?.stringValue ?? ""), \(node["ranks"]?.integerValue ?? 0) ranks"
        }
        lines.append("  nodes    \(nodes.joined(separator: "; "))")
        lines.append("  proof    openclaw audit prove \(explained["entry"]?.integerValue ?? 0)")
        return lines.joined(separator: "\n")
    }
}
