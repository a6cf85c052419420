import Arguments

/// `openclaw release resume NAME`
enum ReleaseResume {
    static let command = Command(
        "release resume", summary: "Go on with a paused release, or one that an earlier version recorded otherwise",
        parameters: ReleaseAction.parameters()
    ) {
        invocation in
        try await ReleaseAction.perform("resume", invocation)
    }
}
