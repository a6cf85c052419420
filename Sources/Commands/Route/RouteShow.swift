import Arguments
import JSON

/// `openclaw route show NAME`
enum RouteShow {
    static let command = Command(
        "route show", summary: "One route: its variants and their shares", parameters: [.operand("NAME", "The route")]
    ) {
        invocation in
        let route = try await APIClient(invocation).get("/api/v1/routes/\(APIClient.segment(invocation.operand("NAME")))")
        Output(invocation).show(route) { style in RouteScreen.text(route, style) }
    }
}
