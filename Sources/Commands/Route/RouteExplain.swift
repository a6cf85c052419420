import Arguments
import Faults
import JSON
import Routing

/// `openclaw route explain NAME --unit U`
enum RouteExplain {
    static let command = Command(
        "route explain", summary: "Which variant a unit gets, and why",
        discussion:
            "Where experiments of the route have conditions, name what the unit's requests say of it: --attribute country=DE",
        parameters: [
            .operand("NAME", "The route"), .option("unit", "UNIT", "The unit, as the route's requests name it"),
            .option("attribute", "NAME=VALUE", "What a condition asks for", repeats: true),
        ]
    ) { invocation in
        guard let unit = invocation.value("unit") else {
            throw Fault(
                .usage, what: "There is nobody to explain.", why: "--unit is missing.",
                fix: "openclaw route explain \(invocation.operand("NAME")) --unit user-17")
        }
        let attributes = JSONValue.object(try attributes(invocation.values("attribute")))
        let path =
            "/api/v1/routes/\(APIClient.segment(invocation.operand("NAME")))/explain?unit=\(APIClient.segment(unit))"
            + "&attributes=\(APIClient.segment(attributes.canonicalText))"
        let answer = try await APIClient(invocation).get(path)
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    /// As the gateway reads a header: true and false are booleans, all else is a text, of which a condition reads `8` as a number.
    static func attributes(_ words: [String]) throws(Fault) -> [String: JSONValue] {
        var attributes: [String: JSONValue] = [:]
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw Fault(
                    .usage, what: "'\(word)' is not an attribute.", why: "One is NAME=VALUE.", fix: "Write --attribute country=DE.")
            }
            attributes[String(parts[0])] = AttributeSource.value(String(parts[1]))
        }
        return attributes
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let experiment = answer["experiment"]?.stringValue.map { " by experiment \($0)" } ?? ""
        return """
            \(answer["unit"]?.stringValue ?? "") gets \(style.strong(answer["variant"]?.stringValue ?? "")) on route \(answer["route"]?.stringValue ?? "")\(experiment)
              because  \(answer["reason"]?.stringValue ?? "")
            """
    }
}
