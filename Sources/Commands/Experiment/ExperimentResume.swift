import Arguments
import JSON
import Telemetry

/// `openclaw experiment resume NAME`
enum ExperimentResume {
    static let command = Command(
        "experiment resume", summary: "Go on with an experiment that an earlier version of this program recorded otherwise",
        parameters: [.operand("NAME", "The experiment")]
    ) { invocation in
        let path = "/api/v1/experiments/\(APIClient.segment(invocation.operand("NAME")))/resume"
        let status = try await APIClient(invocation).post(path, [:])
        Output(invocation).show(status) { style in ExperimentScreen.text(status, style, now: .now()) }
    }
}
