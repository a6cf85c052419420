import Arguments
import Faults
import JSON

/// `openclaw node label NAME tier=gpu zone-`
enum NodeLabel {
    static let command = Command(
        "node label", summary: "Labels that jobs and the queue's policy can require or avoid: tier=gpu; tier- takes it away",
        parameters: [.operand("NAME", "The node"), .operands("LABEL", "NAME=VALUE gives a label, NAME- takes it away")]
    ) { invocation in
        let path = "/api/v1/nodes/\(APIClient.segment(invocation.operand("NAME")))/labels"
        let answer = try await APIClient(invocation).post(path, try body(invocation.values("LABEL")))
        Output(invocation).show(answer) { style in NodeList.text(answer, style) }
    }

    private static func body(_ labels: [String]) throws(Fault) -> JSONValue {
        var (set, removed): ([String: JSONValue], [JSONValue]) = ([:], [])
        for label in labels {
            let parts = label.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if parts.count == 2, !parts[0].isEmpty {
                set[parts[0]] = .string(parts[1])
            } else if label.hasSuffix("-"), label.count > 1 {
                removed.append(.string(String(label.dropLast())))
            } else {
                throw Fault(
                    .usage, what: "'\(label)' is no label.", why: "NAME=VALUE gives one, NAME- takes it away.",
                    fix: "Write it like tier=gpu.")
            }
        }
        return ["set": .object(set), "remove": .array(removed)]
    }
}
