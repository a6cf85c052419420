import Arguments
import Worker

/// `openclaw worker --plan FILE`: the process beside one rank. Engines start it; nobody types it.
enum WorkerProcess {
    static let command = Command(
        "worker", summary: "The process beside one rank of a training job (started by the daemon)",
        parameters: [.operand("FILE", "The plan that the daemon wrote")]
    ) { invocation in
        let supervisor = RankSupervisor(try WorkerPlan(reading: invocation.operand("FILE")))
        let signals = StopSignals()
        let listening = Task {
            await signals.first()
            await supervisor.stop()
        }
        try await supervisor.run()
        listening.cancel()
    }
}
