import Arguments

/// `openclaw release abort NAME`
enum ReleaseAbort {
    static let command = Command(
        "release abort", summary: "End a release and take its version back", parameters: ReleaseAction.parameters()
    ) { invocation in
        try await ReleaseAction.perform("abort", invocation)
    }
}
