import Arguments
import Telemetry

/// `openclaw experiment status NAME [--watch]`
enum ExperimentStatus {
    static let command = Command(
        "experiment status", summary: "How an experiment stands; --watch follows it until it is decided",
        discussion: "With --watch the exit code is 1 when it could not begin, and 0 otherwise.",
        parameters: [.operand("NAME", "The experiment"), .flag("watch", "Follow it until it is decided")]
    ) { invocation in
        let name = invocation.operand("NAME")
        if invocation.has("watch") {
            try await StatusWatcher(.experiment, invocation).watch(name)
            return
        }
        let status = try await APIClient(invocation).get("/api/v1/experiments/\(APIClient.segment(name))")
        Output(invocation).show(status) { style in ExperimentScreen.text(status, style, now: .now()) }
    }
}
