import Arguments
import JSON
import Telemetry

/// `openclaw release apply FILE [--watch]`
enum ReleaseApply {
    static let command = Command(
        "release apply", summary: "Start a release; returns at once, --watch stays",
        parameters: [.operand("FILE", "A `release_pipeline:` file"), .flag("watch", "Stay until it is decided"), Apply.whenBusy]
    ) { invocation in
        let body = try ApplyBody.make(of: [invocation.operand("FILE")], whenBusy: invocation.value("when-busy"))
        let answer = try await APIClient(invocation).post("/api/v1/releases", body)
        let releases = answer["releases"]?.arrayValue ?? []
        if invocation.has("watch"), releases.count == 1 {
            try await StatusWatcher(.release, invocation).watch(ReleaseScreen.name(releases[0]))
            return
        }
        let document = releases.count == 1 ? releases[0] : answer
        Output(invocation).show(document) { style in
            releases.map { ReleaseScreen.text($0, style, now: .now()) }.joined(separator: "\n\n")
        }
    }
}
