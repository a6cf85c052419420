/// Builds one page of Prometheus text exposition format 0.0.4. Families are declared once, samples follow.
public struct PrometheusText: Sendable {
    public enum Kind: String, Sendable { case counter, gauge, histogram }

    public private(set) var text = ""
    private var declared: Set<String> = []
    private var current: (name: String, kind: Kind)?

    public init() {}

    /// Opens a family. Its name is new on this page and follows `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    public mutating func family(_ name: String, _ kind: Kind, help: String) {
        precondition(Self.isName(name, colons: true), "'\(name)' is not a metric name")
        precondition(declared.insert(name).inserted, "the family '\(name)' is declared twice")
        current = (name, kind)
        text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n"
    }

    /// Adds a sample to the family opened last; a histogram's samples are named `_bucket`, `_sum` and `_count`.
    public mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: Double) {
        precondition(belongs(name), "'\(name)' is not a sample of the family declared last")
        text += name
        if !labels.isEmpty {
            let pairs = labels.map { label in
                precondition(Self.isName(label.0, colons: false), "'\(label.0)' is not a label name")
                return "\(label.0)=\"\(Self.escaped(label.1, quotes: true))\""
            }
            text += "{\(pairs.joined(separator: ","))}"
        }
        text += " \(Self.spelled(value))\n"
    }

    private func belongs(_ name: String) -> Bool {
        guard let current else { return false }
        switch current.kind {
        case .counter, .gauge: return name == current.name
        case .histogram: return ["_bucket", "_sum", "_count"].contains { name == current.name + $0 }
        }
    }

    private static func isName(_ name: String, colons: Bool) -> Bool {
        guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"): true
            default: colons && byte == UInt8(ascii: ":")
            }
        }
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        guard text.utf8.contains(where: { $0 == 0x5C || $0 == 0x0A || $0 == 0x22 }) else { return text }
        return text.unicodeScalars.map { scalar in
            switch scalar {
            case "\\": "\\\\"
            case "\n": "\\n"
            case "\"" where quotes: "\\\""
            default: String(scalar)
            }
        }.joined()
    }

    private static func spelled(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map(String.init) ?? String(value)
    }
}
