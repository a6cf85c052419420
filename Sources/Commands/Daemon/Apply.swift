import Arguments
import ControlPlane
import Faults
import JSON

/// `openclaw apply -f FILE...`: every kind of resource.
enum Apply {
    static let command = Command(
        "apply", summary: "Apply resource files of any kind",
        discussion: """
            Reads `model:`, `prompt:`, `provider:`, `route:`, `release_pipeline:` and `experiment:` resources, several to a file when
            `---` stands between them. All files are read before the first is applied. What already is at that content stays as
            it is.
            """,
        parameters: [
            .option("f", "FILE", "A file; several may follow", repeats: true), .operands("FILE", "More files", minimum: 0),
            whenBusy,
        ]
    ) { invocation in
        let files = invocation.values("f") + invocation.values("FILE")
        guard !files.isEmpty else {
            throw Fault(.usage, what: "There is nothing to apply.", why: "No file was named.", fix: "openclaw apply -f FILE...")
        }
        let body = try ApplyBody.make(of: files, whenBusy: invocation.value("when-busy"))
        let answer = try await APIClient(invocation).post("/api/v1/apply", body)
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static let whenBusy = Parameter.option(
        "when-busy", "queue|replace|refuse", "What a release does whose route another one holds; standard: queue")

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        var table = Table([])
        for item in answer["applied"]?.arrayValue ?? [] {
            let outcome = item["outcome"]?.stringValue ?? ""
            table.add([
                item["kind"]?.stringValue ?? "", item["name"]?.stringValue ?? "",
                outcome == "unchanged" ? style.faint(outcome) : style.good(outcome),
            ])
        }
        return table.text(style)
    }
}

/// Files as the API takes them: text, the name faults shall carry, and the folder relative paths start in.
enum ApplyBody {
    /// `only` refuses resources of another kind (`route apply` of a model's file).
    static func make(of paths: [String], only kind: String? = nil, whenBusy: String? = nil) throws(Fault) -> JSONValue {
        var files: [JSONValue] = []
        for path in paths {
            let file = try ResourceFile(reading: path)
            files.append(["name": .string(file.name), "directory": .string(file.directory), "text": .string(file.text)])
        }
        var body: [String: JSONValue] = ["files": .array(files)]
        if let kind { body["only"] = .string(kind) }
        if let whenBusy {
            guard ["queue", "replace", "refuse"].contains(whenBusy) else {
                throw Fault(
                    .usage, what: "--when-busy cannot be '\(whenBusy)'.", why: "It is queue, replace or refuse.",
                    fix: "Choose one of them.")
            }
            body["when_busy"] = .string(whenBusy)
        }
        return .object(body)
    }
}
