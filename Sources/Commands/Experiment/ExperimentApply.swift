import Arguments
import JSON
import Telemetry

/// `openclaw experiment apply FILE [--watch]`
enum ExperimentApply {
    static let command = Command(
        "experiment apply",
        summary: "Start an experiment, or change one that runs; returns when its first users can see it, --watch stays",
        parameters: [.operand("FILE", "An `experiment:` file"), .flag("watch", "Stay until it is decided")]
    ) { invocation in
        let body = try ApplyBody.make(of: [invocation.operand("FILE")])
        let answer = try await APIClient(invocation).post("/api/v1/experiments", body)
        let experiments = answer["experiments"]?.arrayValue ?? []
        if invocation.has("watch"), experiments.count == 1 {
            try await StatusWatcher(.experiment, invocation).watch(ExperimentScreen.name(experiments[0]))
            return
        }
        Output(invocation).show(experiments.count == 1 ? experiments[0] : answer) { style in
            experiments.map { ExperimentScreen.text($0, style, now: .now()) }.joined(separator: "\n\n")
        }
        if experiments.contains(where: { $0["state"] == "failed" }) { throw SilentExit(code: 1) }
    }
}
