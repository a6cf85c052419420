import JSON

/// One event of a `text/event-stream`. The data is canonical JSON: it has no line ends, so one `data:` line holds it.
struct ServerSentEvent: Sendable {
    var id: String?
    var name: String?
    var data: JSONValue

    var bytes: [UInt8] {
        var text = ""
        if let id { text += "id: \(id)\n" }
        if let name { text += "event: \(name)\n" }
        text += "data: \(data.canonicalText)\n\n"
        return Array(text.utf8)
    }

    /// Sent on a quiet stream, so that both sides notice when the other has gone.
    static let heartbeat = Array(": still here\n\n".utf8)
}
