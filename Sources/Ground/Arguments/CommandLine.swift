import Faults
import Glibc
import JSON

/// The whole command line: dispatch, help, completions. `help` and `completions SHELL` are added to what is declared.
public struct CommandLine: Sendable {
    private let program: String
    private let tree: CommandTree
    private let common: [Parameter]
    private let help: CommandHelp

    /// `nouns` gives nouns their order and a summary in the list of commands.
    public init(
        program: String, summary: String, commands: [Command], common: [Parameter], nouns: [(name: String, summary: String)] = []
    ) {
        tree = CommandTree(commands + [Self.completions], nouns: nouns)
        (self.program, self.common) = (program, common)
        help = CommandHelp(program: program, summary: summary, common: common)
    }

    /// Runs one command; returns the exit code. Faults are printed to stderr: as text, or with `--json` as
    /// `{"error":{"what","why","fix"}}`.
    public func run(_ arguments: [String]) async -> Int32 {
        await run(arguments) { text, descriptor in CommandLine.write(text, to: descriptor) }
    }

    func run(_ arguments: [String], output: (String, Int32) -> Void) async -> Int32 {
        // `openclaw help release` is `openclaw release --help`.
        let words = arguments.first == "help" ? Array(arguments.dropFirst()) + ["--help"] : arguments
        var parser = CommandParser(program: program, tree: tree, common: common, words: words)
        do {
            switch try parser.parse() {
            case .help(let node): output(help.text(for: node), STDOUT_FILENO)
            case .incomplete(let node): throw incomplete(node)
            case .run(let command, let invocation) where command.path == Self.completions.path:
                output(try completions(for: invocation.operand("SHELL")), STDOUT_FILENO)
            case .run(let command, let invocation): try await command.run(invocation)
            }
            return 0
        } catch let exit as SilentExit {
            return exit.code
        } catch {
            let fault =
                error as? Fault
                ?? Fault(what: "the command failed", why: "\(error)", fix: "run it again; if it stays, report it with this text")
            output(Self.text(of: fault, asJSON: words.prefix { $0 != "--" }.contains("--json")), STDERR_FILENO)
            return fault.exitCode
        }
    }

    private func incomplete(_ node: CommandTree.Node) -> Fault {
        let name = ([program] + node.path).joined(separator: " ")
        return Fault(
            .usage, what: "`\(name)` needs a verb", why: "it has \(node.children.compactMap(\.path.last).joined(separator: ", "))",
            fix: "`\(name) --help` says what each does")
    }

    private static func text(of fault: Fault, asJSON: Bool) -> String {
        guard asJSON else { return "\(fault)\n" }
        let error: JSONValue = ["what": .string(fault.what), "why": .string(fault.why), "fix": .string(fault.fix)]
        return JSONValue.object(["error": error]).canonicalText + "\n"
    }

    /// Needs the tree that it is part of: `run` answers it.
    private static let completions = Command(
        "completions", summary: "Print completions for a shell", parameters: [.operand("SHELL", "one of \(shells)")]
    ) { _ in }

    private static let shells = Completions.Shell.allCases.map(\.rawValue).joined(separator: ", ")

    private func completions(for shell: String) throws(Fault) -> String {
        guard let shell = Completions.Shell(rawValue: shell) else {
            throw Fault(
                .usage, what: "there are no completions for '\(shell)'", why: "completions are made for \(Self.shells)",
                fix: "name one of them")
        }
        return Completions(program: program, tree: tree, common: common).script(for: shell)
    }

    /// Everything, or as much as a closed pipe takes.
    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                return
            }
            bytes = bytes.dropFirst(written)
        }
    }
}
