import Arguments
import JSON

/// `openclaw node list`
enum NodeList {
    static let command = Command("node list", summary: "What jobs run on, and what is used of it") { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/nodes")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        var table = Table(["node", "health", "cpus", "memory", "accelerators", "ranks", "jobs", "labels"])
        for node in answer["nodes"]?.arrayValue ?? [] {
            let health = node["health"]?.stringValue ?? ""
            let devices = (node["accelerators"]?.arrayValue ?? []).map { devices in
                let name = [devices["model"], devices["resource"]].compactMap { $0?.stringValue }.first { !$0.isEmpty } ?? ""
                let failed = devices["failed"]?.arrayValue?.count ?? 0
                let used = "\(devices["used"]?.integerValue ?? 0)/\(devices["count"]?.integerValue ?? 0) \(name)"
                return failed > 0 ? "\(used) (\(failed) failed)" : used
            }
            table.add([
                node["name"]?.stringValue ?? "", health == "ready" ? style.good(health) : style.open(health),
                "\(cores(node["cpus_used"]))/\(cores(node["cpus"]))",
                "\((node["memory_used_bytes"]?.integerValue ?? 0) >> 30)/\((node["memory_bytes"]?.integerValue ?? 0) >> 30) GiB",
                devices.isEmpty ? "none" : devices.joined(separator: ", "), "\(node["ranks"]?.integerValue ?? 0)",
                (node["jobs"]?.arrayValue ?? []).compactMap(\.stringValue).joined(separator: ", "),
                (node["labels"]?.objectValue ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.stringValue ?? "")" }
                    .joined(separator: ", "),
            ])
        }
        let remarks = (answer["nodes"]?.arrayValue ?? []).compactMap { node in
            node["why"]?.stringValue.map { "  \(node["name"]?.stringValue ?? "")  \($0)" }
        }
        return ([table.text(style)] + remarks).joined(separator: "\n")
    }

    private static func cores(_ value: JSONValue?) -> String { Figures.value(value?.numberValue ?? 0, unit: "") }
}

/// `openclaw node drain NAME [--now]`
enum NodeDrain {
    static let command = Command(
        "node drain", summary: "A node takes nothing new; --now also stops what runs there, at a checkpoint",
        parameters: [.operand("NAME", "The node"), .flag("now", "Stop what runs there, to go on elsewhere")]
    ) { invocation in
        let path = "/api/v1/nodes/\(APIClient.segment(invocation.operand("NAME")))/drain"
        let answer = try await APIClient(invocation).post(path, ["now": .bool(invocation.has("now"))])
        Output(invocation).show(answer) { style in NodeList.text(answer, style) }
    }
}

/// `openclaw node resume NAME`
enum NodeResume {
    static let command = Command("node resume", summary: "A node takes jobs again", parameters: [.operand("NAME", "The node")]) {
        invocation in
        let path = "/api/v1/nodes/\(APIClient.segment(invocation.operand("NAME")))/resume"
        let answer = try await APIClient(invocation).post(path, [:])
        Output(invocation).show(answer) { style in NodeList.text(answer, style) }
    }
}
