/// Shell completions, generated from the declarations.
struct Completions: Sendable {
    enum Shell: String, CaseIterable, Sendable { case bash, zsh, fish }

    let program: String
    let tree: CommandTree
    let common: [Parameter]

    func script(for shell: Shell) -> String {
        switch shell {
        case .bash: bash
        case .zsh: zsh
        case .fish: fish
        }
    }

    /// The words that may follow a node: its children and options, each with its help.
    private func words(after node: CommandTree.Node) -> [(word: String, help: String)] {
        let options = ((node.command?.parameters ?? []) + common).filter { !$0.isOperand }
        var seen: Set<String> = []
        return
            (node.children.map { ($0.path.last ?? "", $0.summary) } + options.map { ($0.dashed, $0.help) }
            + [("--help", "say what this does")]).filter { seen.insert($0.0).inserted }
    }

    private static func key(_ node: CommandTree.Node) -> String { "/" + node.path.joined(separator: "/") }

    private var function: String { "_\(program)" }

    private var bash: String {
        let nodes = tree.root.all
        let steps = nodes.dropFirst().map { "\"\(Self.key($0))\"" }.joined(separator: "|")
        let cases = nodes.map { node in
            "        \"\(Self.key(node))\") words=\"\(words(after: node).map(\.word).joined(separator: " "))\" ;;"
        }
        return """
            # bash completion of \(program); install with: source <(\(program) completions bash)
            \(function)() {
                local current="${COMP_WORDS[COMP_CWORD]}" place="" word words=""
                for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
                    case "$place/$word" in
                        \(steps)) place="$place/$word" ;;
                    esac
                done
                case "${place:-/}" in
            \(cases.joined(separator: "\n"))
                esac
                COMPREPLY=($(compgen -W "$words" -- "$current"))
            }
            complete -o bashdefault -o default -F \(function) \(program)

            """
    }

    private var zsh: String {
        let nodes = tree.root.all
        let steps = nodes.dropFirst().map { Self.key($0) }.joined(separator: "|")
        let cases = nodes.map { node in
            let words = words(after: node).map { Self.quoted("\($0.word):\(Self.plain($0.help))") }
            return "        (\(Self.key(node))) choices=(\(words.joined(separator: " "))) ;;"
        }
        return """
            #compdef \(program)
            # zsh completion of \(program); install with: source <(\(program) completions zsh)
            \(function)() {
                local place="" word
                local -a choices
                for word in "${(@)words[2,CURRENT-1]}"; do
                    case "$place/$word" in
                        (\(steps)) place="$place/$word" ;;
                    esac
                done
                case "${place:-/}" in
            \(cases.joined(separator: "\n"))
                esac
                _describe '\(program)' choices || _files
            }
            compdef \(function) \(program)

            """
    }

    private var fish: String {
        let condition = "__\(program)_at"
        let lines = tree.root.all.flatMap { node in
            words(after: node).map { entry in
                let place = "-n \(Self.quoted("\(condition) \(Self.key(node))"))"
                let kind =
                    entry.word.hasPrefix("--")
                    ? "-l \(entry.word.dropFirst(2))"
                    : entry.word.hasPrefix("-") ? "-s \(entry.word.dropFirst())" : "-f -a \(entry.word)"
                return "complete -c \(program) \(place) \(kind) -d \(Self.quoted(entry.help))"
            }
        }
        let steps = tree.root.all.dropFirst().map { Self.key($0) }.joined(separator: " ")
        return """
            # fish completion of \(program); install with: \(program) completions fish | source
            function \(condition)
                set -l place ""
                for word in (commandline -opc)[2..-1]
                    contains -- "$place/$word" \(steps); and set place "$place/$word"
                end
                test "$place" = "$argv[1]"; or test -z "$place" -a "$argv[1]" = /
            end
            \(lines.joined(separator: "\n"))

            """
    }

    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    /// zsh's _describe splits at colons.
    private static func plain(_ help: String) -> String {
        help.split(separator: ":", omittingEmptySubsequences: false).joined(separator: "\\:")
    }
}
