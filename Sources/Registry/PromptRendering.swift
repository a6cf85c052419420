public import Faults
public import JSON

extension Prompt.Template {
    /// The chat request that a version makes of variables and of what a user wrote: what the gateway sends, for people to see.
    public func rendered(with values: [String: JSONValue], input: String?) throws(Fault) -> JSONValue {
        let unknown = values.keys.filter { variables?[$0] == nil }.sorted()
        if let name = unknown.first {
            let near = Suggestion.closest(to: name, among: Array((variables ?? [:]).keys)).map { "Did you mean \($0)? " } ?? ""
            throw Fault(
                .usage, what: "The prompt has no variable '\(name)'.", why: "It has \(list(variables)).",
                fix: "\(near)Leave it out.")
        }
        var messages: [JSONValue] = []
        if let system { messages.append(["role": "system", "content": .string(try fill(system, values, input))]) }
        if let user {
            messages.append(["role": "user", "content": .string(try fill(user, values, input))])
        } else if let input {
            messages.append(["role": "user", "content": .string(input)])
        }
        var body = parameters ?? [:]
        body["messages"] = .array(messages)
        if let model { body["model"] = .string(model) }
        if let tools { body["tools"] = tools }
        if let responseFormat { body["response_format"] = responseFormat }
        return .object(body)
    }

    private func list(_ variables: [String: PromptVariable]?) -> String {
        guard let variables, !variables.isEmpty else { return "none" }
        return variables.keys.sorted().joined(separator: ", ")
    }

    private func fill(_ template: String, _ values: [String: JSONValue], _ input: String?) throws(Fault) -> String {
        guard let taken = try? PromptText(template) else {
            throw Fault(what: "A registered template cannot be read.", why: "Its braces do not match.", fix: "Add a new version.")
        }
        var text = ""
        for piece in taken.pieces {
            switch piece {
            case .text(let piece): text += piece
            case .variable(PromptText.input): text += try self.input(input)
            case .variable(let name): text += try value(of: name, values)
            }
        }
        return text
    }

    private func input(_ input: String?) throws(Fault) -> String {
        if let input { return input }
        throw Fault(
            .usage, what: "There is nothing to put in place of {{input}}.", why: "It is what a user writes, and none was given.",
            fix: "Give one: --input TEXT.")
    }

    private func value(of name: String, _ values: [String: JSONValue]) throws(Fault) -> String {
        guard let variable = variables?[name] else {
            throw Fault(what: "{{\(name)}} is not declared.", why: "The registered version lacks it.", fix: "Add a new version.")
        }
        guard let given = values[name] ?? variable.standard else {
            if variable.required == false { return "" }
            throw Fault(
                .usage, what: "The variable '\(name)' is missing.", why: "It is required, and must be \(variable.expectation).",
                fix: "Give it: --var \(name)=...")
        }
        if let text = variable.text(of: given) { return text }
        throw Fault(
            .usage, what: "The variable '\(name)' is of another type.",
            why: "\(given.canonicalText) is not \(variable.expectation).", fix: "Give \(variable.expectation).")
    }
}
