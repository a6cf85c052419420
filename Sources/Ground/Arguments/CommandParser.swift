import Faults

/// Reads the words a user typed against the declared commands.
struct CommandParser {
    enum Result {
        case run(Command, Invocation)
        case help(CommandTree.Node)
        /// A noun without its verb.
        case incomplete(CommandTree.Node)
    }

    let program: String
    let common: [Parameter]
    private var rest: ArraySlice<String>
    private var node: CommandTree.Node
    /// Common options may stand before the command; they are read again with it.
    private var early: [(Parameter, String)] = []
    private var wantsHelp = false

    init(program: String, tree: CommandTree, common: [Parameter], words: [String]) {
        (self.program, self.common, rest, node) = (program, common, words[...], tree.root)
    }

    mutating func parse() throws(Fault) -> Result {
        try findCommand()
        guard let command = node.command else {
            // No word at all asks what there is.
            return wantsHelp || node.path.isEmpty && early.isEmpty ? .help(node) : .incomplete(node)
        }
        let parameters = command.parameters + common.filter { shared in !command.parameters.contains { $0.name == shared.name } }
        var invocation = Invocation(of: parameters)
        for (parameter, value) in early { try invocation.give(value, to: parameter) }
        let operands = try readOptions(parameters, into: &invocation)
        if wantsHelp { return .help(node) }
        try assign(operands, to: command.parameters.filter(\.isOperand), in: &invocation)
        return .run(command, invocation)
    }

    /// Follows words down the tree until one is not a child; reads common options on the way.
    private mutating func findCommand() throws(Fault) {
        while let word = rest.first {
            if word == "--help" || word == "-h" {
                rest.removeFirst()
                wantsHelp = true
            } else if word.hasPrefix("-"), word != "-", node.command == nil {
                rest.removeFirst()
                let (parameter, value) = try option(word, among: common)
                early.append((parameter, value))
            } else if let child = node.child(word) {
                rest.removeFirst()
                node = child
            } else if node.command != nil {
                return
            } else {
                throw unknown(word)
            }
        }
    }

    private mutating func readOptions(_ parameters: [Parameter], into invocation: inout Invocation) throws(Fault) -> [String] {
        var operands: [String] = []
        while let word = rest.popFirst() {
            if word == "--" { return operands + rest }
            if word == "--help" || word == "-h" {
                wantsHelp = true
            } else if word.hasPrefix("-"), word != "-" {
                let (parameter, value) = try option(word, among: parameters)
                try invocation.give(value, to: parameter)
            } else {
                operands.append(word)
            }
        }
        return operands
    }

    /// Reads `--name`, `--name value`, `--name=value` or `-n value`; the word itself is already taken.
    private mutating func option(_ word: String, among parameters: [Parameter]) throws(Fault) -> (Parameter, String) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let attached = parts.count > 1 ? String(parts[1]) : nil
        guard let parameter = parameters.first(where: { !$0.isOperand && $0.dashed == parts[0] }) else {
            throw unknownOption(String(parts[0]), among: parameters)
        }
        guard case .option(let placeholder) = parameter.shape else {
            guard attached == nil else {
                throw Fault(.usage, what: "\(parts[0]) takes no value", why: "it is a flag: there or not", fix: "write \(parts[0])")
            }
            return (parameter, "true")
        }
        if let attached { return (parameter, attached) }
        guard let next = rest.first, !next.hasPrefix("--") else {
            throw Fault(
                .usage, what: "\(parts[0]) needs a value", why: "nothing that can be its \(placeholder) follows it",
                fix: "write \(parts[0]) \(placeholder), or \(parts[0])=\(placeholder) where it begins with --")
        }
        rest.removeFirst()
        return (parameter, next)
    }

    private func assign(_ given: [String], to operands: [Parameter], in invocation: inout Invocation) throws(Fault) {
        var given = given[...]
        for (index, operand) in operands.enumerated() {
            switch operand.shape {
            case .operands(let minimum):
                // Whatever is left but what the operands after it need.
                let after = operands[(index + 1)...].count { $0.shape == .operand(required: true) }
                let taken = given.prefix(max(0, given.count - after))
                guard taken.count >= minimum else { throw missing(operand) }
                for value in taken { try invocation.give(value, to: operand) }
                given = given.dropFirst(taken.count)
            case .operand(let required):
                if let value = given.popFirst() {
                    try invocation.give(value, to: operand)
                } else if required {
                    throw missing(operand)
                }
            case .flag, .option: continue
            }
        }
        if let extra = given.first {
            throw Fault(
                .usage, what: "'\(extra)' is one word too many", why: "usage: \(usage)",
                fix: "leave it out, or quote words that belong together")
        }
    }

    private var name: String { ([program] + node.path).joined(separator: " ") }
    private var usage: String { CommandHelp.usage(program: program, node: node) }

    private func missing(_ operand: Parameter) -> Fault {
        Fault(.usage, what: "\(operand.name) is missing", why: "usage: \(usage)", fix: "add it; `\(name) --help` says more")
    }

    private func unknown(_ word: String) -> Fault {
        let words = node.children.compactMap(\.path.last)
        let nearest = Suggestion.closest(to: word, among: words)
        let holder = node.path.isEmpty ? "\(program) has" : "\(node.path.joined(separator: " ")) has"
        return Fault(
            .usage, what: "`\(name) \(word)` is not a command", why: "\(holder) \(words.joined(separator: ", "))",
            fix: nearest.map { "did you mean `\(name) \($0)`?" } ?? "`\(name) --help` says what each does")
    }

    private func unknownOption(_ word: String, among parameters: [Parameter]) -> Fault {
        let options = parameters.filter { !$0.isOperand }.map(\.dashed) + ["--help"]
        let nearest = Suggestion.closest(to: word, among: options)
        return Fault(
            .usage, what: "\(word) is not an option of `\(name)`", why: "it takes \(options.joined(separator: ", "))",
            fix: nearest.map { "did you mean \($0)?" } ?? "leave it out, or write -- before words that begin with a dash")
    }
}
