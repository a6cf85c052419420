import Arguments
import Faults
import JSON
import Telemetry

/// What the verbs that conduct a release have in common: one request, and how the release stands after it.
enum ReleaseAction {
    static func parameters(_ more: [Parameter] = []) -> [Parameter] {
        [.operand("NAME", "The release"), .option("reason", "TEXT", "Recorded beside the decision")] + more
    }

    static func perform(_ verb: String, _ invocation: Invocation) async throws(Fault) {
        show(try await send(verb, invocation), invocation)
    }

    static func send(_ verb: String, _ invocation: Invocation) async throws(Fault) -> JSONValue {
        let path = "/api/v1/releases/\(APIClient.segment(invocation.operand("NAME")))/\(verb)"
        return try await APIClient(invocation).post(path, ["reason": invocation.value("reason").map(JSONValue.string) ?? .null])
    }

    static func show(_ status: JSONValue, _ invocation: Invocation) {
        Output(invocation).show(status) { style in ReleaseScreen.text(status, style, now: .now()) }
    }
}
