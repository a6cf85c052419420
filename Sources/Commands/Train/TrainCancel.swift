import Arguments
import Faults
import JSON
import Telemetry

/// `openclaw train cancel NAME [--reason TEXT]`
enum TrainCancel {
    static let command = Command(
        "train cancel", summary: "End a job; its checkpoints stay",
        parameters: [.operand("NAME", "The job"), .option("reason", "TEXT", "Recorded beside the decision")]
    ) { invocation in
        let reason = invocation.value("reason").map { JSONValue.string($0) } ?? .null
        let path = "/api/v1/jobs/\(APIClient.segment(invocation.operand("NAME")))/cancel"
        let status = try await APIClient(invocation).post(path, ["reason": reason])
        Output(invocation).show(status) { style in TrainScreen.text(status, style, now: .now()) }
    }
}

/// `openclaw train scale NAME RANKS`
enum TrainScale {
    static let command = Command(
        "train scale", summary: "Go on with another number of ranks: while it trains where its script can, else from a checkpoint",
        parameters: [.operand("NAME", "The job"), .operand("RANKS", "How many")]
    ) { invocation in
        guard let ranks = Int64(invocation.operand("RANKS")) else {
            throw Fault(
                .usage, what: "'\(invocation.operand("RANKS"))' is no number of ranks.", why: "A whole number is expected.",
                fix: "openclaw train scale NAME 4")
        }
        let path = "/api/v1/jobs/\(APIClient.segment(invocation.operand("NAME")))/scale"
        let status = try await APIClient(invocation).post(path, ["ranks": .integer(ranks)])
        Output(invocation).show(status) { style in TrainScreen.text(status, style, now: .now()) }
    }
}
