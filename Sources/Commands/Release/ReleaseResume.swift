import Arguments

/// `openclaw release resume NAME`
enum ReleaseResume {
    static let command = Command("release resume", summary: "Go on with a paused release", parameters: ReleaseAction.parameters()) {
        invocation in
        try await ReleaseAction.perform("resume", invocation)
    }
}
