import Faults
import HTTP
import JSON
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
    /// `2026-11-21T15:17:16.139Z`
    private static let momentLength = 24

    func stream() async throws(Fault) -> AsyncStream<[UInt8]> {
        let (status, known) = (try await training.status(job), try await training.ranks(of: job))
        let count = Int(max(status["world"]?.integerValue ?? 0, status["ranks_wanted"]?["max"]?.integerValue ?? 0))
        if let rank, rank >= count, !known.contains(rank) {
            throw Fault(
                .notFound, what: "\(job) has no rank \(rank).", why: "Its ranks are 0 to \(count - 1).",
                fix: "Leave --rank out for all of them.")
        }
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
            // Lines of one moment stay as they came.
            let inOrder = lines.enumerated().sorted { one, other in
                let moments = (one.element.utf8.prefix(Self.momentLength), other.element.utf8.prefix(Self.momentLength))
                return moments.0.elementsEqual(moments.1)
                    ? one.offset < other.offset : moments.0.lexicographicallyPrecedes(moments.1)
            }
            for line in inOrder { continuation.yield(Array((line.element + "\n").utf8)) }
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
