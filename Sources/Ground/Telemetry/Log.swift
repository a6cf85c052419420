import Glibc
public import JSON
import Synchronization

/// Structured log lines on stderr: `2026-11-21T02:18:00.123Z info gateway: text key=value ...`.
/// A line is at most 8 KiB (longer values are cut and marked); secrets are never passed in.
public struct Log: Sendable {
    public enum Level: Int, Comparable, Sendable {
        case debug, info, warning, error
        public static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    }

    public let component: String

    public init(_ component: String) { self.component = component }

    /// Lines below this level are not written (process-wide; `OPENCLAW_LOG` sets it at start; default info).
    public static let minimumLevel: Level = {
        guard let text = unsafe getenv("OPENCLAW_LOG") else { return .info }
        return unsafe Level(named: String(cString: text)) ?? .info
    }()

    public func debug(_ text: String, _ fields: [String: JSONValue] = [:]) { write(.debug, text, fields) }
    public func info(_ text: String, _ fields: [String: JSONValue] = [:]) { write(.info, text, fields) }
    public func warning(_ text: String, _ fields: [String: JSONValue] = [:]) { write(.warning, text, fields) }
    public func error(_ text: String, _ fields: [String: JSONValue] = [:]) { write(.error, text, fields) }

    func write(_ level: Level, _ text: String, _ fields: [String: JSONValue]) {
        guard level >= Log.minimumLevel else { return }
        Log.standardError.withLock { $0.write(line(level, at: .now(), text, fields)) }
    }

    /// Lines of one process go out one after the other: a pipe keeps only 4 KiB of a write together.
    private static let standardError = Mutex(LineSink(descriptor: STDERR_FILENO))
}

extension Log {
    static let bytesMax = 8_192
    static let valueBytesMax = 2_048

    /// One line with its newline. Control characters are escaped, so that nobody's input can forge a line.
    func line(_ level: Level, at time: Timestamp, _ text: String, _ fields: [String: JSONValue]) -> String {
        var line = "\(time.rfc3339) \(level) \(component): \(Log.cut(Log.escaped(text), to: Log.valueBytesMax))"
        for (index, field) in fields.sorted(by: { $0.key < $1.key }).enumerated() {
            let part = " \(Log.escaped(field.key))=\(Log.cut(Log.spelled(field.value), to: Log.valueBytesMax))"
            // Room is kept for the note that says what was left out.
            guard line.utf8.count + part.utf8.count <= Log.bytesMax - 64 else {
                line += " ...(\(fields.count - index) fields cut)"
                break
            }
            line += part
        }
        return line + "\n"
    }

    private static func spelled(_ value: JSONValue) -> String {
        guard case .string(let text) = value else { return value.canonicalText }
        let plain =
            !text.isEmpty && text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "\"" && $0 != "=" && $0.value != 0x7F }
        return plain ? text : value.canonicalText
    }

    private static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else { return text }
        return text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "\\u{\(String($0.value, radix: 16))}" : String($0) }
            .joined()
    }

    private static func cut(_ text: String, to limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var kept = 0
        let end = text.unicodeScalars.firstIndex { scalar in
            kept += UTF8.width(scalar)
            return kept > limit
        }
        let head = text[..<(end ?? text.endIndex)]
        return "\(head)...(\(text.utf8.count - head.utf8.count) bytes cut)"
    }
}

extension Log.Level {
    init?(named name: String) {
        switch name.lowercased() {
        case "debug": self = .debug
        case "info": self = .info
        case "warning", "warn": self = .warning
        case "error": self = .error
        default: return nil
        }
    }
}

/// Writes whole lines to a descriptor, each with one `write` where the kernel takes it whole. A line that a full
/// non-blocking pipe refuses is dropped and counted, and the next line that gets through says how many.
struct LineSink {
    let descriptor: Int32
    private var dropped = 0

    init(descriptor: Int32) { self.descriptor = descriptor }

    mutating func write(_ line: String) {
        if dropped > 0 {
            guard put("\(Timestamp.now().rfc3339) warning log: lines were dropped, stderr was full count=\(dropped)\n") else {
                dropped += 1
                return
            }
            dropped = 0
        }
        if !put(line) { dropped += 1 }
    }

    private func put(_ line: String) -> Bool {
        var bytes = Array(line.utf8)[...]
        while !bytes.isEmpty {
            let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                return false
            }
            bytes = bytes.dropFirst(written)
        }
        return true
    }
}
