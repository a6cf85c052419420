public import Faults
public import JSON

/// One value of a YAML document that knows where it stood, so that a fault can point at it.
public struct YAMLNode: Sendable {
    public enum Content: Sendable {
        case scalar(String, quoted: Bool)
        case sequence([YAMLNode])
        case mapping([Entry])
    }
    public struct Entry: Sendable {
        public let key: String
        public let keyLine: Int
        public let value: YAMLNode
    }
    public let content: Content
    public let file: String
    /// 1-based.
    public let line: Int

    /// All documents of one file (separated by `---`; empty ones are left out). Refused with file and line: syntax errors,
    /// repeated keys, anchors, aliases and tags (they hide what a file says), depth over 64, files over 1 MiB.
    public static func documents(in text: String, file: String) throws(Fault) -> [YAMLNode] {
        var parser = try YAMLParser(text: text, file: file)
        return try parser.documents()
    }
}

extension YAMLNode {
    /// A fault that points at this value: `why` begins with "FILE line N: ".
    public func fault(_ what: String, why: String, fix: String) -> Fault {
        Fault(.badConfiguration, what: what, why: "\(file) line \(line): \(why)", fix: fix)
    }

    /// What kind of value this is, for a fault.
    var kind: String {
        switch content {
        case .scalar where isNull: "nothing"
        case .scalar: "a plain value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    var isNull: Bool {
        if case .scalar(let text, quoted: false) = content { ["", "~", "null", "Null", "NULL"].contains(text) } else { false }
    }

    /// Any scalar as it was written, quoted or not; a list, a mapping or an empty value is refused.
    public func string() throws(Fault) -> String {
        guard case .scalar(let text, _) = content, !isNull else {
            throw fault(
                "A text is missing.", why: "this is \(kind), where a text is expected.", fix: "Write the text after the colon.")
        }
        return text
    }

    public func integer(in range: ClosedRange<Int>) throws(Fault) -> Int {
        let text = try plain("a whole number")
        guard case .integer(let value)? = YAMLScalar.number(text), let value = Int(exactly: value), range.contains(value) else {
            throw fault(
                "'\(text)' is not a number this takes.",
                why: "a whole number from \(range.lowerBound) to \(range.upperBound) is expected.",
                fix: "Write one in that range.")
        }
        return value
    }

    public func double() throws(Fault) -> Double {
        let text = try plain("a number")
        guard let value = YAMLScalar.number(text)?.numberValue, value.isFinite else {
            throw fault(
                "'\(text)' is not a number.", why: "a finite number is expected.",
                fix: "Write it like 250, 0.92 or 1e-3, without a unit.")
        }
        return value
    }

    public func bool() throws(Fault) -> Bool {
        let text = try plain("true or false")
        guard let value = YAMLScalar.json(text).boolValue else {
            throw fault(
                "'\(text)' is neither true nor false.", why: "words such as yes, no, on and off are not booleans (YAML 1.2).",
                fix: "Write true or false.")
        }
        return value
    }

    /// `20s`, `5m`, `1h30m`, `250ms`, `2d`; a bare number is refused (no unit).
    public func duration() throws(Fault) -> Duration {
        let text = try string()
        if let duration = Quantity.duration(text) { return duration }
        throw fault(
            "'\(text)' is not a duration.",
            why: Double(text) == nil ? "a number with its unit is expected." : "a bare number does not say its unit.",
            fix: "Write it like 250ms, 20s, 5m, 1h30m or 2d.")
    }

    /// `5%`, `0.5 %` or a bare fraction in 0...1 -> a fraction. For values whose bare form is a percentage see the caller.
    public func fraction() throws(Fault) -> Double {
        let text = try string()
        if let value = Quantity.percentage(text) ?? YAMLScalar.number(text)?.numberValue, (0...1).contains(value) { return value }
        throw fault(
            "'\(text)' is not a share of a whole.", why: "a percentage from 0% to 100%, or a fraction from 0 to 1, is expected.",
            fix: "Write it like 5% or 0.05.")
    }

    public func list() throws(Fault) -> [YAMLNode] {
        guard case .sequence(let items) = content else {
            throw fault(
                "A list is missing.", why: "this is \(kind), where a list is expected.",
                fix: "Write `- ` before each item, or [a, b].")
        }
        return items
    }

    /// Reads a mapping strictly: see `YAMLMapping`. `what` says in a fault what it describes ("a model").
    public func mapping(_ what: String) throws(Fault) -> YAMLMapping {
        guard case .mapping(let entries) = content else {
            throw fault(
                "What describes \(what) is missing.", why: "this is \(kind), where a mapping is expected.",
                fix: "Write `key: value` lines, indented, or {key: value}.")
        }
        return YAMLMapping(node: self, entries: entries)
    }

    /// As JSON, with YAML 1.2 core scalars (true, 12, 0.5, null), for free-form parts such as a rewrite. `.inf` and `.nan`
    /// stay texts, because JSON has no such numbers.
    public var json: JSONValue {
        switch content {
        case .scalar(let text, quoted: true): .string(text)
        case .scalar(let text, quoted: false): YAMLScalar.json(text)
        case .sequence(let items): .array(items.map(\.json))
        case .mapping(let entries):
            .object(Dictionary(entries.map { ($0.key, $0.value.json) }, uniquingKeysWith: { first, _ in first }))
        }
    }

    private func plain(_ expected: String) throws(Fault) -> String {
        guard case .scalar(let text, let quoted) = content, !isNull else {
            throw fault(
                "A value is missing.", why: "this is \(kind), where \(expected) is expected.", fix: "Write \(expected) here.")
        }
        guard !quoted else {
            throw fault(
                "\"\(text)\" is a text.", why: "quotes make it one, and \(expected) is expected.", fix: "Remove the quotes.")
        }
        return text
    }
}

/// A mapping read strictly: every key must be one the reader asked for, so that a typing error cannot switch something off.
public struct YAMLMapping: Sendable {
    public let node: YAMLNode
    public let entries: [YAMLNode.Entry]

    public subscript(_ key: String) -> YAMLNode? { entries.first { $0.key == key }?.value }

    public func required(_ key: String) throws(Fault) -> YAMLNode {
        if let value = self[key] { return value }
        throw node.fault(
            "`\(key):` is missing.", why: "this mapping cannot be read without it.", fix: "Add a `\(key):` line to it.")
    }

    /// Refuses every key that is not in `known`, with its line and the closest known one.
    public func refuseUnknown(known: [String]) throws(Fault) {
        guard let entry = entries.first(where: { !known.contains($0.key) }) else { return }
        let near = Suggestion.closest(to: entry.key, among: known)
        throw Fault(
            .badConfiguration, what: "`\(entry.key)` is not known here.",
            why: "\(node.file) line \(entry.keyLine): keys are read strictly, so that a typing error cannot switch something off.",
            fix: (near.map { "Did you mean `\($0)`? " } ?? "") + "Known are: \(known.joined(separator: ", ")).")
    }
}
