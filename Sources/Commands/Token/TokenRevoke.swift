import Arguments
import JSON

/// `openclaw token revoke NAME`
enum TokenRevoke {
    static let command = Command(
        "token revoke", summary: "From now on nobody gets in with this token", parameters: [.operand("NAME", "The token")]
    ) { invocation in
        let token = try await APIClient(invocation).delete("/api/v1/tokens/\(APIClient.segment(invocation.operand("NAME")))")
        Output(invocation).show(token) { _ in
            "revoked \(token["name"]?.stringValue ?? "") at \(Figures.moment(token["revoked_at"]?.stringValue ?? ""))"
        }
    }
}
