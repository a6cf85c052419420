import Arguments
import JSON

/// `openclaw experiment list`
enum ExperimentList {
    static let command = Command("experiment list", summary: "All experiments") { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/experiments")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let experiments = answer["experiments"]?.arrayValue ?? []
        guard !experiments.isEmpty else { return "no experiments yet\nnext: openclaw experiment plan FILE" }
        var table = Table(["experiment", "route", "state", "verdict", "users", "shares"])
        for experiment in experiments {
            let shares = (experiment["variants"]?.arrayValue ?? []).map { variant in
                "\(variant["name"]?.stringValue ?? "") \(variant["share"]?.numberValue.map(Figures.share) ?? "")"
            }
            table.add([
                ExperimentScreen.name(experiment), experiment["route"]?.stringValue ?? "", state(experiment, style),
                experiment["verdict"]?["outcome"]?.stringValue ?? "", Figures.count(experiment["units"]?.integerValue ?? 0),
                ExperimentScreen.isDecided(experiment) ? experiment["base"]?.stringValue ?? "" : shares.joined(separator: ", "),
            ])
        }
        return table.text(style)
    }

    /// In the colour of what it means.
    static func state(_ experiment: JSONValue, _ style: Style) -> String {
        let state = experiment["state"]?.stringValue ?? ""
        switch state {
        case "promoted": return style.good(state)
        case "failed": return style.bad(state)
        case "stopped": return state
        default: return style.open(state)
        }
    }
}
