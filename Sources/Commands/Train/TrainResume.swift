import Arguments
import JSON
import Telemetry

/// `openclaw train resume NAME`
enum TrainResume {
    static let command = Command(
        "train resume", summary: "Go on with a job that an earlier version of this program recorded otherwise",
        parameters: [.operand("NAME", "The job")]
    ) { invocation in
        let path = "/api/v1/jobs/\(APIClient.segment(invocation.operand("NAME")))/resume"
        let status = try await APIClient(invocation).post(path, [:])
        Output(invocation).show(status) { style in TrainScreen.text(status, style, now: .now()) }
    }
}
