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
            table.add([
                ReleaseScreen.name(release), release["route"]?.stringValue ?? "", state(release, style),
                ReleaseScreen.isDecided(release) ? "" : release["stage"]?.stringValue ?? "",
                release["share"]?.numberValue.map(Figures.share) ?? "",
            ])
        }
        return table.text(style)
    }

    /// `rolled back`, `promoted, still watched`, in the colour of what it means.
    static func state(_ release: JSONValue, _ style: Style) -> String {
        let state = release["state"]?.stringValue ?? ""
        let word = state.replacing("_", with: " ") + (release["baking"]?.boolValue == true ? ", still watched" : "")
        switch state {
        case "promoted": return style.good(word)
        case "rolled_back", "failed": return style.bad(word)
        default: return style.open(word)
        }
    }
}
