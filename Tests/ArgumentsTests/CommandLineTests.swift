import Faults
import JSON
import Synchronization
import Testing

@testable import Arguments

/// A command line of a few verbs, whose commands note what they were given.
final class Rehearsal: Sendable {
    private let noted = Mutex<[String]>([])

    var calls: [String] { noted.withLock { $0 } }

    private func note(_ call: String) { noted.withLock { $0.append(call) } }

    var commandLine: Arguments.CommandLine {
        CommandLine(
            program: "openclaw", summary: "takes a model to live users, and takes it back",
            commands: [
                Command(
                    "release apply", summary: "start what the files describe",
                    discussion: "Returns at once, with the release's status.\n\n  openclaw release apply release.yaml --watch",
                    parameters: [
                        .operands("FILE", "YAML files"), .flag("watch", "stay and show each step"),
                        .option("when-busy", "WHAT", "queue, replace or refuse"),
                        .option("set", "KEY=VALUE", "change a value", repeats: true),
                    ]
                ) { [self] call in
                    note(
                        "apply \(call.values("FILE")) \(call.has("--watch")) \(call.value("when-busy") ?? "-") \(call.values("set"))"
                    )
                },
                Command("release list", summary: "all releases") { [self] call in note("list \(call.has("json"))") },
                Command(
                    "route set", summary: "move shares",
                    parameters: [.operands("SHARE", "v11=80%"), .operand("NAME", "the route")]
                ) { [self] call in note("set \(call.operand("NAME")) \(call.values("SHARE"))") },
                Command(
                    "route show", summary: "one route",
                    parameters: [.operand("NAME", "the route", required: false), .option("o", "FILE", "where to", repeats: true)]
                ) { [self] call in note("show \(([call.value("NAME") ?? "all"] + call.values("o")).joined(separator: " "))") },
                Command("serve", summary: "run both planes") { _ in throw Fault(.unavailable, what: "a", why: "b", fix: "c") },
                Command("verify", summary: "check") { _ in throw SilentExit(code: 1) },
            ],
            common: [.flag("json", "print one JSON document"), .option("server", "URL", "where the daemon listens")],
            nouns: [("release", "conduct a version to live traffic")])
    }

    func run(_ words: [String]) async -> (code: Int32, out: String, error: String) {
        let written = Mutex<[Int32: String]>([:])
        let code = await commandLine.run(words) { text, descriptor in written.withLock { $0[descriptor, default: ""] += text } }
        return written.withLock { (code, $0[1] ?? "", $0[2] ?? "") }
    }
}

@Suite struct CommandLineTests {
    let rehearsal = Rehearsal()

    @Test(arguments: [
        (["release", "apply", "a.yaml", "--watch", "b.yaml"], "apply [\"a.yaml\", \"b.yaml\"] true - []"),
        (["release", "apply", "--when-busy", "queue", "a"], "apply [\"a\"] false queue []"),
        (
            ["release", "apply", "--when-busy=queue", "--set=a=1", "--set", "b=", "a"],
            "apply [\"a\"] false queue [\"a=1\", \"b=\"]"
        ),
        (["release", "apply", "--when-busy=--odd", "-"], "apply [\"-\"] false --odd []"),
        (["release", "apply", "--", "--watch", "-x"], "apply [\"--watch\", \"-x\"] false - []"),
        (["--json", "release", "list"], "list true"), (["release", "--json", "list"], "list true"),
        (["--server", "http://h", "release", "list"], "list false"),
        (["route", "set", "a=1", "b=2", "fraud"], "set fraud [\"a=1\", \"b=2\"]"),
        (["route", "show"], "show all"), (["route", "show", "-o", "a", "-o=b"], "show all a b"),
        (["route", "show", "fraud"], "show fraud"),
    ])
    func `a command gets what was typed`(words: [String], call: String) async {
        let (code, out, error) = await rehearsal.run(words)
        #expect(code == 0 && out.isEmpty && error.isEmpty, "\(error)")
        #expect(rehearsal.calls == [call])
    }

