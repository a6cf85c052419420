import Faults
import HTTP
import Training

/// The output of a job's ranks as one text: what is there, then (when followed) what comes, until the job has ended.
struct JobLogs: Sendable {
    let training: TrainingService
    let job: String
    /// Nil for all of them.
    let rank: Int?
    let tail: Int
    let follows: Bool

    private static let pace = Duration.milliseconds(100)

    func stream() async throws(Fault) -> AsyncStream<[UInt8]> {
        _ = try await training.status(job)
        return AsyncStream(bufferingPolicy: .unbounded) { continuation in
            let task = Task {
                await send(to: continuation)
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private func send(to continuation: AsyncStream<[UInt8]>.Continuation) async {
        var cursors: [Int: LogCursor] = [:]
        var isFirst = true
        while !Task.isCancelled {
            var (lines, isOver): ([String], Bool) = ([], true)
            for rank in await ranks() {
                let isNew = isFirst && cursors[rank] == nil
                guard
                    let read = try? await training.output(
                        of: job, rank: rank, from: isNew ? nil : cursors[rank] ?? .start, tail: tail)
                else { return }
                cursors[rank] = read.next
                lines += read.lines
                isOver = isOver && read.isOver
            }
            // Each line begins with its moment, so that this is the order in which they were written.
            for line in lines.sorted() { continuation.yield(Array((line + "\n").utf8)) }
            if !follows || (isOver && lines.isEmpty && !isFirst) { return }
            isFirst = false
            if lines.isEmpty { try? await Task.sleep(for: Self.pace) }
        }
    }

    private func ranks() async -> [Int] {
        if let rank { return [rank] }
        return (try? await training.ranks(of: job)) ?? []
    }
}
