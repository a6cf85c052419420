import JSON
import Registry
import Routing
import Sockets

/// A version of a prompt made ready for the request path: texts escaped as JSON has them, parameters as bytes, variables by
/// number. Filling it in copies bytes and resolves nothing.
final class CompiledPrompt {
    enum Piece {
        case text([UInt8])
        case variable(Int)
        /// What the user wrote.
        case input
    }
    struct Variable {
        let name: [UInt8]
        let label: String
        let type: PromptVariable.Kind
        /// The values of an enum, escaped.
        let values: [[UInt8]]
        /// Escaped; nil where it must be given.
        let standard: [UInt8]?
        let expectation: String
    }

    let system: [Piece]?
    let user: [Piece]?
    let variables: [Variable]
    /// `"model":"...","temperature":0.2,` and so on: what the prompt sets, each with its comma.
    let fixed: [UInt8]
    /// The members of a request that it replaces, beside `messages` and `variables`.
    let replaced: [[UInt8]]
    let model: String?
    /// How many tokens an answer may have; nil where the request says it.
    let outputTokensMax: Int64?
    let choices: Int64?
    var takesMessages: Bool { system != nil || user != nil }
    let usesInput: Bool

    init(_ template: Prompt.Template) {
        let names = (template.variables ?? [:]).keys.sorted()
        variables = names.compactMap { name in
            template.variables?[name].map { variable in
                let missing: [UInt8]? = variable.required == false ? [] : nil
                return Variable(
                    name: Array(name.utf8), label: name, type: variable.type,
                    values: (variable.values ?? []).map(CompiledPrompt.escaped),
                    standard: variable.standard.flatMap { variable.text(of: $0) }.map(CompiledPrompt.escaped) ?? missing,
                    expectation: variable.expectation)
            }
        }
        system = template.system.map { CompiledPrompt.pieces($0, names) }
        user = template.user.map { CompiledPrompt.pieces($0, names) }
        usesInput = user?.contains { if case .input = $0 { true } else { false } } ?? false
        model = template.model
        var members = template.parameters ?? [:]
        var replaced = Set(members.keys)
        if let model = template.model { members["model"] = .string(model) }
        if let tools = template.tools { members["tools"] = tools }
        if let format = template.responseFormat { members["response_format"] = format }
        replaced.formUnion(members.keys)
        // One limit under either of its names, and tools under their older name, would go round what the prompt says.
        if replaced.contains("max_tokens") || replaced.contains("max_completion_tokens") {
            replaced.formUnion(["max_tokens", "max_completion_tokens"])
        }
        if template.tools != nil { replaced.formUnion(["tool_choice", "functions", "function_call"]) }
        self.replaced = replaced.sorted().map { Array($0.utf8) }
        outputTokensMax = (members["max_completion_tokens"] ?? members["max_tokens"])?.integerValue
        choices = members["n"]?.integerValue
        fixed = members.sorted { $0.key < $1.key }.reduce(into: []) { bytes, member in
            bytes += Array("\(JSONValue.string(member.key).canonicalText):\(member.value.canonicalText),".utf8)
        }
    }

    /// As it stands between the quotes of a JSON string.
    static func escaped(_ text: String) -> [UInt8] { Array(JSONValue.string(text).canonicalText.utf8.dropFirst().dropLast()) }

    private static func pieces(_ template: String, _ names: [String]) -> [Piece] {
        // The registry has read every template before a route can carry it.
        guard let taken = try? PromptText(template) else { return [.text(escaped(template))] }
        return taken.pieces.map { piece in
            switch piece {
            case .text(let text): .text(escaped(text))
            case .variable(let name): names.firstIndex(of: name).map(Piece.variable) ?? .input
            }
        }
    }
}

extension CompiledPrompt.Variable {
    /// What a value becomes between quotes: its bytes in the request where they may stand there as they are, else another
    /// text; nil when it is of another type.
    func rendered(_ value: Range<Int>, in members: BodyMembers, _ body: UnsafeBufferPointer<UInt8>) -> Rendered? {
        if let inside = members.inside(value) {
            switch type {
            case .string: return .raw(inside)
            case .enum: return values.contains { members.holds(inside, $0) } ? .raw(inside) : nil
            case .boolean: return members.holds(inside, "true") || members.holds(inside, "false") ? .raw(inside) : nil
            case .number: return PromptVariable.number(members.text(inside)) == nil ? nil : .raw(inside)
            }
        }
        switch type {
        case .boolean: return members.holds(value, "true") || members.holds(value, "false") ? .raw(value) : nil
        case .number:
            let first = unsafe body[value.lowerBound]
            return first == 0x2D || first &- 0x30 < 10 ? .raw(value) : nil
        case .string, .enum: return nil
        }
    }

    enum Rendered {
        /// These bytes of the body.
        case raw(Range<Int>)
        case standard([UInt8])
    }
}
