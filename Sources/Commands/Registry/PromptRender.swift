import Arguments
import Faults
import JSON

/// `openclaw prompt render NAME@VERSION --var k=v`
enum PromptRender {
    static let command = Command(
        "prompt render", summary: "The request that a version makes of variables and of what a user wrote",
        discussion: """
            Shows exactly what a model would be asked. A variable that is missing or of another type is a fault, as it is for a
            live request.
              openclaw prompt render support@v3 --var tone=warm --input "Where is my card?"
            """,
        parameters: [
            .operand("NAME@VERSION", "Such as support@v3"), .option("var", "NAME=VALUE", "A variable", repeats: true),
            .option("input", "TEXT", "What the user wrote"),
        ]
    ) { invocation in
        let id = try PromptVersionName(invocation.operand("NAME@VERSION"))
        var variables: [String: JSONValue] = [:]
        for pair in invocation.values("var") {
            let (name, value) = try KeyValue.read(pair, option: "var")
            guard variables.updateValue(.string(value), forKey: name) == nil else {
                throw Fault(.usage, what: "\(name) is given twice.", why: "Two values could disagree.", fix: "Keep one of them.")
            }
        }
        var body: [String: JSONValue] = ["variables": .object(variables)]
        if let input = invocation.value("input") { body["input"] = .string(input) }
        let answer = try await APIClient(invocation).post(id.path + "/render", .object(body))
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        var lines: [String] = []
        for message in answer["messages"]?.arrayValue ?? [] {
            lines.append(style.strong(message["role"]?.stringValue ?? ""))
            let said = message["content"]?.stringValue ?? ""
            lines += said.split(separator: "\n", omittingEmptySubsequences: false).map { "  \($0)" }
        }
        var table = Table([], indent: 2)
        for (key, value) in (answer.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) where key != "messages" {
            table.add([key, value.stringValue ?? value.canonicalText])
        }
        if !table.rows.isEmpty { lines += [style.strong("with"), table.text(style)] }
        return lines.joined(separator: "\n")
    }
}

/// `support@v3`, as a user types it.
struct PromptVersionName {
    let name: String
    let version: String

    init(_ text: String) throws(Fault) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }) else {
            throw Fault(
                .usage, what: "'\(text)' is not a version of a prompt.", why: "It is named by the prompt and its own name.",
                fix: "Write it as support@v3.")
        }
        (name, version) = (String(parts[0]), String(parts[1]))
    }

    var path: String { PromptAdd.path(name[...], version[...]) }
}
