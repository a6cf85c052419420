import Glibc
import Processes
import TestFolders
import Testing

@testable import Arguments

@Suite struct CompletionsTests {
    private func script(_ shell: String) async -> String { await Rehearsal().run(["completions", shell]).out }

    /// What a shell prints for a script; nil where the shell is not installed.
    private func run(_ shell: String, _ script: String) async throws -> String? {
        let folder = TemporaryFolder()
        let path = unsafe String(cString: getenv("PATH"))
        let plan = ChildPlan(
            arguments: [shell, "-c", script], directory: folder.path, environment: ["PATH": path, "HOME": folder.path],
            outputPath: folder.path + "/output")
        guard let child = try? Child.start(plan) else { return nil }
        #expect(await child.wait() == .exited(code: 0))
        return Child.tail(of: folder.path + "/output")
    }

    @Test(arguments: [
        ("openclaw \"\"", "release route serve verify completions --json --server --help"), ("openclaw rel", "release"),
        ("openclaw release \"\"", "apply list --json --server --help"), ("openclaw --json release a", "apply"),
        ("openclaw release apply --w", "--watch --when-busy"), ("openclaw release apply x.yaml --s", "--set --server"),
    ])
    func `bash completes commands, verbs and options`(typed: String, expected: String) async throws {
        let driver = """
            COMP_WORDS=(\(typed)); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _openclaw; echo "${COMPREPLY[*]}"
            """
        #expect(try await run("bash", await script("bash") + driver) == expected)
    }

    @Test func `fish completes commands, verbs and options`() async throws {
        let driver = "complete -C 'openclaw release apply --w'; complete -C 'openclaw --json rele'\n"
        guard let words = try await run("fish", await script("fish") + driver) else { return }
        #expect(
            words
                == "--watch\tstay and show each step\n--when-busy\tqueue, replace or refuse\nrelease\tconduct a version to live traffic"
        )
    }

    @Test func `zsh completes commands, verbs and options`() async throws {
        // Stands in for zsh's own display of choices, which needs a terminal.
        let driver = """
            compdef() { registered=$1; }
            \(await script("zsh"))
            _describe() { print -l -- "${(@P)2}"; }
            words=(openclaw release apply --w) CURRENT=4
            $registered
            """
        guard let words = try await run("zsh", driver) else { return }
        #expect(
            words == """
                --watch:stay and show each step
                --when-busy:queue, replace or refuse
                --set:change a value
                --json:print one JSON document
                --server:where the daemon listens
                --help:say what this does
                """)
    }
}
