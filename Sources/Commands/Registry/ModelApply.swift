import Arguments

/// `openclaw model apply FILE...`
enum ModelApply {
    static let command = Command("model apply", summary: "Apply `model:` files", parameters: [.operands("FILE", "The files")]) {
        invocation in
        let body = try ApplyBody.make(of: invocation.values("FILE"), only: "model")
        let answer = try await APIClient(invocation).post("/api/v1/apply", body)
        Output(invocation).show(answer) { style in Apply.text(answer, style) }
    }
}
