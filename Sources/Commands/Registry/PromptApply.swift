import Arguments

/// `openclaw prompt apply FILE...`
enum PromptApply {
    static let command = Command("prompt apply", summary: "Apply `prompt:` files", parameters: [.operands("FILE", "The files")]) {
        invocation in
        let body = try ApplyBody.make(of: invocation.values("FILE"), only: "prompt")
        let answer = try await APIClient(invocation).post("/api/v1/apply", body)
        Output(invocation).show(answer) { style in Apply.text(answer, style) }
    }
}
