/// One event of a `text/event-stream`.
public struct ServerSentEvent: Equatable, Sendable {
    public var id: String?
    public var name: String?
    public var data: String

    public init(id: String? = nil, name: String? = nil, data: String) { (self.id, self.name, self.data) = (id, name, data) }

    /// The event as it goes over the wire. Line ends inside the data become further data lines; inside the id or the name
    /// they would start a field of their own, and are dropped.
    public var bytes: [UInt8] {
        var text = ""
        if let id { text += "id: \(Self.oneLine(id))\n" }
        if let name { text += "event: \(Self.oneLine(name))\n" }
        for line in data.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) { text += "data: \(line)\n" }
        return Array((text + "\n").utf8)
    }

    /// A comment line, which keeps an idle stream alive.
    public static let keepAlive: [UInt8] = Array(": \n\n".utf8)

    private static func oneLine(_ text: String) -> String { String(text.filter { !$0.isNewline }) }
}

/// Reads a `text/event-stream` as it arrives in pieces.
public struct ServerSentEventParser: Sendable {
    private var line: [UInt8] = []
    private var afterReturn = false
    private var event = ServerSentEvent(data: "")
    private var hasData = false
    private static let lineBytesMax = 1 << 20

    public init() {}

    /// The events that these bytes complete. A line over 1 MiB is cut.
    public mutating func receive(_ bytes: [UInt8]) -> [ServerSentEvent] {
        var events: [ServerSentEvent] = []
        for byte in bytes {
            defer { afterReturn = byte == 0x0D }
            switch byte {
            case 0x0A where afterReturn: continue
            case 0x0A, 0x0D:
                if let event = endLine() { events.append(event) }
            default:
                if line.count < Self.lineBytesMax { line.append(byte) }
            }
        }
        return events
    }

    private mutating func endLine() -> ServerSentEvent? {
        defer { line.removeAll(keepingCapacity: true) }
        if line.isEmpty {
            defer { (event, hasData) = (ServerSentEvent(data: ""), false) }
            return hasData ? event : nil
        }
        let colon = line.firstIndex(of: 0x3A) ?? line.endIndex
        var value = line[colon...].dropFirst()
        if value.first == 0x20 { value = value.dropFirst() }
        let text = String(decoding: value, as: UTF8.self)
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "data":
            event.data += hasData ? "\n" + text : text
            hasData = true
        case "event": event.name = text
        case "id": event.id = text
        default: break
        }
        return nil
    }
}
