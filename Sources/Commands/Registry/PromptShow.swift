import Arguments
import Faults
import JSON

/// `openclaw prompt show NAME[@VERSION]`
enum PromptShow {
    static let command = Command(
        "prompt show", summary: "One prompt: what each version says, or one of them",
        parameters: [.operand("NAME[@VERSION]", "The prompt, or one version of it")]
    ) { invocation in
        let named = invocation.operand("NAME[@VERSION]").split(separator: "@", maxSplits: 1).map(String.init)
        let name = named.first ?? ""
        let prompt = try await APIClient(invocation).get("/api/v1/prompts/\(APIClient.segment(name))")
        guard named.count > 1 else { return Output(invocation).show(prompt) { style in text(prompt, style) } }
        guard let version = prompt["versions"]?[named[1]] else {
            let known = (prompt["versions"]?.objectValue ?? [:]).keys.sorted()
            let near = Suggestion.closest(to: named[1], among: known).map { "Did you mean \(name)@\($0)? " } ?? ""
            throw Fault(
                .notFound, what: "There is no version '\(name)@\(named[1])'.", why: "It has \(known.joined(separator: ", ")).",
                fix: "\(near)openclaw prompt show \(name)")
        }
        Output(invocation).show(version) { style in
            ([style.strong("\(name)@\(named[1])")] + lines(of: version, indent: 2, style)).joined(separator: "\n")
        }
    }

    static func text(_ prompt: JSONValue, _ style: Style) -> String {
        let name = prompt["name"]?.stringValue ?? ""
        var lines = [style.strong(name)]
        let versions = prompt["versions"]?.objectValue ?? [:]
        let order = prompt["order"]?.arrayValue?.compactMap(\.stringValue) ?? versions.keys.sorted()
        for version in order {
            guard let template = versions[version] else { continue }
            let digest = template["digest"]?.stringValue.map { "  " + style.faint(String($0.prefix(19))) } ?? ""
            lines.append("  \(version)\(digest)")
            lines += self.lines(of: template, indent: 4, style)
        }
        if order.count > 1 {
            lines.append("next: openclaw prompt diff \(name)@\(order[order.count - 2]) \(name)@\(order[order.count - 1])")
        }
        return lines.joined(separator: "\n")
    }

    private static func lines(of template: JSONValue, indent: Int, _ style: Style) -> [String] {
        var table = Table([], indent: indent)
        for part in ["system", "user"] {
            guard let text = template[part]?.stringValue else { continue }
            // The part is named once, and its further lines stand under the first.
            let said = text.hasSuffix("\n") ? text.dropLast() : text[...]
            for (index, line) in said.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                table.add([index == 0 ? part : String(repeating: " ", count: 6), String(line)])
            }
        }
        for (name, variable) in (template["variables"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            table.add(["{{\(name)}}", describe(variable)])
        }
        for key in ["model", "provider"] {
            if let value = template[key]?.stringValue { table.add([key, value]) }
        }
        for (key, value) in (template["parameters"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            table.add([key, value.stringValue ?? value.canonicalText])
        }
        if let tools = template["tools"]?.arrayValue {
            let names = tools.map { $0["function"]?["name"]?.stringValue ?? $0["type"]?.stringValue ?? "?" }
            table.add(["tools", names.joined(separator: ", ")])
        }
        if let format = template["response_format"] { table.add(["answer", format["type"]?.stringValue ?? format.canonicalText]) }
        return table.rows.isEmpty ? [] : [table.text(style)]
    }

    private static func describe(_ variable: JSONValue) -> String {
        var text = variable["type"]?.stringValue ?? ""
        if let values = variable["values"]?.arrayValue {
            text += ": " + values.compactMap(\.stringValue).joined(separator: ", ")
        }
        if let standard = variable["default"] { return text + ", default \(standard.stringValue ?? standard.canonicalText)" }
        return text + (variable["required"] == false ? ", optional" : ", required")
    }
}
