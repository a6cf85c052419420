import Faults
import HTTP
import JSON

/// The status of a release or an experiment as a stream: what changed is sent, and its end is the end of the stream.
struct StatusWatch: Sendable {
    let status: @Sendable () async throws(Fault) -> JSONValue
    /// Whether a status can still change by itself.
    let isRunning: @Sendable (JSONValue) -> Bool

    /// How soon a change is seen. Evidence moves with every request; a person needs no more than this.
    private static let pace = Duration.milliseconds(250)
    private static let heartbeatEvery = 40  // looks: 10 s

    func stream() async throws(Fault) -> AsyncStream<[UInt8]> {
        let first = try await status()
        // A reader slower than the pace misses looks, never the last word: the newest are kept.
        return AsyncStream(bufferingPolicy: .bufferingNewest(16)) { continuation in
            let task = Task {
                await send(first, to: continuation)
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private func send(_ first: JSONValue, to continuation: AsyncStream<[UInt8]>.Continuation) async {
        var last = first
        var quietLooks = 0
        continuation.yield(ServerSentEvent(name: "status", data: first.canonicalText).bytes)
        while !Task.isCancelled, isRunning(last) {
            try? await Task.sleep(for: Self.pace)
            guard let status = try? await status() else { return }
            quietLooks += 1
            if status != last {
                continuation.yield(ServerSentEvent(name: "status", data: status.canonicalText).bytes)
                (last, quietLooks) = (status, 0)
            } else if quietLooks % Self.heartbeatEvery == 0 {
                continuation.yield(ServerSentEvent.keepAlive)
            }
        }
    }
}
