import Arguments

/// `openclaw release promote NAME`
enum ReleasePromote {
    static let command = Command(
        "release promote", summary: "Promote now, whatever the gates say", parameters: ReleaseAction.parameters()
    ) { invocation in
        try await ReleaseAction.perform("promote", invocation)
    }
}
