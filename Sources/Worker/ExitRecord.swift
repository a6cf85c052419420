import Faults
import JSON

/// How a rank ended, as its Worker leaves it on disk for a daemon that was away.
public struct ExitRecord: Equatable, Sendable {
    public static let name = "exit.json"
    static let bytesMax = 256 << 10
    public var ended: Ended

    public init(_ ended: Ended) { self.ended = ended }

    /// Nil when there is none, or none that can be read.
    public init?(in folder: String) {
        let bytes = PlainFile.read("\(folder)/\(ExitRecord.name)", limit: ExitRecord.bytesMax)
        guard !bytes.isEmpty, let json = try? JSONValue(parsing: bytes) else { return nil }
        self.init(json: json)
    }

    func write(in folder: String) throws(Fault) {
        try PlainFile.write(Array(json.canonicalText.utf8), to: "\(folder)/\(ExitRecord.name)")
    }

    var json: JSONValue {
        [
            "code": .integer(Int64(ended.code)), "signal": .integer(Int64(ended.signal)),
            "out_of_memory": .bool(ended.isOutOfMemory), "exception": .string(ended.exception),
            "last_lines": .array(ended.lastLines.map { .string($0) }), "fault": .string(ended.fault),
            "memory_peak_bytes": .integer(ended.memoryPeakBytes), "cpu_ms": .integer(ended.cpuMilliseconds),
            "was_stopped": .bool(ended.wasStopped), "said_bye": .bool(ended.saidBye),
        ]
    }

    private init(json: JSONValue) {
        ended = Ended()
        ended.code = Int32(clamping: json["code"]?.integerValue ?? 0)
        ended.signal = Int32(clamping: json["signal"]?.integerValue ?? 0)
        ended.isOutOfMemory = json["out_of_memory"]?.boolValue ?? false
        ended.exception = json["exception"]?.stringValue ?? ""
        ended.lastLines = (json["last_lines"]?.arrayValue ?? []).compactMap(\.stringValue)
        ended.fault = json["fault"]?.stringValue ?? ""
        ended.memoryPeakBytes = json["memory_peak_bytes"]?.integerValue ?? 0
        ended.cpuMilliseconds = json["cpu_ms"]?.integerValue ?? 0
        ended.wasStopped = json["was_stopped"]?.boolValue ?? false
        ended.saidBye = json["said_bye"]?.boolValue ?? false
    }
}
