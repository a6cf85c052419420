import Arguments
import JSON

/// `openclaw route list`
enum RouteList {
    static let command = Command("route list", summary: "All routes and their splits") { invocation in
        let answer = try await APIClient(invocation).get("/api/v1/routes")
        Output(invocation).show(answer) { style in text(answer, style) }
    }

    static func text(_ answer: JSONValue, _ style: Style) -> String {
        let routes = answer["routes"]?.arrayValue ?? []
        guard !routes.isEmpty else { return "no routes yet\nnext: openclaw route apply FILE" }
        var table = Table(["route", "match", "unit", "split", "moved by"])
        for route in routes {
            table.add([
                route["name"]?.stringValue ?? "", RouteScreen.match(route), route["unit"]?.stringValue ?? "",
                RouteScreen.split(route),
                route["owner"]?.stringValue ?? "",
            ])
        }
        return table.text(style)
    }
}
