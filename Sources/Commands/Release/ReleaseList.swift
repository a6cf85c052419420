import Arguments
import JSON

/// `openclaw release list`
enum ReleaseList {
    static let command = Command("release list", summary: "All releases") { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/releases")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let releases = answer["releases"]?.arrayValue ?? []
        guard !releases.isEmpty else { return "no releases yet\nnext: openclaw release apply FILE" }
        var table = Table(["release", "route", "state", "stage", "share"])
        for release in releases {
            let state = release["state"]?.stringValue ?? ""
            let word = state.replacing("_", with: " ") + (release["baking"]?.boolValue == true ? ", baking" : "")
            table.add([
                ReleaseScreen.name(release), release["route"]?.stringValue ?? "",
                state == "promoted"
                    ? style.good(word) : ["rolled_back", "failed"].contains(state) ? style.bad(word) : style.open(word),
                release["stage"]?.stringValue ?? "", release["share"]?.numberValue.map(Figures.share) ?? "",
            ])
        }
        return table.text(style)
    }
}
