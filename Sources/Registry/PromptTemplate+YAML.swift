import Faults
import JSON
import YAML

extension Prompt.Template {
    /// What a request's body may not be told by a prompt: the gateway answers for these.
    public static let ownMembers: Set<String> = ["messages", "metadata", "model", "stream", "stream_options", "variables"]
    static let ownKeys = ["system", "user", "variables", "model", "provider", "parameters", "tools", "response_format"]
    static let variablesMax = 64
    static let toolsMax = 128

    /// Reads what one version says from its keys.
    init(_ map: YAMLMapping, _ entries: [YAMLNode.Entry]) throws(Fault) {
        self.init()
        let known = Prompt.Template.ownKeys + PromptParameter.names
        for entry in entries where !known.contains(entry.key) { try map.refuseUnknown(known: known + ["name", "version"]) }
        func value(_ key: String) -> YAMLNode? { entries.first { $0.key == key }?.value }
        if let node = value("variables") { variables = try Self.variables(node) }
        if let node = value("system") { system = try text(node, hasInput: false) }
        if let node = value("user") { user = try text(node, hasInput: true) }
        if let node = value("model") { model = try Self.word(node, "a model") }
        if let node = value("provider") { provider = try Name.read(node, of: "a provider") }
        if let node = value("tools") { tools = try Self.tools(node) }
        if let node = value("response_format") {
            _ = try node.mapping("a response format")
            responseFormat = node.json
        }
        try readParameters(entries, map)
        guard self != Prompt.Template() else {
            throw map.node.fault(
                "This version says nothing.", why: "it has neither `system:` nor `user:`, nor anything else.",
                fix: "Write one of them.")
        }
        try refuseUnusedVariables(value("variables"))
    }

    private mutating func readParameters(_ entries: [YAMLNode.Entry], _ map: YAMLMapping) throws(Fault) {
        var found: [String: JSONValue] = [:]
        let free = try map["parameters"]?.mapping("the parameters of a prompt").entries ?? []
        for entry in free where Self.ownMembers.contains(entry.key) || Self.ownKeys.contains(entry.key) {
            throw entry.value.fault(
                "`\(entry.key)` is not a parameter.",
                why: Self.ownKeys.contains(entry.key)
                    ? "it stands beside `parameters:`." : "the gateway itself answers for it.",
                fix: Self.ownKeys.contains(entry.key) ? "Write it one level further out." : "Remove it.")
        }
        for entry in entries where PromptParameter.names.contains(entry.key) {
            found[entry.key] = try PromptParameter.read(entry)
        }
        for entry in free {
            guard found[entry.key] == nil else {
                throw entry.value.fault(
                    "`\(entry.key)` is given twice.", why: "it also stands beside `parameters:`.", fix: "Keep one of them.")
            }
            found[entry.key] = try PromptParameter.read(entry)
        }
        if !found.isEmpty { parameters = found }
    }

    private static func variables(_ node: YAMLNode) throws(Fault) -> [String: PromptVariable]? {
        let entries = try node.mapping("the variables of a prompt").entries
        guard entries.count <= variablesMax else {
            throw node.fault(
                "A prompt cannot have \(entries.count) variables.", why: "the limit is \(variablesMax).", fix: "Use fewer.")
        }
        var variables: [String: PromptVariable] = [:]
        for entry in entries { variables[entry.key] = try PromptVariable(entry) }
        return variables.isEmpty ? nil : variables
    }

    private static func tools(_ node: YAMLNode) throws(Fault) -> JSONValue {
        let items = try node.list()
        guard (1...toolsMax).contains(items.count) else {
            throw node.fault(
                "A prompt cannot have \(items.count) tools.", why: "there are 1 to \(toolsMax).", fix: "Correct the list.")
        }
        for item in items {
            let tool = try item.mapping("a tool")
            _ = try tool.required("type").string()
        }
        return node.json
    }

    private static func word(_ node: YAMLNode, _ what: String) throws(Fault) -> String {
        let text = try node.string()
        guard (1...200).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw node.fault("'\(text)' cannot name \(what).", why: "it has 1 to 200 bytes, no blanks.", fix: "Correct it.")
        }
        return text
    }

    /// A template, its placeholders checked against what is declared.
    private func text(_ node: YAMLNode, hasInput: Bool) throws(Fault) -> String {
        let text = try node.string()
        guard text.utf8.count <= Prompt.bytesMax else {
            throw node.fault(
                "A prompt is too long.", why: "it has \(text.utf8.count) bytes, and may have \(Prompt.bytesMax).",
                fix: "Shorten it.")
        }
        let taken: PromptText
        do {
            taken = try PromptText(text)
        } catch {
            throw node.fault(
                "This template cannot be read.", why: error.why,
                fix: "Write variables as {{name}}; write \\{{ where two braces shall stand for themselves.")
        }
        for name in taken.variables where variables?[name] == nil && !(hasInput && name == PromptText.input) {
            let near = Suggestion.closest(to: name, among: Array((variables ?? [:]).keys)).map { "Did you mean {{\($0)}}? " } ?? ""
            throw node.fault(
                "{{\(name)}} is not declared.",
                why: name == PromptText.input
                    ? "what the user wrote stands in `user:` only." : "a misspelled variable would reach the model as it is.",
                fix: "\(near)Declare it: `variables: { \(name): string }`.")
        }
        return text
    }

    private func refuseUnusedVariables(_ node: YAMLNode?) throws(Fault) {
        guard let node else { return }
        let used = texts.flatMap(\.variables)
        guard let name = (variables ?? [:]).keys.sorted().first(where: { !used.contains($0) }) else { return }
        throw node.fault(
            "The variable '\(name)' is used nowhere.", why: "neither `system:` nor `user:` has {{\(name)}}.",
            fix: "Write it as {{\(name)}} in one of them, or remove it.")
    }

    /// Both templates, taken apart.
    var texts: [PromptText] { [system, user].compactMap { text in text.flatMap { try? PromptText($0) } } }
}

extension PromptText.Mistake {
    var why: String {
        switch self {
        case .open(let line): "on line \(line) of the text, {{ has no }}."
        case .notAName(let text, let line): "on line \(line) of the text, '\(text)' is not the name of a variable."
        }
    }
}
