import Arguments
import ControlPlane
import Faults
import JSON

/// `openclaw prompt add FILE...`, or `openclaw prompt add NAME@VERSION --system TEXT ...`
enum PromptAdd {
    static let command = Command(
        "prompt add", summary: "Add versions of prompts, from files or from the command line",
        discussion: """
            A version never changes: the same content again is no news, another content under a taken name is refused.

            From files, all of their versions:
              openclaw prompt add support.yaml

            One version, here from an earlier one with another system text and temperature:
              openclaw prompt add support@v4 --from v3 --system @friendlier.txt --set temperature=0.4

            A text that begins with @ is read from that file. `--set KEY=VALUE` takes any member of a version as a file has it,
            with a value in JSON (or a plain word): `--set tone=warm`, `--set 'variables={"tone":"string"}'`, and null to take
            away what the earlier version says.
            """,
        parameters: [
            .operands("FILE|NAME@VERSION", "Files, or the one version to add"),
            .option("from", "VERSION", "Start from this version of the prompt"),
            .option("system", "TEXT|@FILE", "What the system says"),
            .option("user", "TEXT|@FILE", "What becomes of the user's message"),
            .option("model", "NAME", "The model that is asked"), .option("provider", "NAME", "The provider that is asked"),
            .option("set", "KEY=VALUE", "Another member: temperature=0.2, max_tokens=300, ...", repeats: true),
        ]
    ) { invocation in
        let operands = invocation.values("FILE|NAME@VERSION")
        let says = try members(invocation)
        guard let only = operands.first, operands.count == 1, let at = only.firstIndex(of: "@"), !only.contains("/") else {
            guard says.isEmpty, invocation.value("from") == nil else {
                throw Fault(
                    .usage, what: "Options cannot change what files say.", why: "\(operands.joined(separator: " ")) are files.",
                    fix: "Name the version to add, such as support@v4.")
            }
            let answer = try await APIClient(invocation).post("/api/v1/apply", try ApplyBody.make(of: operands, only: "prompt"))
            return Output(invocation).show(answer) { style in Apply.text(answer, style) }
        }
        var body: [String: JSONValue] = ["says": .object(says)]
        if let from = invocation.value("from") {
            body["from"] = .string(from.split(separator: "@").last.map(String.init) ?? from)
        }
        let path = PromptAdd.path(only[..<at], only[only.index(after: at)...])
        let answer = try await APIClient(invocation).post(path, .object(body))
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func path(_ name: Substring, _ version: Substring) -> String {
        "/api/v1/prompts/\(APIClient.segment(String(name)))/versions/\(APIClient.segment(String(version)))"
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let id = answer["id"]?.stringValue ?? ""
        let outcome = answer["outcome"]?.stringValue == "unchanged" ? "was there already" : "added"
        let name = id.split(separator: "@").first.map(String.init) ?? id
        return
            "\(style.strong(id)) \(style.good(outcome))  \(style.faint(String((answer["digest"]?.stringValue ?? "").prefix(19))))\n"
            + "next: openclaw prompt render \(id) | openclaw prompt show \(name)"
    }

    private static func members(_ invocation: Invocation) throws(Fault) -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        for key in ["system", "user"] {
            if let text = invocation.value(key) { members[key] = .string(try read(text)) }
        }
        for key in ["model", "provider"] {
            if let text = invocation.value(key) { members[key] = .string(text) }
        }
        for pair in invocation.values("set") {
            let (key, text) = try KeyValue.read(pair, option: "set")
            guard members[key] == nil else {
                throw Fault(.usage, what: "\(key) is given twice.", why: "Two values could disagree.", fix: "Keep one of them.")
            }
            members[key] = (try? JSONValue(parsing: text)) ?? .string(text)
        }
        return members
    }

    /// `@file` is the file's text.
    private static func read(_ text: String) throws(Fault) -> String {
        guard text.hasPrefix("@") else { return text }
        return try ResourceFile(reading: String(text.dropFirst())).text
    }
}

/// `key=value` on the command line.
enum KeyValue {
    static func read(_ text: String, option: String) throws(Fault) -> (key: String, value: String) {
        guard let sign = text.firstIndex(of: "="), sign != text.startIndex else {
            throw Fault(
                .usage, what: "'\(text)' is not what --\(option) takes.", why: "It has no name before an equals sign.",
                fix: "Write --\(option) name=value.")
        }
        return (String(text[..<sign]), String(text[text.index(after: sign)...]))
    }
}
