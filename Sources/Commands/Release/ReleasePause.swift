import Arguments

/// `openclaw release pause NAME`
enum ReleasePause {
    static let command = Command(
        "release pause", summary: "Hold a release where it stands; its gates keep watching", parameters: ReleaseAction.parameters()
    ) { invocation in
        try await ReleaseAction.perform("pause", invocation)
    }
}
