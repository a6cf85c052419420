/// What `--help` prints at each level of the command line.
struct CommandHelp {
    let program: String
    let summary: String
    let common: [Parameter]

    private static let width = 88

    /// `openclaw release apply FILE... [options]`
    static func usage(program: String, node: CommandTree.Node) -> String {
        var words = [program] + node.path
        guard let command = node.command else {
            return (words + [node.path.isEmpty ? "<command>" : "<verb>", "[options]"]).joined(separator: " ")
        }
        words += command.parameters.filter(\.isOperand).map(\.spelling)
        if command.parameters.contains(where: { !$0.isOperand }) { words.append("[options]") }
        return words.joined(separator: " ")
    }

    func text(for node: CommandTree.Node) -> String {
        var sections = ["usage: \(Self.usage(program: program, node: node))"]
        if node.path.isEmpty {
            sections.insert("\(program): \(summary)", at: 0)
        } else if !node.summary.isEmpty {
            sections.append(Self.wrapped(Self.sentence(node.summary), indent: 0))
        }
        if let command = node.command {
            if !command.discussion.isEmpty { sections.append(Self.paragraphs(command.discussion)) }
            sections += section("operands", command.parameters.filter(\.isOperand))
            sections += section("options", command.parameters.filter { !$0.isOperand })
        }
        if !node.children.isEmpty {
            sections.append(
                Self.table(node.path.isEmpty ? "commands" : "verbs", node.children.map { ($0.path.last ?? "", contents(of: $0)) }))
        }
        let shared = common.filter { shared in node.command?.parameters.contains { $0.name == shared.name } != true }
        sections += section("options of every command", shared)
        if !node.children.isEmpty {
            let next = node.path.isEmpty ? "<command>" : "<verb>"
            sections.append("`\(([program] + node.path).joined(separator: " ")) \(next) --help` says more about each.")
        }
        return sections.joined(separator: "\n\n") + "\n"
    }

    /// A verb's summary; a noun without one shows its verbs.
    private func contents(of node: CommandTree.Node) -> String {
        node.summary.isEmpty ? node.children.compactMap(\.path.last).joined(separator: ", ") : node.summary
    }

    private func section(_ title: String, _ parameters: [Parameter]) -> [String] {
        guard !parameters.isEmpty else { return [] }
        return [
            Self.table(
                title, parameters.map { ($0.spelling, $0.help + ($0.shape.isRepeatedOption(of: $0) ? " (repeatable)" : "")) })
        ]
    }

    /// Two columns under a title; what does not fit the left one stands on a line of its own.
    private static func table(_ title: String, _ rows: [(String, String)]) -> String {
        let column = min(rows.map(\.0.count).max() ?? 0, 26)
        let lines = rows.map { left, right in
            let text = wrapped(right, indent: column + 4).drop { $0 == " " }
            guard left.count <= column else { return "  \(left)\n\(spaces(column + 4))\(text)" }
            return "  \(left)\(spaces(column - left.count + 2))\(text)"
        }
        return ([title] + lines).joined(separator: "\n")
    }

    private static func paragraphs(_ text: String) -> String {
        text.split(separator: "\n\n").map { paragraph in
            paragraph.split(separator: "\n").contains { $0.hasPrefix("  ") }
                ? String(paragraph) : wrapped(String(paragraph), indent: 0)
        }.joined(separator: "\n\n")
    }

    private static func wrapped(_ text: String, indent: Int) -> String {
        var lines: [String] = []
        var line = ""
        for word in text.split(whereSeparator: \.isWhitespace) {
            if !line.isEmpty, indent + line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return (lines + [line]).map { spaces(indent) + $0 }.joined(separator: "\n")
    }

    private static func spaces(_ count: Int) -> String { String(repeating: " ", count: count) }

    private static func sentence(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst() + (text.hasSuffix(".") ? "" : ".")
    }
}

extension Parameter.Shape {
    fileprivate func isRepeatedOption(of parameter: Parameter) -> Bool {
        if case .option = self { parameter.repeats } else { false }
    }
}
