import Experiments
import Faults
import HTTP
import JSON

/// An experiment's status as a stream: what changed is sent, and the end of the experiment is the end of the stream.
enum ExperimentWatch {
    /// How soon a change is seen. Evidence moves with every request; a person needs no more than this.
    private static let pace = Duration.milliseconds(250)
    private static let heartbeatEvery = 40  // looks: 10 s

    static func stream(of name: String, in experiments: ExperimentService) async throws(Fault) -> AsyncStream<[UInt8]> {
        let first = try await experiments.status(name)
        // A reader slower than the pace misses looks, never the last word: the newest are kept.
        return AsyncStream(bufferingPolicy: .bufferingNewest(16)) { continuation in
            let task = Task {
                await send(first, name, experiments, to: continuation)
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private static func send(
        _ first: JSONValue, _ name: String, _ experiments: ExperimentService, to continuation: AsyncStream<[UInt8]>.Continuation
    ) async {
        var last = first
        var quietLooks = 0
        continuation.yield(ServerSentEvent(name: "status", data: first.canonicalText).bytes)
        while !Task.isCancelled, ExperimentRoutes.isRunning(last) {
            try? await Task.sleep(for: pace)
            guard let status = try? await experiments.status(name) else { return }
            quietLooks += 1
            if status != last {
                continuation.yield(ServerSentEvent(name: "status", data: status.canonicalText).bytes)
                (last, quietLooks) = (status, 0)
            } else if quietLooks % heartbeatEvery == 0 {
                continuation.yield(ServerSentEvent.keepAlive)
            }
        }
    }
}
