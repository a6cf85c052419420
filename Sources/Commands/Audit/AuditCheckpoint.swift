import Arguments
import JSON

/// `openclaw audit checkpoint`
enum AuditCheckpoint {
    static let command = Command(
        "audit checkpoint", summary: "Sign what the ledger is now, to be kept where its host cannot reach",
        discussion: """
            Prints a C2SP tlog-checkpoint. Who keeps it (in another system, on paper) can later show by `audit consistency` whether \
            anything before it was rewritten.
            """
    ) { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/audit/checkpoint")
        // The text itself, not a picture of it: it can be piped into a file and verified there.
        Output(invocation).show(answer) { _ in answer["checkpoint"]?.stringValue ?? "" }
    }
}