    @Test(arguments: [
        (["relase", "apply"], "`openclaw relase` is not a command", "did you mean `openclaw release`?"),
        (["release", "aply"], "`openclaw release aply` is not a command", "did you mean `openclaw release apply`?"),
        (["release", "zzzzzzzzz"], "is not a command", "`openclaw release --help` says what each does"),
        (["release"], "`openclaw release` needs a verb", "`openclaw release --help`"),
        (["--json"], "`openclaw` needs a verb", "`openclaw --help`"),
        (["release", "apply", "a", "--wach"], "--wach is not an option of `openclaw release apply`", "did you mean --watch?"),
        (["release", "apply", "a", "-w"], "-w is not an option", "write -- before words that begin with a dash"),
        (["release", "apply", "a", "--watch=yes"], "--watch takes no value", "write --watch"),
        (["release", "apply", "a", "--when-busy"], "--when-busy needs a value", "--when-busy=WHAT"),
        (["release", "apply", "a", "--when-busy", "--watch"], "--when-busy needs a value", "--when-busy=WHAT"),
        (["release", "apply", "a", "--when-busy=a", "--when-busy=b"], "--when-busy is given twice", "keep one"),
        (["release", "apply"], "FILE is missing", "`openclaw release apply --help`"),
        (["route", "set", "a=1"], "SHARE is missing", "add it"),
        (["release", "list", "x"], "'x' is one word too many", "leave it out"),
        (["--sever", "x", "release", "list"], "--sever", "--server?"),
        (["completions", "tcsh"], "there are no completions for 'tcsh'", "name one of them"),
    ])
    func `a typing error is refused with the way out, and nothing runs`(words: [String], what: String, fix: String) async {
        let (code, out, error) = await rehearsal.run(words)
        #expect(code == 2 && out.isEmpty && rehearsal.calls.isEmpty)
        let lines = error.split(separator: "\n")
        #expect(lines.first?.contains(what) == true && lines.last?.contains(fix) == true, "\(error)")
    }

    @Test func `with json a fault is one document on stderr`() async throws {
        for (words, code) in [(["serve", "--json"], 3), (["serve", "--json", "--bogus"], 2), (["--json", "bogus"], 2)]
            as [([String], Int32)]
        {
            let result = await rehearsal.run(words)
            #expect(result.code == code && result.out.isEmpty)
            let error = try #require(JSONValue(parsing: result.error)["error"]?.objectValue)
            #expect(Set(error.keys) == ["what", "why", "fix"])
        }
        #expect(await rehearsal.run(["serve"]).error == "error: a\n  why: b\n  fix: c\n")
        #expect(await rehearsal.run(["serve", "--", "--json"]).error.hasPrefix("error: "))
    }

    @Test func `a command can end with a code and no words`() async {
        #expect(await rehearsal.run(["verify"]) == (1, "", ""))
    }

    @Test(arguments: [[], ["--help"], ["-h"], ["help"]])
    func `the program says what it can do`(words: [String]) async {
        let (code, out, error) = await rehearsal.run(words)
        #expect(code == 0 && error.isEmpty)
        #expect(
            out == """
                openclaw: takes a model to live users, and takes it back

                usage: openclaw <command> [options]

                commands
                  release      conduct a version to live traffic
                  route        set, show
                  serve        run both planes
                  verify       check
                  completions  Print completions for a shell

                options of every command
                  --json        print one JSON document
                  --server URL  where the daemon listens

                `openclaw <command> --help` says more about each.

                """)
    }

    @Test(arguments: [
        ["release", "apply", "--help"], ["help", "release", "apply"], ["release", "--help", "apply"],
        ["release", "apply", "x", "-h"],
    ])
    func `a verb says how it is used`(words: [String]) async {
        let (code, out, _) = await rehearsal.run(words)
        #expect(code == 0 && rehearsal.calls.isEmpty)
        #expect(
            out == """
                usage: openclaw release apply FILE... [options]

                Start what the files describe.

                Returns at once, with the release's status.

                  openclaw release apply release.yaml --watch

                operands
                  FILE...  YAML files

                options
                  --watch           stay and show each step
                  --when-busy WHAT  queue, replace or refuse
                  --set KEY=VALUE   change a value (repeatable)

                options of every command
                  --json        print one JSON document
                  --server URL  where the daemon listens

                """)
    }

    @Test func `a noun lists its verbs`() async {
        let (code, out, _) = await rehearsal.run(["release", "--help"])
        #expect(code == 0)
        #expect(
            out.contains(
                "usage: openclaw release <verb> [options]\n\nConduct a version to live traffic.\n\nverbs\n  apply  start what"))
    }

    @Test func `long help is wrapped under its column`() {
        let help = CommandHelp(program: "p", summary: "s", common: [])
        let command = Command(
            "go", summary: "s",
            parameters: [.option("x", "Y", String(repeating: "word ", count: 30)), .flag(String(repeating: "l", count: 30), "h")]
        ) { _ in }
        let text = help.text(for: CommandTree([command], nouns: []).root.children[0])
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 88 }, "\(text)")
        #expect(text.contains("\n  --\(String(repeating: "l", count: 30))\n                              h\n"), "\(text)")
    }
}
