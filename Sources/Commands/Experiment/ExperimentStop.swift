import Arguments
import JSON
import Telemetry

/// `openclaw experiment stop NAME`
enum ExperimentStop {
    static let command = Command(
        "experiment stop", summary: "End an experiment without a winner; the route's base split answers again",
        parameters: [.operand("NAME", "The experiment"), .option("reason", "TEXT", "Recorded beside the decision")]
    ) { invocation in
        let path = "/api/v1/experiments/\(APIClient.segment(invocation.operand("NAME")))/stop"
        let status = try await APIClient(invocation).post(
            path, ["reason": invocation.value("reason").map(JSONValue.string) ?? .null])
        Output(invocation).show(status) { style in ExperimentScreen.text(status, style, now: .now()) }
    }
}
