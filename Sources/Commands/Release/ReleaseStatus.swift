import Arguments
import Telemetry

/// `openclaw release status NAME [--watch]`
enum ReleaseStatus {
    static let command = Command(
        "release status", summary: "How a release stands; --watch follows it until it is decided",
        discussion: "With --watch the exit code is 0 when it was promoted and 1 when it was rolled back or failed.",
        parameters: [.operand("NAME", "The release"), .flag("watch", "Follow it until it is decided")]
    ) { invocation in
        let name = invocation.operand("NAME")
        if invocation.has("watch") {
            try await StatusWatcher(.release, invocation).watch(name)
            return
        }
        let status = try await APIClient(invocation).get("/api/v1/releases/\(APIClient.segment(name))")
        Output(invocation).show(status) { style in ReleaseScreen.text(status, style, now: .now()) }
    }
}
