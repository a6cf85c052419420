import Faults
public import JSON
import YAML

/// A typed place of a prompt that each request fills.
public struct PromptVariable: Sendable, Equatable, Codable {
    public enum Kind: String, Sendable, Codable, CaseIterable { case string, number, boolean, `enum` }

    public var type: Kind
    /// What an `enum` may be.
    public var values: [String]?
    /// What it is where a request does not say.
    public var standard: JSONValue?
    /// Nil where it must be given; false where it may be missing, and then is nothing.
    public var required: Bool?

    enum CodingKeys: String, CodingKey {
        case type, values, required
        case standard = "default"
    }

    public init(_ type: Kind, values: [String]? = nil, standard: JSONValue? = nil, required: Bool? = nil) {
        (self.type, self.values, self.standard, self.required) = (type, values, standard, required)
    }

    static let nameLengthMax = 64
    static let valuesMax = 100

    /// A letter or underscore, then letters, digits and underscores.
    public static func isName(_ text: String) -> Bool {
        guard (1...nameLengthMax).contains(text.utf8.count), let first = text.utf8.first, !(0x30...0x39).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
            default: false
            }
        }
    }

    /// What a value becomes in the text; nil when it is of another type. A number or boolean may be spelled as a text, because
    /// a request's `metadata` and the command line know only texts.
    public func text(of value: JSONValue) -> String? {
        switch (type, value) {
        case (.string, .string(let text)): text
        case (.enum, .string(let text)): values?.contains(text) == true ? text : nil
        case (.number, .integer), (.number, .number): value.canonicalText
        case (.number, .string(let text)): PromptVariable.number(text) == nil ? nil : text
        case (.boolean, .bool(let flag)): flag ? "true" : "false"
        case (.boolean, .string(let text)): text == "true" || text == "false" ? text : nil
        default: nil
        }
    }

    /// A finite number as JSON spells it.
    public static func number(_ text: String) -> Double? {
        guard let value = try? JSONValue(parsing: text).numberValue, text.utf8.allSatisfy({ $0 > 0x20 }) else { return nil }
        return value
    }

    /// `one of warm, brief`
    public var expectation: String {
        switch type {
        case .string: "a text"
        case .number: "a number"
        case .boolean: "true or false"
        case .enum: "one of \((values ?? []).joined(separator: ", "))"
        }
    }
}

extension PromptVariable {
    /// `question: string`, or a mapping with `type:`.
    init(_ entry: YAMLNode.Entry) throws(Fault) {
        let node = entry.value
        guard PromptVariable.isName(entry.key), entry.key != PromptText.input else {
            throw node.fault(
                "'\(entry.key)' cannot be the name of a variable.",
                why: entry.key == PromptText.input
                    ? "`input` is what the user wrote, and is always there."
                    : "it stands between braces in the text.",
                fix: "Use 1 to \(PromptVariable.nameLengthMax) letters, digits and underscores, not beginning with a digit.")
        }
        if case .scalar = node.content {
            self.init(try PromptVariable.kind(node))
            if type == .enum { throw PromptVariable.withoutValues(entry.key, node) }
            return
        }
        let map = try node.mapping("a variable")
        try map.refuseUnknown(known: ["type", "values", "default", "required"])
        self.init(try map["type"].map(PromptVariable.kind) ?? (map["values"] == nil ? .string : .enum))
        try readValues(map, of: entry)
        if let given = map["default"] {
            guard text(of: given.json) != nil, !isSpelled(given.json) else {
                throw given.fault(
                    "The default of '\(entry.key)' is of another type.", why: "\(given.json.canonicalText) is not \(expectation).",
                    fix: "Write \(expectation).")
            }
            standard = given.json
        }
        if let given = map["required"], try !given.bool() { required = false }
    }

    /// In a file, numbers and booleans are written as such.
    private func isSpelled(_ value: JSONValue) -> Bool { (type == .number || type == .boolean) && value.stringValue != nil }

    private mutating func readValues(_ map: YAMLMapping, of entry: YAMLNode.Entry) throws(Fault) {
        guard let node = map["values"] else {
            if type == .enum { throw PromptVariable.withoutValues(entry.key, entry.value) }
            return
        }
        guard type == .enum else {
            throw node.fault(
                "The variable '\(entry.key)' has values to choose from, and is no enum.",
                why: "it is declared as \(type.rawValue).",
                fix: "Write `type: enum`, or remove `values:`.")
        }
        var words: [String] = []
        for item in try node.list() { words.append(try item.string()) }
        guard (1...PromptVariable.valuesMax).contains(words.count), Set(words).count == words.count else {
            throw node.fault(
                "The values of '\(entry.key)' cannot be used.",
                why: "there are 1 to \(PromptVariable.valuesMax) of them, each once.", fix: "Correct the list.")
        }
        values = words
    }

    private static func kind(_ node: YAMLNode) throws(Fault) -> Kind {
        let text = try node.string()
        guard let kind = Kind(rawValue: text) else {
            throw node.fault(
                "'\(text)' is not a type of variable.",
                why: "there are \(Kind.allCases.map(\.rawValue).joined(separator: ", ")).",
                fix: Suggestion.closest(to: text, among: Kind.allCases.map(\.rawValue)).map { "Did you mean \($0)?" }
                    ?? "Write one of them.")
        }
        return kind
    }

    private static func withoutValues(_ name: String, _ node: YAMLNode) -> Fault {
        node.fault(
            "The enum '\(name)' has no values.", why: "an enum says what it may be.",
            fix: "Write `\(name): { type: enum, values: [a, b] }`.")
    }
}
