import Arguments
import Faults

/// `openclaw release rollback NAME`: works at any time, also while the daemon restarts.
enum ReleaseRollback {
    /// How long a daemon may be away.
    static let patience = Duration.seconds(30)

    static let command = Command(
        "release rollback", summary: "Take a version back now; works after promotion too", parameters: ReleaseAction.parameters()
    ) { invocation in
        // Asking twice is asking once: a rollback that was recorded before the connection broke is answered with its state.
        let status = try await Persistence.reaching("the rollback is recorded", patience: patience, Output(invocation)) {
            () async throws(Fault) in try await ReleaseAction.send("rollback", invocation)
        }
        ReleaseAction.show(status, invocation)
    }
}
