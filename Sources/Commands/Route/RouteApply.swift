import Arguments

/// `openclaw route apply FILE...`
enum RouteApply {
    static let command = Command("route apply", summary: "Apply `route:` files", parameters: [.operands("FILE", "The files")]) {
        invocation in
        let body = try ApplyBody.make(of: invocation.values("FILE"), only: "route")
        let answer = try await APIClient(invocation).post("/api/v1/apply", body)
        Output(invocation).show(answer) { style in Apply.text(answer, style) }
    }
}
