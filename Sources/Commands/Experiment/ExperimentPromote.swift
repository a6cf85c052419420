import Arguments
import JSON
import Telemetry

/// `openclaw experiment promote NAME [VARIANT]`
enum ExperimentPromote {
    static let command = Command(
        "experiment promote", summary: "A variant answers everybody from now on, whatever the evidence says",
        parameters: [
            .operand("NAME", "The experiment"),
            .operand("VARIANT", "Which; standard: the one that is known to be best", required: false),
            .option("reason", "TEXT", "Recorded beside the decision"),
        ]
    ) { invocation in
        let path = "/api/v1/experiments/\(APIClient.segment(invocation.operand("NAME")))/promote"
        let status = try await APIClient(invocation).post(
            path,
            [
                "variant": invocation.value("VARIANT").map(JSONValue.string) ?? .null,
                "reason": invocation.value("reason").map(JSONValue.string) ?? .null,
            ])
        Output(invocation).show(status) { style in ExperimentScreen.text(status, style, now: .now()) }
    }
}
