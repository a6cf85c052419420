import Arguments
import Faults
import JSON

/// `openclaw route explain NAME --unit U`
enum RouteExplain {
    static let command = Command(
        "route explain", summary: "Which variant a unit gets, and why",
        parameters: [.operand("NAME", "The route"), .option("unit", "UNIT", "The unit, as the route's requests name it")]
    ) { invocation in
        guard let unit = invocation.value("unit") else {
            throw Fault(
                .usage, what: "There is nobody to explain.", why: "--unit is missing.",
                fix: "openclaw route explain \(invocation.operand("NAME")) --unit user-17")
        }
        let path = "/api/v1/routes/\(APIClient.segment(invocation.operand("NAME")))/explain?unit=\(APIClient.segment(unit))"
        let answer = try await APIClient(invocation).get(path)
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        """
        \(answer["unit"]?.stringValue ?? "") gets \(style.strong(answer["variant"]?.stringValue ?? "")) on route \(answer["route"]?.stringValue ?? "")
          because  \(answer["reason"]?.stringValue ?? "")
        """
    }
}
