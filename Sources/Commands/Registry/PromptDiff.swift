import Arguments
import Faults
import JSON

/// `openclaw prompt diff NAME@OLD NAME@NEW`
enum PromptDiff {
    static let command = Command(
        "prompt diff", summary: "What changed between two versions",
        discussion: """
            The texts line by line, everything else member by member.
              openclaw prompt diff support@v3 support@v4
              openclaw prompt diff support@v3 v4
            """,
        parameters: [.operand("NAME@OLD", "The older version"), .operand("NAME@NEW", "The newer one; the name may be left out")]
    ) { invocation in
        let old = try PromptVersionName(invocation.operand("NAME@OLD"))
        let named = invocation.operand("NAME@NEW")
        let new = try PromptVersionName(named.contains("@") ? named : "\(old.name)@\(named)")
        let client = try APIClient(invocation)
        let facts = changes(from: try await template(old, client), to: try await template(new, client), old, new)
        Output(invocation).show(facts) { style in text(facts, style) }
    }

    private static func template(_ id: PromptVersionName, _ client: APIClient) async throws(Fault) -> [String: JSONValue] {
        let prompt = try await client.get("/api/v1/prompts/\(APIClient.segment(id.name))")
        guard let members = prompt["versions"]?[id.version]?.objectValue else {
            let known = (prompt["versions"]?.objectValue ?? [:]).keys.sorted()
            let near = Suggestion.closest(to: id.version, among: known).map { "Did you mean \(id.name)@\($0)? " } ?? ""
            throw Fault(
                .notFound, what: "There is no version '\(id.name)@\(id.version)'.", why: "It has \(known.joined(separator: ", ")).",
                fix: "\(near)openclaw prompt show \(id.name)")
        }
        // Parameters count one by one, as they stand in a file.
        return members.merging(members["parameters"]?.objectValue ?? [:]) { own, _ in own }
            .filter { $0.key != "parameters" && $0.key != "digest" && $0.value != .null }
    }

    static func changes(
        from old: [String: JSONValue], to new: [String: JSONValue], _ oldID: PromptVersionName, _ newID: PromptVersionName
    ) -> JSONValue {
        var texts: [String: JSONValue] = [:]
        var members: [String: JSONValue] = [:]
        for key in Set(old.keys).union(new.keys) where old[key] != new[key] {
            if key == "system" || key == "user" {
                let lines = LineDiff.lines(old[key]?.stringValue ?? "", new[key]?.stringValue ?? "")
                texts[key] = .array(lines.map { ["change": .string($0.change.rawValue), "line": .string($0.text)] })
            } else {
                members[key] = ["old": old[key] ?? .null, "new": new[key] ?? .null]
            }
        }
        return [
            "old": .string("\(oldID.name)@\(oldID.version)"), "new": .string("\(newID.name)@\(newID.version)"),
            "same": .bool(texts.isEmpty && members.isEmpty), "texts": .object(texts), "members": .object(members),
        ]
    }

    static func text(_ facts: JSONValue, _ style: Style) -> String {
        let (old, new) = (facts["old"]?.stringValue ?? "", facts["new"]?.stringValue ?? "")
        if facts["same"] == true { return "\(old) and \(new) say the same" }
        var lines = [style.strong("\(old) -> \(new)")]
        for part in ["system", "user"] {
            guard let changed = facts["texts"]?[part]?.arrayValue else { continue }
            lines.append(style.strong(part))
            lines += LineDiff.near(changed).map { line in
                switch line["change"]?.stringValue {
                case "+": style.good("  + \(line["line"]?.stringValue ?? "")")
                case "-": style.bad("  - \(line["line"]?.stringValue ?? "")")
                case "...": style.faint("    ...")
                default: style.faint("    \(line["line"]?.stringValue ?? "")")
                }
            }
        }
        for (key, change) in (facts["members"]?.objectValue ?? [:]).sorted(by: { $0.key < $1.key }) {
            lines.append(style.strong(key))
            if let was = change["old"], was != .null { lines.append(style.bad("  - \(was.stringValue ?? was.canonicalText)")) }
            if let now = change["new"], now != .null { lines.append(style.good("  + \(now.stringValue ?? now.canonicalText)")) }
        }
        return lines.joined(separator: "\n")
    }
}
