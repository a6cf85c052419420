import Faults
import HTTP
import JSON
import Ledger

/// `/api/v1/events`: what is recorded, as it is recorded.
enum EventRoutes {
    static let endpoints: [Endpoint] = [
        Endpoint(
            .get, "/api/v1/events", .scope(.read), "The ledger, live",
            query: [
                .init("after", "Begin after this entry; `-1` is the beginning, and without it only new entries are sent"),
                .init("kind", "Only entries about this kind of resource, such as release"),
            ],
            answers: .events("Each entry: `id` its index, `event` its kind. Last-Event-ID resumes after that entry")
        ) { call throws(Fault) in
            let ledger = try call.services.ledger
            return .events(stream(of: ledger, after: try await start(call, ledger), kind: call.request.query("kind")))
        }
    ]

    private static func start(_ call: Call, _ ledger: LedgerWriter) async throws(Fault) -> Position {
        guard let text = call.request.headers["Last-Event-ID"] ?? call.request.query("after") else {
            return Position(try await ledger.reader.count() - 1)
        }
        guard let index = Int64(text), index >= -1 else {
            throw Fault(
                .usage, what: "The stream cannot begin after '\(text)'.", why: "Entries are numbered from 0.",
                fix: "Send the id of the last event you saw, or -1.")
        }
        return Position(index)
    }

    private static func stream(of ledger: LedgerWriter, after start: Position, kind: String?) -> AsyncStream<[UInt8]> {
        let entries = ledger.entries(after: start)
        let (lines, continuation) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingOldest(1_024))
        let reading = Task {
            for await entry in entries where kind == nil || entry.resource.kind == kind {
                let event = ServerSentEvent(id: "\(entry.position.index)", name: entry.kind, data: entry.json.canonicalText)
                // A client that reads too slowly is cut off; it resumes with Last-Event-ID and loses nothing.
                if case .dropped = continuation.yield(event.bytes) { break }
            }
            continuation.finish()
        }
        let beating = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(15))
                continuation.yield(ServerSentEvent.keepAlive)
            }
        }
        continuation.onTermination = { _ in
            reading.cancel()
            beating.cancel()
        }
        return lines
    }
}
