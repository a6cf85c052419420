import Faults

/// Trying again while the daemon is away, for commands that must get through (a rollback) or stay (a watch).
enum Persistence {
    /// Repeats `attempt` while nothing answers, for at most `patience`; says so once.
    static func reaching<T>(
        _ purpose: String, patience: Duration, _ output: Output, _ attempt: () async throws(Fault) -> T
    ) async throws(Fault) -> T {
        let clock = ContinuousClock()
        let end = clock.now + patience
        var hasSpoken = false
        while true {
            do throws(Fault) {
                return try await attempt()
            } catch {
                guard error.kind == .unavailable, clock.now < end else { throw error }
                if !hasSpoken {
                    output.remark("\(error.what) Trying for \(Figures.duration(patience)) until \(purpose).")
                    hasSpoken = true
                }
                try? await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}
