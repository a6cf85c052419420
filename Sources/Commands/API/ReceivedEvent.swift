import JSON

/// One server-sent event as it arrived.
struct ReceivedEvent: Equatable, Sendable {
    var id: String?
    var name: String?
    var data: JSONValue

    /// Cuts a stream of bytes into events. Comments and events whose data is not JSON are left out.
    static func events(in chunks: AsyncStream<[UInt8]>) -> AsyncStream<ReceivedEvent> {
        AsyncStream { continuation in
            let task = Task {
                var parser = Parser()
                for await chunk in chunks {
                    for event in parser.feed(chunk) { continuation.yield(event) }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    struct Parser {
        static let lineBytesMax = 16 << 20

        private var line: [UInt8] = []
        private var id: String?
        private var name: String?
        private var data: [String] = []

        mutating func feed(_ chunk: [UInt8]) -> [ReceivedEvent] {
            var events: [ReceivedEvent] = []
            for byte in chunk {
                if byte != 0x0A {
                    if line.count < Parser.lineBytesMax { line.append(byte) }
                    continue
                }
                if let event = end(of: String(decoding: line, as: UTF8.self)) { events.append(event) }
                line.removeAll(keepingCapacity: true)
            }
            return events
        }

        private mutating func end(of line: String) -> ReceivedEvent? {
            if line.isEmpty {
                defer { (name, data) = (nil, []) }
                guard !data.isEmpty, let json = try? JSONValue(parsing: data.joined(separator: "\n")) else { return nil }
                return ReceivedEvent(id: id, name: name, data: json)
            }
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            var value = colon == line.endIndex ? "" : line[line.index(after: colon)...]
            if value.first == " " { value = value.dropFirst() }
            switch line[..<colon] {
            case "id": id = String(value)
            case "event": name = String(value)
            case "data": data.append(String(value))
            default: break  // a comment or a field this reader has no use for
            }
            return nil
        }
    }
}
